package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/host/admin"
	"github.com/signalbox-ai/signalbox/host/alert"
	"github.com/signalbox-ai/signalbox/host/auth"
	"github.com/signalbox-ai/signalbox/host/budget"
	"github.com/signalbox-ai/signalbox/host/cache"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/decision"
	"github.com/signalbox-ai/signalbox/host/directory"
	"github.com/signalbox-ai/signalbox/host/disk"
	"github.com/signalbox-ai/signalbox/host/dispatch"
	"github.com/signalbox-ai/signalbox/host/filter"
	"github.com/signalbox-ai/signalbox/host/hint"
	"github.com/signalbox-ai/signalbox/host/jwt"
	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/host/ledger"
	"github.com/signalbox-ai/signalbox/host/limit"
	"github.com/signalbox-ai/signalbox/host/live"
	"github.com/signalbox-ai/signalbox/host/openapi"
	"github.com/signalbox-ai/signalbox/host/pipeline"
	"github.com/signalbox-ai/signalbox/host/policy/trail"
	"github.com/signalbox-ai/signalbox/host/provider"
	"github.com/signalbox-ai/signalbox/host/provider/depot"
	"github.com/signalbox-ai/signalbox/host/queue"
	"github.com/signalbox-ai/signalbox/host/redis"
	"github.com/signalbox-ai/signalbox/host/release"
	"github.com/signalbox-ai/signalbox/host/route"
	"github.com/signalbox-ai/signalbox/host/seal"
	"github.com/signalbox-ai/signalbox/host/server"
	"github.com/signalbox-ai/signalbox/host/spool"
	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/host/store/postgres"
	"github.com/signalbox-ai/signalbox/host/telemetry"
	"github.com/signalbox-ai/signalbox/host/tenant"
	"github.com/signalbox-ai/signalbox/host/trust"
)

// Options of a Host.
type Options struct {
	Log *slog.Logger
	// Load reads the configuration again; a reload without it is refused.
	Load func() (*config.Config, error)
	// Version is the program's.
	Version string
}

// Host is a gateway.
type Host struct {
	opt     Options
	log     *slog.Logger
	dir     string // holds the store and all that lies beside it
	started time.Time

	ids        *call.IDs
	lock       *disk.Lock // of dir
	store      store.Store
	ledger     *ledger.Ledger
	budget     *budget.Pool
	redis      *redis.Client // nil: there is none
	limits     *limit.Limits
	held       atomic.Pointer[heldLimits]
	keys       *auth.Keys
	admins     *auth.Keys
	directory  atomic.Pointer[directory.Directory]
	issuers    atomic.Pointer[jwt.Verifier] // of callers' tokens, nil: none is known
	logins     atomic.Pointer[jwt.Verifier] // of administrators
	diary      *diary
	tenants    *tenant.Keeper
	cache      *cache.Cache       // nil: there is none
	cacheFile  *cache.File        // of it, nil: there is none
	meanings   *postgres.Meanings // where gateways share them, nil: they do not
	learner    *learner           // of what requests mean, nil: there is none
	hints      *hint.Hints
	decisions  *decision.Log
	trail      *trail.Log // of policy, nil: there is none
	trials     trials
	metrics    *telemetry.Metrics
	told       tellings // of requests
	router     *route.Router
	routes     *release.Registry
	filters    *filter.Set
	filterMods *release.Registry
	supervisor *provider.Supervisor
	depot      *depot.Depot
	dispatch   *dispatch.Dispatcher
	queue      *queue.Room
	tools      *toolbox
	mirror     *mirror
	runs       pipeline.Runs // of pipelines, the last ones
	prober     *prober
	follower   *follower
	passing    *live.Hub
	server     *server.Server
	admin      *admin.Server

	watch     *watch // of providers
	play      *playground
	desk      desk
	gen       atomic.Pointer[generation]
	reload    sync.Mutex // one reload at a time
	seal      *seal.Ring // for what the store keeps secret
	audit     *auditor
	alerts    *alert.Manager
	lookout   *lookout
	retire    retireSoon
	expiry    *time.Timer // of the next key
	retention *retention
	signers   atomic.Pointer[trust.Keys] // of modules

	routeNotices  lane.Notices
	filterNotices lane.Notices
	closed        bool // guarded by reload
	states        states
	chains        chains
	rates         rateChains
	flights       sync.Pool
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
		f.Owner, f.Find, f.gate = f, h.find, h.enter
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
	if err = h.openRoutes(ctx, cfg); err == nil {
		err = h.openFilters(ctx, cfg)
	}
	if err != nil {
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
	h.dispatch = dispatch.New(h.dispatching(cfg), h)
	h.queue = queue.New(queue.Options(cfg.Queue))
	if err = h.openTools(ctx, cfg); err != nil {
		return h, err
	}
	g, err := h.build(ctx, cfg, nil)
	if err != nil {
		return h, err
	}
	if err = h.publish(ctx, g); err != nil {
		return h, err
	}
	h.watch, h.play = newWatch(h), newPlayground(h)
	h.mirror, h.prober, h.diary = newMirror(h), newProber(h), newDiary(h)
	h.retention = newRetention(h)
	if err = h.openAlerts(ctx, cfg); err != nil {
		return h, err
	}
	if err = h.openDoors(cfg); err == nil {
		h.recheck()
		h.alerts.Start()
		h.follower = newFollower(h, cfg.Store.Poll)
	}
	return h, err
}

// openState opens what is durable and makes good what a crash left open.
func (h *Host) openState(ctx context.Context, cfg *config.Config) (err error) {
	if err = h.openStore(ctx, cfg.Store); err != nil {
		return err
	}
	if err = h.openSeal(ctx, cfg.Secrets); err == nil {
		err = h.openAudit(ctx, cfg)
	}
	if err != nil {
		return err
	}
	if h.ledger, err = ledger.Open(ctx, h.dir, h.store, ledgerOptions(cfg, h.log)); err != nil {
		return err
	}
	if h.budget, err = budget.Open(ctx, h.dir, h.store.Bank(), budget.Options{Log: h.log}); err != nil {
		return err
	}
	if err = h.openLimits(cfg); err != nil {
		return err
	}
	if err = h.recover(ctx); err != nil {
		return err
	}
	if err = h.openDecisions(ctx, cfg); err != nil {
		return err
	}
	if err = h.openTrail(cfg.Policy); err != nil {
		return err
	}
	h.tenants = tenant.New(h.store)
	if err = h.openCache(ctx, cfg); err != nil {
		return err
	}
	h.ids = call.NewIDs(h.store.Node().Number, h.ledger.Last())
	pepper, err := h.secret(ctx, "key-pepper", 32)
	if err != nil {
		return err
	}
	h.keys = auth.New(pepper)
	if pepper, err = h.secret(ctx, "admin-pepper", 32); err != nil {
		return err
	}
	h.admins = auth.New(pepper)
	h.retire.timer = time.AfterFunc(time.Hour, h.retired)
	h.retire.timer.Stop() // nothing retires yet
	h.expiry = time.AfterFunc(time.Hour, h.keyExpired)
	h.expiry.Stop() // recheck sets it
	h.metrics = telemetry.New()
	h.passing = live.New(rowOf)
	h.passing.Start()
	return nil
}

// openDoors makes the two servers; Run opens them.
func (h *Host) openDoors(cfg *config.Config) error {
	uploads := spool.New(h.dir, 8*int64(cfg.Limits.MaxUpload))
	if err := uploads.Clean(); err != nil {
		return err
	}
	opt := server.Options{MaxBody: int(cfg.Limits.MaxBody), MaxUpload: int64(cfg.Limits.MaxUpload), Uploads: uploads, Log: h.log, Document: openapi.Data()}
	var err error
	if opt.Proxies, err = proxies(cfg); err != nil {
		return err
	}
	if opt.TLS, err = secure("listen.tls", cfg.Listen.TLS, h.log); err != nil {
		return err
	}
	h.server = server.New(opt, h, h)
	return h.openAdmin(cfg)
}

// Run serves until ctx ends, then lets running requests finish and closes all.
func (h *Host) Run(ctx context.Context, ready func(data, admin net.Addr)) error {
	cfg := h.gen.Load().cfg
	data, err := listenOn("listen.data", cfg.Listen.Data)
	if err != nil {
		return errors.Join(err, h.close())
	}
	adm, err := listenOn("listen.admin", cfg.Listen.Admin)
	if err != nil {
		return errors.Join(err, data.Close(), h.close())
	}
	if adm, err = h.securely(adm, "admin.tls", cfg.Admin.TLS); err != nil {
		return errors.Join(err, data.Close(), adm.Close(), h.close())
	}
	failed := make(chan error, 2)
	go func() { failed <- h.server.Serve(data) }()
	go func() { failed <- h.admin.Serve(adm) }()
	h.startBatches(ctx)
	if ready != nil {
		ready(data.Addr(), adm.Addr())
	}
	select {
	case <-ctx.Done():
		err = nil
	case err = <-failed:
	}
	h.admin.Draining()
	h.tools.door.Draining()
	drain, cancel := context.WithTimeout(context.Background(), h.gen.Load().cfg.Limits.Drain)
	defer cancel()
	err = errors.Join(err, h.server.Stop(drain), h.admin.Stop(drain))
	err = errors.Join(err, h.stopBatches(drain))
	h.dispatch.Stop() // reads no more of answers whose callers have left
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
	old := h.gen.Load().cfg
	cfg, err := h.opt.Load()
	if err == nil {
		err = h.replace(ctx, cfg)
	}
	h.metrics.Reload(err == nil)
	h.noteReload(old, cfg, err)
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
	if err := h.useSeal(ctx, cfg.Secrets); err != nil {
		return err
	}
	g, err := h.build(ctx, cfg, old)
	if err != nil {
		return err
	}
	return h.publish(ctx, g)
}

// dispatching are the bounds of calls upstream.
func (h *Host) dispatching(cfg *config.Config) dispatch.Options {
	t := cfg.Timeouts
	return dispatch.Options{Attempts: cfg.Limits.Attempts, Deadline: cfg.Limits.Deadline, Log: h.log, Observe: noteRate,
		Timeouts: call.Timeouts{Connect: t.Connect, FirstByte: t.FirstByte, Idle: t.Idle}}
}

// fixed refuses changes that only a restart can make.
func fixed(old, cfg *config.Config) error {
	switch {
	case !reflect.DeepEqual(old.Listen, cfg.Listen) || old.Admin.TLS != cfg.Admin.TLS || !slices.Equal(old.Admin.Hosts, cfg.Admin.Hosts):
		return errors.New("listen, admin.tls and admin.hosts cannot change while serving: restart")
	case old.Dashboard != cfg.Dashboard:
		return errors.New("dashboard cannot change while serving: restart")
	case old.Ledger != cfg.Ledger:
		return errors.New("ledger cannot change while serving: restart")
	case old.Store != cfg.Store:
		return errors.New("store cannot change while serving: restart")
	case old.Plugins.Dir != cfg.Plugins.Dir || old.Plugins.Drain != cfg.Plugins.Drain:
		return errors.New("plugins cannot change while serving: restart")
	case old.Counters != cfg.Counters:
		return errors.New("counters cannot change while serving: restart")
	case cacheSizes(old.Cache) != cacheSizes(cfg.Cache):
		return errors.New("cache cannot be turned on or off while serving, nor change its sizes: restart, or set models: listed")
	case old.Modules != cfg.Modules:
		return errors.New("modules cannot change while serving: restart")
	case !reflect.DeepEqual(old.Policy.Decisions, cfg.Policy.Decisions):
		return errors.New("policy.decisions cannot change while serving: restart")
	case old.Limits.MaxBody != cfg.Limits.MaxBody || old.Limits.MaxUpload != cfg.Limits.MaxUpload:
		return errors.New("limits.max_body and limits.max_upload cannot change while serving: restart")
	}
	return nil
}

// publish takes g into use, whole: first comes all that can fail, of which
// keeping the versions of modules is the last. What only the generation before
// it used ends when its last request has.
func (h *Host) publish(ctx context.Context, g *generation) error {
	old := h.gen.Load()
	shadow, err := h.shadowOf(g, old)
	if err == nil {
		err = h.checkHeld(ctx, g)
	}
	var receivers alert.Settings
	if err == nil {
		receivers, err = h.alertSettings(ctx, g.cfg)
	}
	var keys func()
	if err == nil {
		keys, err = h.readKeys(ctx, g.cfg)
	}
	if err == nil {
		err = release.Commit(ctx, func() {
			g.filters.use(h.filters)
			keys()
			g.providers.Commit()
			h.gen.Store(g)
		}, g.routes, g.filters.modules)
	}
	if err != nil {
		if shadow != h.trials.shadow.Load() {
			shadow.Close()
		}
		h.discard(g, old)
		return err
	}
	h.use(g, old)
	if old == nil {
		h.openIssuers(nil, g.cfg)
	} else {
		h.openIssuers(old.cfg, g.cfg)
	}
	h.recheck()
	h.trials.cast(shadow)
	h.decisions.Set(keeps(g.cfg.Decisions))
	h.audit.Set(auditSettings(g.cfg.Audit))
	h.tools.use(g.cfg)
	h.watch.use(g.cfg)
	h.queue.Configure(queue.Options(g.cfg.Queue))
	h.dispatch.Configure(h.dispatching(g.cfg))
	if old == nil {
		return nil
	}
	h.alerts.Set(receivers)
	h.admin.SetToken(g.cfg.Admin.Token.Reveal())
	if old.policy != g.policy {
		old.policy.Close()
	}
	return nil
}

// close ends everything that New opened, in reverse order.
func (h *Host) close() error {
	h.follower.Stop() // it may wait for a reload
	h.passing.Stop()
	h.reload.Lock()
	defer h.reload.Unlock()
	h.closed = true
	h.retention.Stop()
	h.watch.Stop()
	if h.retire.timer != nil {
		h.retire.timer.Stop()
		h.expiry.Stop()
	}
	if h.queue != nil {
		h.queue.Stop()
	}
	if h.mirror != nil {
		h.mirror.Stop()
		h.prober.Stop()
		h.diary.Stop()
	}
	h.tools.stop()
	h.alerts.Stop()
	h.lookout.Stop()
	h.closeIssuers()
	var errs []error
	if g := h.gen.Load(); g != nil {
		g.policy.Close()
	}
	errs = append(errs, h.closeRoutes(), h.closeFilters())
	if h.supervisor != nil {
		h.supervisor.Stop()
	}
	errs = append(errs, h.decisions.Close(), h.trail.Close())
	errs = append(errs, h.closeCache())
	h.told.close()
	h.closeLimits()
	if h.budget != nil {
		errs = append(errs, h.budget.Close())
	}
	if h.ledger != nil {
		errs = append(errs, h.ledger.Close(context.Background()))
	}
	if h.audit != nil {
		h.audit.Close()
	}
	if h.store != nil {
		errs = append(errs, h.store.Close())
	}
	h.lock.Unlock()
	return errors.Join(errs...)
}
