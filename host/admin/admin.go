// Package admin serves the operator's side of a gateway: usage, keys, status
// and reload behind the admin token; health, readiness and metrics without it.
package admin

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	profiles "runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// maxBody bounds what a caller sends.
const maxBody = 1 << 20

// Options of a Server. What is nil is answered with 404.
type Options struct {
	Token string // that callers of /admin/… show as Bearer; never empty
	Log   *slog.Logger
	Keys  Keys
	// KeyChanges alters keys; Directory holds whom they may act for.
	KeyChanges KeyChanges
	Directory  Directory
	// Door knows who may come in beside root, and Admins keeps some of them.
	Door   Door
	Admins Admins
	// Hosts are names that the server is called by beside localhost and IP
	// addresses, nil: any will do.
	Hosts []string
	// Limits of scopes; Applying lists all that hold for one, by its full name.
	Limits   Limits
	Applying func(ctx context.Context, scope string) (string, []AppliedLimit, error)
	Budgets  Budgets
	// Credentials of providers.
	Credentials Credentials
	Plugins     *Plugins
	Decisions   *Decisions
	Trials      *Trials
	Policies    *Policies
	Routes      *Modules
	Filters     *Modules
	Nodes       Nodes
	Ledger      Ledger
	Status      func(context.Context) any // encodes as a JSON object
	Reload      func(context.Context) error
	Ready       func() error // nil error: requests can be served
	Metrics     http.Handler
	Recorder    Recorder // of all that is asked for
	Secrets     Secrets
	AuditLog    AuditLog
	Alerts      Alerts
	Tools       *Tools
	Cache       Cache
	Batches     Batches
	Health      Health // of providers
	Cards       Cards  // of models
	Playground  Playground
	Live        *Live
	Pipelines   *Pipelines
	// Sessions keep who has signed in with a browser, nil: nobody can.
	Sessions Docs
	// Dashboard serves / and /assets/.
	Dashboard http.Handler
	Document  []byte // of what is served, as OpenAPI in JSON
}

// Keys makes and ends virtual keys. A *wire.Error that it returns is shown to
// the caller as it is, any other error is logged and hidden.
type Keys interface {
	CreateKey(context.Context, NewKey) (Created, error)
	ListKeys(context.Context) ([]Key, error)
	RevokeKey(ctx context.Context, idOrName string) error
}

// KeyChanges alters live keys, with errors like those of Keys.
type KeyChanges interface {
	// UpdateKey lets change alter what a key is good for.
	UpdateKey(ctx context.Context, idOrName string, change func(*NewKey) error) (Key, error)
	// RotateKey gives a key a new secret; the one before it counts for the overlap.
	RotateKey(ctx context.Context, idOrName string, overlap time.Duration) (Created, error)
	// FinishKey ends the secret before the last one.
	FinishKey(ctx context.Context, idOrName string) (Key, error)
}

// Server is the admin API.
type Server struct {
	opt      Options
	token    atomic.Pointer[[sha256.Size]byte]
	http     *http.Server
	guesses  guesses
	sessions *sessions
	needs    map[string]Role // by the method and path of routes
	plays    chan struct{}
	draining atomic.Bool
	life     context.Context // until Stop
	end      context.CancelFunc
}

// New returns a server that listens nowhere yet.
func New(opt Options) (*Server, error) {
	if opt.Token == "" {
		return nil, errors.New("cannot serve the admin API: there is no admin token")
	}
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	s := &Server{opt: opt, plays: make(chan struct{}, maxPlays), needs: map[string]Role{}, guesses: guesses{now: time.Now, by: map[netip.Addr]time.Time{}}}
	if opt.Sessions != nil {
		s.sessions = newSessions(opt.Sessions)
	}
	s.life, s.end = context.WithCancel(context.Background())
	s.SetToken(opt.Token)
	s.http = &http.Server{
		Handler: s.handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(opt.Log.Handler(), slog.LevelDebug),
	}
	return s, nil
}

// SetToken replaces the admin token; an empty one changes nothing.
func (s *Server) SetToken(token string) {
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		s.token.Store(&sum)
	}
}

// Serve answers on ln until Stop.
func (s *Server) Serve(ln net.Listener) error {
	if err := s.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Draining makes the server answer that it is not ready: requests are still
// served, new ones should go elsewhere.
func (s *Server) Draining() { s.draining.Store(true) }

// Stop ends the server once running requests have, or when ctx does. It may be
// called more than once, and without Serve.
func (s *Server) Stop(ctx context.Context) error {
	s.end() // who follows a log would stay for ever
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(err, s.http.Close())
	}
	return nil
}

// Handler serves all paths.
func (s *Server) Handler() http.Handler { return s.http.Handler }

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", s.readyz)
	if s.opt.Metrics != nil {
		mux.Handle("GET /metrics", s.opt.Metrics)
	}
	admin := http.NewServeMux()
	for pattern, r := range s.routes() {
		s.needs[pattern] = r.need
		serve := r.raw
		if serve == nil {
			serve = s.run(r.serve)
		}
		admin.HandleFunc(pattern, allow(r.need, serve, s))
	}
	admin.HandleFunc("/admin/", s.run(func(_ http.ResponseWriter, r *http.Request) (any, error) {
		return nil, notFound("there is no %s %s", r.Method, r.URL.Path)
	}))
	// The token is asked for before anything under /admin is looked at.
	mux.Handle("/admin/", s.logins(s.authorized(s.recorded(admin))))
	if s.sessions != nil {
		mux.Handle("/admin/session", s.logins(http.HandlerFunc(s.serveSession)))
	}
	if s.opt.Document != nil {
		mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, slices.Clip(s.opt.Document)) })
	}
	if s.opt.Dashboard != nil {
		mux.Handle("GET /{$}", s.opt.Dashboard)
		mux.Handle("GET /assets/", s.opt.Dashboard)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, notFound("there is no %s here: see /admin/status, /metrics, /healthz, /readyz", r.URL.Path))
	})
	return s.called(mux)
}

// routes are all that is served to those who were let in, by method and path.
func (s *Server) routes() map[string]route {
	guarded := map[string]route{
		"GET /admin/credentials":                                viewers(s.listCredentials),
		"POST /admin/providers/{provider}/credentials":          owners(s.addCredential),
		"PUT /admin/providers/{provider}/credentials/{name}":    owners(s.rotateCredential),
		"DELETE /admin/providers/{provider}/credentials/{name}": owners(s.removeCredential),

		"GET /admin/keys":           viewers(s.listKeys),
		"POST /admin/keys":          owners(s.createKey),
		"DELETE /admin/keys/{name}": owners(s.revokeKey),

		"GET /admin/keys/{name}":         viewers(s.showKey),
		"PATCH /admin/keys/{name}":       owners(s.updateKey),
		"POST /admin/keys/{name}/rotate": owners(s.rotateKey),

		"GET /admin/status":  viewers(s.status),
		"POST /admin/reload": operators(s.reload),
	}
	s.pluginRoutes(guarded)
	s.budgetRoutes(guarded)
	s.nodeRoutes(guarded)
	s.auditRoutes(guarded)
	s.alertRoutes(guarded)
	s.toolRoutes(guarded)
	s.cacheRoutes(guarded)
	s.batchRoutes(guarded)
	s.healthRoutes(guarded)
	s.cardRoutes(guarded)
	s.playgroundRoutes(guarded)
	s.secretRoutes(guarded)
	s.pipelineRoutes(guarded)
	if s.opt.Ledger != nil {
		guarded["GET /admin/ledger/{id}"] = viewers(s.showRequest)
		guarded["GET /admin/ledger"] = route{need: Viewer, raw: s.exportLedger}
		guarded["GET /admin/usage"] = route{need: Viewer, raw: s.usage}
	}
	s.directoryRoutes(guarded)
	s.adminRoutes(guarded)
	s.moduleRoutes(guarded, "route", s.opt.Routes)
	s.moduleRoutes(guarded, "filter", s.opt.Filters)
	if s.opt.Decisions != nil {
		guarded["GET /admin/decisions"] = viewers(s.lastDecisions)
		guarded["GET /admin/decisions/{id}"] = viewers(s.explainDecision)
	}
	s.trialRoutes(guarded)
	s.liveRoutes(guarded)
	s.policyRoutes(guarded)
	s.limitRoutes(guarded)
	guarded["GET /admin/pprof/profile"] = route{need: Owner, raw: pprof.Profile}
	guarded["GET /admin/pprof/{name}"] = route{need: Owner, raw: s.profile}
	return guarded
}

// profile writes one of the program's profiles.
func (s *Server) profile(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if profiles.Lookup(name) != nil {
		pprof.Handler(name).ServeHTTP(w, r)
		return
	}
	names := []string{"profile"} // of the processor, which has a path of its own
	for _, p := range profiles.Profiles() {
		names = append(names, p.Name())
	}
	slices.Sort(names)
	s.fail(w, notFound("there is no profile %q: there are %s", name, strings.Join(names, ", ")))
}

func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	if s.draining.Load() {
		text(w, http.StatusServiceUnavailable, "draining")
		return
	}
	if s.opt.Ready != nil {
		if err := s.opt.Ready(); err != nil {
			text(w, http.StatusServiceUnavailable, "not ready: "+err.Error())
			return
		}
	}
	text(w, http.StatusOK, "ready")
}

func text(w http.ResponseWriter, status int, s string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(s + "\n"))
}

// handler answers with a value to encode, or an error.
type handler func(http.ResponseWriter, *http.Request) (any, error)

func (s *Server) run(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := h(w, r)
		if err != nil {
			s.fail(w, err)
			return
		}
		body, err := json.Marshal(v)
		if err != nil {
			s.fail(w, err)
			return
		}
		reply(w, http.StatusOK, body)
	}
}

func (s *Server) fail(w http.ResponseWriter, err error) {
	var e *wire.Error
	if !errors.As(err, &e) {
		s.opt.Log.Error("admin request failed", "err", err)
		e = wire.Errorf(http.StatusInternalServerError, "internal", "the request failed: the gateway's log says why")
	}
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64((e.RetryAfter+time.Second-1)/time.Second), 10))
	}
	body, _ := json.Marshal(map[string]any{"error": map[string]string{"code": e.Code, "message": e.Message}}) // strings always encode
	reply(w, e.Status, body)
}

func reply(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

func notFound(format string, args ...any) error {
	return wire.Errorf(http.StatusNotFound, "not_found", format, args...)
}

func invalid(format string, args ...any) error {
	return wire.Errorf(http.StatusBadRequest, "invalid_request", format, args...)
}

func (s *Server) status(_ http.ResponseWriter, r *http.Request) (any, error) {
	if s.opt.Status == nil {
		return nil, notFound("there is no status")
	}
	return s.opt.Status(r.Context()), nil
}

func (s *Server) reload(_ http.ResponseWriter, r *http.Request) (any, error) {
	if s.opt.Reload == nil {
		return nil, notFound("there is nothing to reload")
	}
	if err := s.opt.Reload(r.Context()); err != nil {
		return nil, wire.Errorf(http.StatusUnprocessableEntity, "reload_failed", "%v", err)
	}
	return map[string]bool{"reloaded": true}, nil
}
