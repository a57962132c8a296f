// Package admin serves the operator's side of a gateway: usage, keys, status
// and reload behind the admin token; health, readiness and metrics without it.
package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
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
	// Credentials of providers.
	Credentials Credentials
	Plugins     *Plugins
	Usage       func(context.Context, UsageQuery) ([]UsageRow, error)
	Status      func(context.Context) any // encodes as a JSON object
	Reload      func(context.Context) error
	Ready       func() error // nil error: requests can be served
	Metrics     http.Handler
}

// Keys makes and ends virtual keys. A *wire.Error that it returns is shown to
// the caller as it is, any other error is logged and hidden.
type Keys interface {
	CreateKey(context.Context, NewKey) (Created, error)
	ListKeys(context.Context) ([]Key, error)
	RevokeKey(ctx context.Context, idOrName string) error
}

// Server is the admin API.
type Server struct {
	opt      Options
	token    atomic.Pointer[[sha256.Size]byte]
	http     *http.Server
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
	s := &Server{opt: opt}
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
	guarded := map[string]handler{
		"GET /admin/credentials":                                s.listCredentials,
		"POST /admin/providers/{provider}/credentials":          s.addCredential,
		"PUT /admin/providers/{provider}/credentials/{name}":    s.rotateCredential,
		"DELETE /admin/providers/{provider}/credentials/{name}": s.removeCredential,

		"GET /admin/usage":          s.usage,
		"GET /admin/keys":           s.listKeys,
		"POST /admin/keys":          s.createKey,
		"DELETE /admin/keys/{name}": s.revokeKey,
		"GET /admin/status":         s.status,
		"POST /admin/reload":        s.reload,
	}
	admin := http.NewServeMux()
	if s.opt.Plugins != nil {
		guarded["GET /admin/plugins"] = s.listPlugins
		guarded["POST /admin/plugins"] = s.installPlugin
		guarded["POST /admin/plugins/{name}/upgrade"] = s.upgradePlugin
		guarded["POST /admin/plugins/{name}/restart"] = s.restartPlugin
		admin.HandleFunc("GET /admin/plugins/{name}/logs", s.pluginLogs)
	}
	for pattern, h := range guarded {
		admin.HandleFunc(pattern, s.run(h))
	}
	admin.HandleFunc("/admin/", s.run(func(_ http.ResponseWriter, r *http.Request) (any, error) {
		return nil, notFound("there is no %s %s", r.Method, r.URL.Path)
	}))
	// The token is asked for before anything under /admin is looked at.
	admin.HandleFunc("GET /admin/pprof/profile", pprof.Profile)
	admin.HandleFunc("GET /admin/pprof/{name}", func(w http.ResponseWriter, r *http.Request) {
		pprof.Handler(r.PathValue("name")).ServeHTTP(w, r)
	})
	mux.Handle("/admin/", s.authorized(admin))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, notFound("there is no %s here: see /admin/status, /metrics, /healthz, /readyz", r.URL.Path))
	})
	return mux
}

func (s *Server) authorized(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		given := sha256.Sum256([]byte(token)) // of equal length, so that the comparison tells nothing
		if !ok || subtle.ConstantTimeCompare(given[:], s.token.Load()[:]) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			s.fail(w, wire.Errorf(http.StatusUnauthorized, "unauthorized", "send the admin token as Authorization: Bearer <token>"))
			return
		}
		if !roomy(w, r) {
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		}
		next.ServeHTTP(w, r)
	})
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
	body, _ := json.Marshal(map[string]any{"error": map[string]string{"code": e.Code, "message": e.Message}}) // strings always encode
	reply(w, e.Status, body)
}

func reply(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
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
