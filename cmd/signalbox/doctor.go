package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/signalbox-ai/signalbox/host/config"
)

// The results of a check.
const (
	checkOK      = "ok"
	checkWarning = "warning"
	checkFailed  = "failed"
)

// finding is what a check has found.
type finding struct {
	Check  string `json:"check"`
	Result string `json:"result"`
	Says   string `json:"says"`
	Remedy string `json:"remedy,omitempty"`

	// Of a credential that was tried.
	Provider   string `json:"provider,omitempty"`
	Credential string `json:"credential,omitempty"`
	Answer     string `json:"answer,omitempty"`
}

// doctor looks at a set-up from the outside.
type doctor struct {
	a     *access
	cfg   *config.Config
	cfgOK bool // cfg is all of it, not what a client needs alone
	alive bool // a gateway answers at its admin address
	found []finding
	hosts map[string]upstream // by host:port
	tries bool                // credentials
}

// upstream is where requests go.
type upstream struct {
	of      []string // providers
	through bool     // an adapter may ask it, or another
}

func doctorCommand(src *sources) *cobra.Command {
	d := &doctor{a: &access{src: src}, hosts: map[string]upstream{}}
	var asJSON, offline bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Look for what is wrong with a set-up, and say what to do about it",
		Long: "Look for what is wrong with a set-up: configuration, files, ports, store, Redis, adapters, whether providers can be\n" +
			"reached, clocks, certificates, versions, and how a running gateway fares. Nothing is changed, and no credential is used\n" +
			"without --credentials: with it each credential of the configuration is tried at its provider by a call that costs nothing.\n" +
			"The exit code is 1 where something failed, a credential that is refused among it.",
		Example: "  signalbox doctor --config signalbox.yaml\n  signalbox doctor --credentials\n  signalbox doctor --offline --json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			d.look(c.Context(), offline)
			if err := d.report(c.OutOrStdout(), asJSON); err != nil {
				return err
			}
			if n := d.count(checkFailed); n > 0 {
				return hint(fmt.Errorf("%d checks failed", n), "each says what to do")
			}
			return nil
		},
	}
	d.a.flags(c)
	c.Flags().BoolVar(&offline, "offline", false, "ask nobody outside of this machine")
	c.Flags().BoolVar(&d.tries, "credentials", false, "try each credential at its provider, by a call that costs nothing")
	c.MarkFlagsMutuallyExclusive("offline", "credentials")
	c.Flags().BoolVar(&asJSON, "json", false, "print the findings as JSON")
	return c
}

func (d *doctor) add(check, result, remedy, format string, args ...any) {
	if result == checkOK {
		remedy = ""
	}
	d.found = append(d.found, finding{Check: check, Result: result, Says: fmt.Sprintf(format, args...), Remedy: remedy})
}

func (d *doctor) count(result string) (n int) {
	for _, f := range d.found {
		if f.Result == result {
			n++
		}
	}
	return n
}

// look makes all checks that can be made.
func (d *doctor) look(ctx context.Context, offline bool) {
	d.add("version", checkOK, "", "signalbox %s%s, %s, %s/%s", version, revision(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	d.files()
	d.configuration()
	if d.cfg == nil {
		return
	}
	d.gateway(ctx)
	d.ports()
	d.folder()
	d.certificates()
	if !d.cfgOK {
		return
	}
	d.prices()
	d.store(ctx)
	d.redis(ctx)
	d.modules()
	d.adapters(ctx)
	if !offline {
		d.upstreams(ctx)
	}
}

// files checks how many the process may open: each connection is one.
func (d *doctor) files() {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		d.add("open files", checkWarning, "look at ulimit -n", "the limit cannot be read: %v", err)
		return
	}
	result := checkOK
	if l.Cur < 4096 {
		result = checkWarning
	}
	d.add("open files", result, "raise it: ulimit -n 65536, or LimitNOFILE=65536 in the systemd unit", "%d may be open; each request takes two", l.Cur)
}

func (d *doctor) configuration() {
	s, err := d.a.src.resolve()
	if err != nil {
		d.add("configuration", checkFailed, "see signalbox --help", "%v", err)
		return
	}
	cfg, err := config.Load(s)
	if err == nil {
		d.cfg, d.cfgOK = cfg, true
		name := cfg.File
		if name == "" {
			name = "the embedded default"
		}
		d.add("configuration", checkOK, "", "%s: %d providers, %d models", name, len(cfg.Providers), len(cfg.Models))
		for _, w := range cfg.Warnings {
			d.add("configuration", checkWarning, "change it if that is not meant", "%s", w)
		}
		if len(cfg.Keys) > 0 && cfg.File != "" {
			d.add("keys", checkWarning, "make keys with signalbox key create, and take those out", "%d keys stand in the configuration, beside everything else", len(cfg.Keys))
		}
		return
	}
	var all *config.Error
	if !errors.As(err, &all) {
		d.add("configuration", checkFailed, "see docs/operations.md for its form", "%v", err)
	} else {
		for _, p := range all.Problems {
			d.add("configuration", checkFailed, "correct it; signalbox check says when it is good", "%s", p)
		}
	}
	if cfg, err := config.LoadAdmin(s); err == nil {
		d.cfg = cfg
	}
}

// report prints what was found.
func (d *doctor) report(w io.Writer, asJSON bool) error {
	if asJSON {
		return printLine(w, map[string]any{"findings": d.found, "failed": d.count(checkFailed), "warnings": d.count(checkWarning)})
	}
	l := lookOf(w)
	inks := map[string]ink{checkOK: green, checkWarning: yellow, checkFailed: red}
	for _, f := range d.found {
		fmt.Fprintf(w, "%s %s %s\n", l.paint(inks[f.Result], fit(f.Result, 8)), fit(f.Check, 14), printable(f.Says))
		if f.Remedy != "" {
			fmt.Fprintf(w, "%24s→ %s\n", "", f.Remedy)
		}
	}
	_, err := fmt.Fprintf(w, "%d ok, %d warnings, %d failed\n", d.count(checkOK), d.count(checkWarning), d.count(checkFailed))
	return err
}

func (d *doctor) prices() {
	age, date, err := pricesAge(d.cfg)
	switch {
	case err != nil:
		d.add("prices", checkFailed, "correct prices_files", "%v", err)
	case age > 120*24*time.Hour:
		d.add("prices", checkWarning, "upgrade, or give newer ones: prices_files in docs/operations.md", "the newest price is of %s", date)
	default:
		d.add("prices", checkOK, "", "the newest price is of %s", date)
	}
}

// folder checks what lies beside the store.
func (d *doctor) folder() {
	dir := d.cfg.Store.Dir()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		d.add("data folder", checkFailed, "make it, and give it to the user that the gateway runs as", "%v", err)
		return
	}
	f, err := os.CreateTemp(dir, ".doctor-")
	if err != nil {
		d.add("data folder", checkFailed, "give it to the user that the gateway runs as: chown, chmod 700", "nothing can be written there: %v", err)
		return
	}
	f.Close()
	_ = os.Remove(f.Name())
	if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&0o077 != 0 && info.Mode()&os.ModeSticky == 0 {
		d.add("data folder", checkWarning, "chmod 700 "+dir, "%s can be read by others (%s): secrets lie there", dir, info.Mode().Perm())
	} else {
		d.add("data folder", checkOK, "", "%s", dir)
	}
	d.space(dir)
}

func (d *doctor) space(dir string) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		d.add("disk", checkWarning, "look at df", "the space left cannot be read: %v", err)
		return
	}
	left := uint64(fs.Bavail) * uint64(fs.Bsize)
	result := checkOK
	switch {
	case left < 100<<20:
		result = checkFailed
	case left < 2<<30:
		result = checkWarning
	}
	d.add("disk", result, "make room: without it requests cannot be recorded, and are refused", "%.1f GB are left for the store", float64(left)/1e9)
}
