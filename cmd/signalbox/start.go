package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/signalbox-ai/signalbox/host/auth"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
)

const (
	adminTokenFile = "admin.token"
	devKeyFile     = "dev.key"
	devKeyVar      = "SIGNALBOX_DEV_KEY"
	devBudgetUSD   = 5_000_000_000 // nano-dollars a day
)

// kept says which secrets are kept beside the store, and whether they are new.
type kept struct {
	adminToken string // path, "" when the configuration gives it
	devKey     string // path, "" unless the embedded default is served
	devKeyNew  bool
}

// loadServing reads the configuration and completes it with the secrets that
// are kept beside the store: the admin token where none is given, and a key for
// development with the embedded default.
func loadServing(s config.Sources) (*config.Config, kept, error) {
	var k kept
	cfg, err := config.Load(s)
	if err != nil {
		return nil, k, err
	}
	dir := cfg.Store.Dir()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, k, hint(fmt.Errorf("cannot make the folder of store.url: %w", err), "make it, and give it to the user that the gateway runs as, or name another in store.url: sqlite:FOLDER/signalbox.db")
	}
	if cfg.Admin.Token == "" {
		k.adminToken = filepath.Join(dir, adminTokenFile)
		if cfg.Admin.Token, _, err = config.Keep(k.adminToken, auth.Secret); err != nil {
			return nil, k, err
		}
	}
	if s.File != "" {
		return cfg, k, nil
	}
	dev := config.Key{Name: "dev", Value: config.Secret(os.Getenv(devKeyVar)),
		Budgets: []config.Limit{{Unit: call.UnitUSD, Max: devBudgetUSD, Window: call.Window{Unit: "day", Size: 1}}}}
	if dev.Value == "" {
		k.devKey = filepath.Join(dir, devKeyFile)
		fresh := func() string { _, token := auth.Generate(); return token }
		if dev.Value, k.devKeyNew, err = config.Keep(k.devKey, fresh); err != nil {
			return nil, k, err
		}
	}
	cfg.Keys = append(cfg.Keys, dev)
	return cfg, k, nil
}

// greet says what is served and how to use it. Its first line is for programs.
func greet(w io.Writer, cfg *config.Config, k kept, data, admin net.Addr) {
	fmt.Fprintf(w, "listening data=%s admin=%s\n", data, admin)
	fmt.Fprintf(w, "providers: %s\n", strings.Join(providers(cfg), ", "))
	if k.adminToken != "" {
		fmt.Fprintf(w, "admin token: kept in %s\n", k.adminToken)
	}
	if len(cfg.Keys) > 0 && cfg.File != "" {
		fmt.Fprintf(w, "keys of the configuration are for development: %s\n", strings.Join(keyNames(cfg), ", "))
	}
	if cfg.File != "" {
		return
	}
	key := "$" + devKeyVar
	switch {
	case k.devKeyNew:
		key = cfg.Keys[len(cfg.Keys)-1].Value.Reveal()
		fmt.Fprintf(w, "development key, shown this once and kept in %s: %s\n", k.devKey, key)
	case k.devKey != "":
		key = "$(cat " + k.devKey + ")"
		fmt.Fprintf(w, "development key: kept in %s\n", k.devKey)
	}
	scheme := "http"
	if cfg.Listen.TLS.Cert != "" {
		scheme = "https"
	}
	fmt.Fprintf(w, "try it:\n  curl %s://%s/v1/chat/completions -H \"Authorization: Bearer %s\" -H 'Content-Type: application/json' \\\n"+
		"    -d '{\"model\": \"demo/echo\", \"messages\": [{\"role\": \"user\", \"content\": \"hello\"}]}'\n", scheme, data, key)
}

// providers are the names of all, those that were found with the reason.
func providers(cfg *config.Config) []string {
	why := map[string]string{}
	for _, d := range cfg.Detected {
		why[d.Name] = d.Why
	}
	var list []string
	for name := range cfg.Providers {
		if why[name] != "" {
			name += " (" + why[name] + ")"
		}
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

func keyNames(cfg *config.Config) (list []string) {
	for _, k := range cfg.Keys {
		list = append(list, k.Name)
	}
	return list
}
