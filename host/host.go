package host

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/host/admin"
	"github.com/signalbox-ai/signalbox/host/auth"
	"github.com/signalbox-ai/signalbox/host/budget"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/dispatch"
	"github.com/signalbox-ai/signalbox/host/ledger"
	"github.com/signalbox-ai/signalbox/host/provider"
	"github.com/signalbox-ai/signalbox/host/provider/depot"
	"github.com/signalbox-ai/signalbox/host/seal"
	"github.com/signalbox-ai/signalbox/host/server"
	"github.com/signalbox-ai/signalbox/host/spool"
	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/host/telemetry"
	"github.com/signalbox-ai/signalbox/host/tenant"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Options of a Host.
type Options struct {
	Log *slog.Logger
	// Load reads the configuration again; a reload without it is refused.
	Load func() (*config.Config, error)
}

// Host is a gateway.
type Host struct {
	opt     Options
	log     *slog.Logger
	dir     string // holds the store and all that lies beside it
	started time.Time

	ids        *call.IDs
	store      *store.Store
	ledger     *ledger.Ledger
	budget     *budget.Pool
	keys       *auth.Keys
	tenants    *tenant.Keeper
	metrics    *telemetry.Metrics
	supervisor *provider.Supervisor
	depot      *depot.Depot
	dispatch   *dispatch.Dispatcher
	server     *server.Server
	admin      *admin.Server

	gen     atomic.Pointer[generation]
	reload  sync.Mutex // one reload at a time
	box     *seal.Box  // for what the store keeps secret
	retire  retireSoon
	closed  bool // guarded by reload
	states  states
	chains  chains
	flights sync.Pool
}

// New opens the store, recovers what an earlier run left, starts the adapters
// and readies all stages for cfg. The host serves nothing before Run.
func New(ctx context.Context, cfg *config.Config, opt Options) (h *Host, err error) {
	h = &Host{opt: opt, log: opt.Log, dir: cfg.Store.Dir(), started: time.Now(), states: states{byName: map[string]*call.TargetState{}}}
	if h.log == nil {
		h.log = slog.Default()
	}
	h.flights.New = func() any {
		f := &flight{}
		f.Owner = f
		return f
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
		}
	}()
	if err = h.openState(ctx, cfg); err != nil {
		return h, err
	}
	if h.depot, err = depot.Open(filepath.Join(h.dir, "adapters")); err != nil {
		return h, err
	}
	h.supervisor, err = provider.New(provider.Options{PluginDir: cfg.Plugins.Dir, Log: h.log, NewTransport: dispatch.NewTransport,
		Depot: h.depot, Drain: cfg.Plugins.Drain})
	if err != nil {
		return h, err
	}
	h.dispatch = dispatch.New(dispatch.Options{
		Attempts: cfg.Limits.Attempts, Deadline: cfg.Limits.Deadline, Log: h.log, Observe: noteRate,
		Timeouts: call.Timeouts{Connect: cfg.Timeouts.Connect, FirstByte: cfg.Timeouts.FirstByte, Idle: cfg.Timeouts.Idle},
	}, h)
	g, err := h.build(ctx, cfg, nil)
	if err != nil {
		return h, err
	}
	if err = h.publish(ctx, g); err != nil {
		return h, err
	}
	return h, h.openDoors(cfg)
}

// openState opens what is durable and makes good what a crash left open.
func (h *Host) openState(ctx context.Context, cfg *config.Config) (err error) {
	if h.store, err = store.Open(ctx, cfg.Store.URL, store.Options{Log: h.log}); err != nil {
		return err
	}
	if h.ledger, err = ledger.Open(ctx, h.dir, h.store, ledger.Options{Log: h.log}); err != nil {
		return err
	}
	if h.budget, err = budget.Open(ctx, h.dir, h.store.Bank(), budget.Options{Log: h.log}); err != nil {
		return err
	}
	if err = h.recover(ctx); err != nil {
		return err
	}
	h.tenants = tenant.New(h.store)
	h.ids = call.NewIDs(0, h.ledger.Last())
	pepper, _, err := h.store.Secret(ctx, "key-pepper", 32)
	if err != nil {
		return err
	}
	h.keys = auth.New(pepper)
	if err := h.openSeal(cfg.Secrets.Key); err != nil {
		return err
	}
	h.retire.timer = time.AfterFunc(time.Hour, h.retired)
	h.retire.timer.Stop() // nothing retires yet
	h.metrics = telemetry.New()
	return nil
}

// openDoors makes the two servers; Run opens them.
func (h *Host) openDoors(cfg *config.Config) error {
	uploads := spool.New(h.dir, 8*int64(cfg.Limits.MaxUpload))
	if err := uploads.Clean(); err != nil {
		return err
	}
	opt := server.Options{MaxBody: int(cfg.Limits.MaxBody), MaxUpload: int64(cfg.Limits.MaxUpload), Uploads: uploads, Log: h.log}
	if cfg.Listen.TLS.Cert != "" {
		cert, err := tls.LoadX509KeyPair(cfg.Listen.TLS.Cert, cfg.Listen.TLS.Key)
		if err != nil {
			return fmt.Errorf("cannot load listen.tls: %w", err)
		}
		opt.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	}
	h.server = server.New(opt, h, h)
	return h.openAdmin(cfg)
}

// Models implements server.Catalogue.
func (h *Host) Models(key []byte) ([]server.Model, *wire.Error) {
	var f flight
	if err := h.authenticate(&f, key); err != nil {
		return nil, err
	}
	return h.gen.Load().list(), nil
}

// Run serves until ctx ends, then lets running requests finish and closes all.
func (h *Host) Run(ctx context.Context, ready func(data, admin net.Addr)) error {
	cfg := h.gen.Load().cfg
	data, err := net.Listen("tcp", cfg.Listen.Data)
	if err != nil {
		return errors.Join(fmt.Errorf("cannot listen on listen.data: %w", err), h.close())
	}
	adm, err := net.Listen("tcp", cfg.Listen.Admin)
	if err != nil {
		return errors.Join(fmt.Errorf("cannot listen on listen.admin: %w", err), data.Close(), h.close())
	}
	failed := make(chan error, 2)
	go func() { failed <- h.server.Serve(data) }()
	go func() { failed <- h.admin.Serve(adm) }()
	if ready != nil {
		ready(data.Addr(), adm.Addr())
	}
	select {
	case <-ctx.Done():
		err = nil
	case err = <-failed:
	}
	h.admin.Draining()
	drain, cancel := context.WithTimeout(context.Background(), cfg.Limits.Drain)
	defer cancel()
	err = errors.Join(err, h.server.Stop(drain), h.admin.Stop(drain))
	return errors.Join(err, h.close())
}

// Reload builds the configuration anew beside the running one and takes it into
// use whole; on any error the running one stays.
func (h *Host) Reload(ctx context.Context) error {
	h.reload.Lock()
	defer h.reload.Unlock()
	if h.opt.Load == nil {
		return errors.New("cannot reload: there is no configuration to read again")
	}
	cfg, err := h.opt.Load()
	if err == nil {
		err = h.replace(ctx, cfg)
	}
	h.metrics.Reload(err == nil)
	if err != nil {
		return fmt.Errorf("cannot reload, the configuration before it stays: %w", err)
	}
	h.log.Info("configuration reloaded", "file", cfg.File)
	return nil
}

func (h *Host) replace(ctx context.Context, cfg *config.Config) error {
	old := h.gen.Load()
	if err := fixed(old.cfg, cfg); err != nil {
		return err
	}
	g, err := h.build(ctx, cfg, old)
	if err != nil {
		return err
	}
	return h.publish(ctx, g)
}

// fixed refuses changes that only a restart can make.
func fixed(old, cfg *config.Config) error {
	switch {
	case old.Listen != cfg.Listen:
		return errors.New("listen cannot change while serving: restart")
	case old.Store != cfg.Store:
		return errors.New("store cannot change while serving: restart")
	case old.Secrets.Key != cfg.Secrets.Key:
		return errors.New("secrets.key cannot change while serving: restart")
	case old.Plugins.Dir != cfg.Plugins.Dir || old.Plugins.Drain != cfg.Plugins.Drain:
		return errors.New("plugins cannot change while serving: restart")
	case old.Limits != cfg.Limits || old.Timeouts != cfg.Timeouts:
		return errors.New("limits and timeouts cannot change while serving: restart")
	}
	return nil
}

// publish takes g into use. What only the generation before it used ends when
// its last request has.
func (h *Host) publish(ctx context.Context, g *generation) error {
	old := h.gen.Load()
	if err := h.loadKeys(ctx, g.cfg); err != nil {
		g.discard(old)
		return err
	}
	g.providers.Commit()
	h.gen.Store(g)
	if old == nil {
		return nil
	}
	h.admin.SetToken(g.cfg.Admin.Token.Reveal())
	if old.policy != g.policy {
		old.policy.Close()
	}
	if old.router != g.router {
		return old.router.Close()
	}
	return nil
}

// close ends everything that New opened, in reverse order.
func (h *Host) close() error {
	h.reload.Lock()
	defer h.reload.Unlock()
	h.closed = true
	if h.retire.timer != nil {
		h.retire.timer.Stop()
	}
	var errs []error
	if g := h.gen.Load(); g != nil {
		g.policy.Close()
		errs = append(errs, g.router.Close())
	}
	if h.supervisor != nil {
		h.supervisor.Stop()
	}
	if h.budget != nil {
		errs = append(errs, h.budget.Close())
	}
	if h.ledger != nil {
		errs = append(errs, h.ledger.Close(context.Background()))
	}
	if h.store != nil {
		errs = append(errs, h.store.Close())
	}
	return errors.Join(errs...)
}
