package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/rueidis"

	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/dispatch"
	"github.com/signalbox-ai/signalbox/host/provider"
	"github.com/signalbox-ai/signalbox/host/provider/depot"
	"github.com/signalbox-ai/signalbox/host/store/postgres"
	"github.com/signalbox-ai/signalbox/host/store/sqlite"
)

// TriedAdapter is what came of starting a provider's adapter.
type TriedAdapter struct {
	Provider, Adapter, Version, Isolation string
	Hosts                                 []string // host:port, where its requests go
	// Through: they go through the adapter, which may ask any of Hosts.
	Through     bool
	Credentials []TriedCredential // where they were to be tried
	Err         error
}

// TryAdapters starts the adapter of each provider as serving would, and ends it
// again. Credentials that the store keeps are not there; the others are tried if
// that is wanted.
func TryAdapters(ctx context.Context, cfg *config.Config, credentials bool) ([]TriedAdapter, error) {
	dir, err := os.MkdirTemp("", "signalbox-doctor-")
	if err != nil {
		return nil, fmt.Errorf("cannot try adapters: %w", err)
	}
	defer os.RemoveAll(dir)
	installed := filepath.Join(cfg.Store.Dir(), "adapters")
	if _, err := os.Stat(installed); err != nil {
		installed = filepath.Join(dir, "adapters")
	}
	d, err := depot.Open(installed)
	if err != nil {
		return nil, err
	}
	var list []TriedAdapter
	for _, name := range sortedNames(cfg.Providers) {
		one := *cfg
		one.Providers = map[string]config.Provider{name: cfg.Providers[name]}
		list = append(list, tryAdapter(ctx, &one, name, d, credentials))
	}
	return list, nil
}

func tryAdapter(ctx context.Context, cfg *config.Config, name string, d *depot.Depot, credentials bool) TriedAdapter {
	t := TriedAdapter{Provider: name, Adapter: cfg.Providers[name].Adapter.Name}
	s, err := provider.New(provider.Options{PluginDir: cfg.Plugins.Dir, Log: slog.New(slog.DiscardHandler), NewTransport: dispatch.NewTransport, Depot: d})
	if err != nil {
		t.Err = err
		return t
	}
	defer s.Stop()
	start, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	set, err := s.Apply(start, specs(cfg, nil))
	if err != nil {
		t.Err = err
		return t
	}
	set.Commit()
	for _, st := range s.Stats() {
		t.Adapter, t.Version, t.Isolation = st.Adapter, st.Version, st.Isolation
		for _, e := range st.Endpoints { // "chat/openai-chat direct api.openai.com:443"
			if f := strings.Fields(e); len(f) == 3 && f[1] == "direct" {
				t.Hosts = append(t.Hosts, f[2])
			}
		}
		if len(t.Hosts) == 0 {
			t.Hosts, t.Through = reachable(st.Hosts), true
		}
	}
	if credentials {
		t.Credentials = tryCredentials(ctx, set, name)
	}
	return t
}

// reachable are hosts as addresses; patterns of many are left out.
func reachable(hosts []string) (list []string) {
	for _, h := range hosts {
		if strings.ContainsAny(h, "*/") {
			continue
		}
		if _, _, err := net.SplitHostPort(h); err != nil {
			h = net.JoinHostPort(strings.Trim(h, "[]"), "443")
		}
		list = append(list, h)
	}
	return list
}

// StoreVersion is how far a store's tables are. A program of version Known
// brings an older store to its own version as it starts.
type StoreVersion struct {
	What        string // a file, or PostgreSQL
	Is, Known   int
	Needs       int // the lowest version of a program that may run with it
	NotThereYet bool
}

// TryPostgres connects to the store and tells by how much its clock is ahead,
// and the version of its tables.
func TryPostgres(ctx context.Context, url string) (ahead time.Duration, v StoreVersion, err error) {
	v.What = "PostgreSQL"
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return 0, v, err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	var theirs time.Time
	before := time.Now()
	if err := conn.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&theirs); err != nil {
		return 0, v, err
	}
	ahead = theirs.Sub(before.Add(time.Since(before) / 2))
	v.Is, v.Needs, v.Known, err = postgres.Version(ctx, conn)
	v.NotThereYet = v.Is == 0
	return ahead, v, err
}

// TrySQLite reads the versions of the files of the store at url.
func TrySQLite(url string) (list []StoreVersion, err error) {
	files, err := sqlite.Versions(url)
	for _, f := range files {
		list = append(list, StoreVersion{What: f.Path, Is: f.Version, Known: f.Known, Needs: f.Version, NotThereYet: f.Version == 0})
	}
	return list, err
}

// TryRedis asks the server at url whether it is there.
func TryRedis(ctx context.Context, url string) error {
	opt, err := rueidis.ParseURL(url)
	if err != nil {
		return err
	}
	opt.DisableCache, opt.DisableRetry, opt.Dialer.Timeout, opt.ConnWriteTimeout = true, true, 2*time.Second, 2*time.Second
	c, err := rueidis.NewClient(opt)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Do(ctx, c.B().Ping().Build()).Error()
}
