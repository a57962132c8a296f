package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/signalbox-ai/signalbox/host"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/meter"
	"github.com/signalbox-ai/signalbox/host/policy"
	"github.com/signalbox-ai/signalbox/sdk/module"
)

func checkCommand(src *sources) *cobra.Command {
	return told(&cobra.Command{
		Use:   "check",
		Short: "Check a configuration without serving it",
		Long: "Check a configuration without serving it: references are resolved, adapters and modules are found and\n" +
			"compared with their pins, the policy bundle, the routing modules and the filters are compiled and the bundle's tests run.",
		Example: "  signalbox check --config signalbox.yaml",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			r := newCheckReport()
			err := check(src, r)
			return r.end(c, err)
		},
	})
}

func check(src *sources, r *checkReport) error {
	s, err := src.resolve()
	if err != nil {
		return err
	}
	cfg, err := config.Load(s)
	if err != nil {
		return err
	}
	var problems []error
	for _, step := range []func(*config.Config, *checkReport) error{checkAdapters, checkModules, checkPolicy, checkPrices, checkPipelines} {
		problems = append(problems, step(cfg, r))
	}
	for _, warning := range cfg.Warnings {
		r.warn("%s", warning)
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	r.File = cmp.Or(cfg.File, "the embedded default")
	return nil
}

// checkAdapters finds every adapter's program and compares it with its pin.
func checkAdapters(cfg *config.Config, r *checkReport) error {
	var problems []error
	for _, name := range sorted(cfg.Providers) {
		a := cfg.Providers[name].Adapter
		path := a.Path
		if path == "" {
			path = filepath.Join(cfg.Plugins.Dir, "providers", a.Name)
		}
		sum, err := program256(path)
		switch {
		case errors.Is(err, os.ErrNotExist) && a.Path == "":
			err = hint(fmt.Errorf("providers.%s.adapter: there is no adapter %q in %s", name, a.Name, filepath.Join(cfg.Plugins.Dir, "providers")),
				"there are: %s; make build builds them", strings.Join(programs(filepath.Join(cfg.Plugins.Dir, "providers")), ", "))
		case err != nil:
			err = fmt.Errorf("providers.%s.adapter: %w", name, err)
		case a.SHA256 != "" && !strings.EqualFold(a.SHA256, sum):
			err = fmt.Errorf("providers.%s.adapter: %s has sha256 %s, the pin is %s", name, path, sum, a.SHA256)
		default:
			r.found(checked{Kind: "provider", Name: name, File: path, SHA256: sum}, "provider %s: %s (sha256 %s)", name, path, sum)
			if a.Path != "" && a.SHA256 == "" {
				r.warn("providers.%s.adapter is not pinned: add its sha256", name)
			}
		}
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// program256 hashes the executable file at path.
func program256(path string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", err
	case info.IsDir() || info.Mode()&0o111 == 0:
		return "", fmt.Errorf("%s is not an executable file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func programs(dir string) []string {
	entries, _ := os.ReadDir(dir) // none: nothing to name
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if len(names) == 0 {
		names = []string{"none"}
	}
	return names
}

// checkModules compiles routing modules and filters as serving would.
func checkModules(cfg *config.Config, r *checkReport) error {
	if err := host.CheckReceivers(cfg.Alerts); err != nil {
		return err
	}
	return host.CheckModules(cfg, func(kind module.Kind, name, file string) {
		r.found(checked{Kind: string(kind), Name: name, File: file}, "%s %s: %s", kind, name, file)
	})
}

func checkPolicy(cfg *config.Config, r *checkReport) error {
	switch {
	case cfg.Policy.Served():
		r.found(checked{Kind: "policy", Later: true}, "policy: the bundles of %s are checked when they come", cfg.Policy.Service.URL)
		return nil
	case cfg.Policy.Bundle == config.BundleStore:
		r.found(checked{Kind: "policy", Later: true}, "policy: what the store holds is checked when it is pushed")
		return nil
	}
	rep, err := policy.Check(cfg.Policy.Path, policy.Options{Filters: sorted(cfg.Filters)})
	var failed bytes.Buffer
	for _, f := range rep.Failures {
		fmt.Fprintf(&failed, "\n  %v", f)
	}
	switch {
	case err != nil:
		return fmt.Errorf("policy.bundle: %w%s", err, failed.String())
	case failed.Len() > 0:
		return fmt.Errorf("policy.bundle: tests fail:%s", failed.String())
	}
	r.found(checked{Kind: "policy", File: cfg.Policy.Path, Revision: rep.Revision, Units: len(rep.Units), Tests: rep.Tests},
		"policy %s: revision %s, %d units, %d tests pass", cfg.Policy.Path, rep.Revision, len(rep.Units), rep.Tests)
	return nil
}

// checkPrices names the targets that no money budget will let through.
func checkPrices(cfg *config.Config, r *checkReport) error {
	prices, err := meter.NewCatalog(cfg.PriceOverrides(), cfg.PriceFiles...)
	if err != nil {
		return err
	}
	for _, name := range sorted(cfg.Models) {
		for _, t := range cfg.Models[name].Targets {
			if prices.Price(t.Model) == nil && cfg.Budget.Unpriced == "refuse" {
				r.warn("%s has no price: where a budget applies it is refused; give one under prices", t.Model)
			}
		}
	}
	return nil
}
