package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/signalbox-ai/signalbox/host/config"
)

// caller says which gateway is asked as callers ask it, and with which key.
type caller struct {
	src               *sources
	url, key, profile string
	ca                string
}

// keyUsage begins what --key is, of those commands that ask as callers do.
const keyUsage = "key to call with; better in $" + config.KeyVar + ", others can see flags (default: that variable, "

// profile is one of the file that profilesFile names.
type profile struct {
	URL   string        `yaml:"url"`
	Key   config.Secret `yaml:"key"`
	Model string        `yaml:"model"`
}

func (a *caller) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&a.url, "url", "", "address of the gateway (default: $"+config.URLVar+", the profile's, that of the configuration)")
	f.StringVar(&a.key, "key", "", keyUsage+"the profile's, the one for development beside the store)")
	f.StringVar(&a.profile, "profile", "", "profile of "+profilesFile()+" (default: the one called default, if there is one)")
	f.StringVar(&a.ca, "ca", "", "file with the authorities that sign the gateway's certificate")
}

// profilesFile holds profiles by name.
func profilesFile() string {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "profiles.yaml"
	}
	return filepath.Join(dir, "signalbox", "profiles.yaml")
}

// open finds address, key and the usual model.
func (a *caller) open() (*door, error) {
	p, err := a.read()
	if err != nil {
		return nil, err
	}
	for _, from := range []struct {
		to    *string
		value string
	}{{&p.URL, os.Getenv(config.URLVar)}, {&p.URL, a.url}, {(*string)(&p.Key), os.Getenv(config.KeyVar)}, {(*string)(&p.Key), a.key}} {
		if from.value != "" {
			*from.to = from.value
		}
	}
	if p.URL == "" || p.Key == "" {
		if err := a.complete(&p); err != nil {
			return nil, err
		}
	}
	if !strings.Contains(p.URL, "://") {
		p.URL = "http://" + p.URL
	}
	d := &door{url: strings.TrimSuffix(strings.TrimSuffix(p.URL, "/"), "/v1"), key: p.Key, model: p.Model}
	return d, d.trust(a.ca)
}

// read reads the profile, none: there is none.
func (a *caller) read() (p profile, err error) {
	name := a.profile
	if name == "" {
		name = "default"
	}
	raw, err := os.ReadFile(profilesFile())
	if errors.Is(err, fs.ErrNotExist) && a.profile == "" {
		return p, nil
	}
	var all map[string]profile
	if err == nil {
		err = yaml.Unmarshal(raw, &all)
	}
	if err != nil {
		return p, fmt.Errorf("cannot read profiles: %w", err)
	}
	p, ok := all[name]
	if !ok && a.profile != "" {
		return p, hint(fmt.Errorf("there is no profile %q", name), "%s has %s", profilesFile(), strings.Join(sorted(all), ", "))
	}
	return p, nil
}

// complete takes what is missing from the configuration, and from beside its store.
func (a *caller) complete(p *profile) error {
	s, err := a.src.resolve()
	if err != nil {
		return err
	}
	cfg, err := config.LoadAdmin(s)
	if err != nil {
		return err
	}
	if p.URL == "" {
		p.URL = "http://" + reachable(cfg.Listen.Data)
		if cfg.Listen.TLS.Cert != "" {
			p.URL = "https://" + reachable(cfg.Listen.Data)
		}
	}
	if p.Key != "" {
		return nil
	}
	if p.Key = developmentKey(cfg.Store.Dir()); p.Key == "" {
		return errNoKey
	}
	return nil
}

var errNoKey = hint(errors.New("there is no key"), "make one with signalbox key create NAME, and set %s to it, or give --key", config.KeyVar)

// developmentKey is the one that lies beside the store, "": there is none.
func developmentKey(dir string) config.Secret {
	if key := os.Getenv(devKeyVar); key != "" {
		return config.Secret(key)
	}
	b, _ := os.ReadFile(filepath.Join(dir, devKeyFile)) // none: it is no gateway for development
	return config.Secret(strings.TrimSpace(string(b)))
}

// door is where callers come in.
type door struct {
	url   string
	key   config.Secret
	model string // that is asked for where none is named, "": none
	http  http.Client
}

// trust adds authorities.
func (d *door) trust(ca string) error {
	if ca == "" {
		return nil
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return fmt.Errorf("cannot read --ca: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return fmt.Errorf("cannot read --ca: %s holds no certificate in PEM", ca)
	}
	d.http.Transport = &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}, Proxy: http.ProxyFromEnvironment}
	return nil
}
