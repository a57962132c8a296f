package config

import (
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

// Store says where state is kept.
type Store struct {
	// URL is "sqlite:path", or "postgres://…" for gateways that share their
	// state. It may hold a password.
	URL Secret `koanf:"url"`
	// Folder is what a gateway with PostgreSQL keeps beside it, for itself: its
	// journal, its leases, adapters; "": .signalbox.
	Folder string `koanf:"dir"`
	// Node is what this gateway is called among others; "": as its machine.
	Node        string        `koanf:"node"`
	Connections int           `koanf:"connections"` // to PostgreSQL, at most; one more watches for changes
	Timeout     time.Duration `koanf:"timeout"`     // of each call of PostgreSQL
	Poll        time.Duration `koanf:"poll"`        // for changes of others that it was not told of
}

// Shared reports whether several gateways may share the store.
func (s Store) Shared() bool {
	kind, _, _ := strings.Cut(s.URL.Reveal(), ":")
	return kind == "postgres" || kind == "postgresql"
}

// Dir is the folder of the gateway's own files: its journal, pools and kept
// secrets, and SQLite's.
func (s Store) Dir() string {
	switch {
	case s.Folder != "":
		return s.Folder
	case s.Shared():
		return ".signalbox"
	}
	return filepath.Dir(strings.TrimPrefix(s.URL.Reveal(), "sqlite:"))
}

func (c *Config) checkStore(p *problems) {
	s := c.Store
	if s.Shared() {
		if u, err := url.Parse(s.URL.Reveal()); err != nil || u.Opaque != "" { // the error would show the password
			p.addf("store.url", "cannot be read: write postgres://user:${env:PASSWORD}@host:5432/database, and %%40 for an @ in a password")
		}
	} else {
		kind, path, _ := strings.Cut(s.URL.Reveal(), ":")
		if kind != "sqlite" || path == "" || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "?\x00") {
			p.addf("store.url", "is not a store: write sqlite:signalbox.db, sqlite:/var/lib/signalbox/signalbox.db or postgres://user:${env:PASSWORD}@host/database")
		}
		if s.Folder != "" {
			p.addf("store.dir", "goes with PostgreSQL: with SQLite it is the folder of the file")
		}
	}
	if s.Connections < 2 || s.Connections > 1000 {
		p.addf("store.connections", "is %d: give 2 to 1000", s.Connections)
	}
	if s.Timeout < 100*time.Millisecond || s.Timeout > time.Minute {
		p.addf("store.timeout", "is %s: give 100ms to 1m", s.Timeout)
	}
	if s.Poll < 100*time.Millisecond || s.Poll > time.Minute {
		p.addf("store.poll", "is %s: give 100ms to 1m", s.Poll)
	}
	if len(s.Node) > 63 || !printable(s.Node) {
		p.addf("store.node", "is longer than 63 characters, or not of plain ones")
	}
}

// checkShared is what gateways that share a store must be told alike.
func (c *Config) checkShared(p *problems) {
	if c.Store.Shared() && c.Secrets.Key == "" && len(c.Secrets.KMS.Command) == 0 {
		p.addf("secrets.key", "is missing: gateways share what it encrypts in PostgreSQL, so give all of them the same, random one, such as openssl rand -hex 32 prints, by ${env:…} or ${file:…}")
	}
}
