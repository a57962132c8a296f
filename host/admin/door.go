package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Door knows who may come in beside root.
type Door interface {
	// Admit tells who shows the token.
	Admit(ctx context.Context, token string) (Identity, *wire.Error)
}

var errUnauthorized = wire.Errorf(http.StatusUnauthorized, "unauthorized", "send an administrator's token as Authorization: Bearer <token>")

// authorized lets in who shows a token that counts, or a cookie that was given
// for one.
func (s *Server) authorized(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		who, r, err := s.identified(r.WithContext(ctx))
		if err != nil {
			s.unauthorized(w, err)
			return
		}
		if !roomy(w, r) {
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), identityKey{}, who)))
	})
}

func (s *Server) identified(r *http.Request) (Identity, *http.Request, *wire.Error) {
	if _, shown := r.Header["Authorization"]; !shown && s.sessions != nil {
		if id := cookieOf(r); id != nil {
			return s.bySession(r, id)
		}
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || token == "" {
		return Identity{}, r, errUnauthorized
	}
	who, err := s.byToken(r, token)
	return who, r, err
}

// byToken tells whose token it is, and slows down who guesses.
func (s *Server) byToken(r *http.Request, token string) (Identity, *wire.Error) {
	from := guesser(r)
	if wait := s.guesses.wait(from); wait > 0 && len(token) < unguessable {
		e := wire.Errorf(http.StatusTooManyRequests, "too_many_attempts", "too many wrong tokens came from %s: try again in %s", from, wait.Round(time.Second))
		e.RetryAfter = wait
		return Identity{}, e
	}
	who, err := s.admit(r.Context(), token)
	if err != nil && err.Status == http.StatusUnauthorized {
		s.guesses.failed(from)
	}
	return who, err
}

func (s *Server) unauthorized(w http.ResponseWriter, err *wire.Error) {
	if err.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	s.fail(w, err)
}

func (s *Server) admit(ctx context.Context, token string) (Identity, *wire.Error) {
	given := sha256.Sum256([]byte(token)) // of equal length, so that the comparison tells nothing
	if subtle.ConstantTimeCompare(given[:], s.token.Load()[:]) == 1 {
		return Identity{Name: "root", Role: Owner}, nil
	}
	if s.opt.Door == nil {
		return Identity{}, errUnauthorized
	}
	return s.opt.Door.Admit(ctx, token)
}

// called refuses requests that a browser was led here with: by a name that is
// none of this server's, which may be made to point here, or from another
// site's page. What tells load balancers how it fares answers everybody.
func (s *Server) called(next http.Handler) http.Handler {
	if s.opt.Hosts == nil {
		return alone(next)
	}
	return alone(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch origin := r.Header.Get("Origin"); {
		case r.URL.Path == "/healthz", r.URL.Path == "/readyz":
		case !s.named(r.Host):
			s.fail(w, wire.Errorf(http.StatusMisdirectedRequest, "unknown_host", "this server is not called %.100q: use its IP address, or have that name listed in admin.hosts", r.Host))
			return
		case origin != "" && !sameHost(origin, r.Host), r.Header.Get("Sec-Fetch-Site") == "cross-site":
			s.fail(w, wire.Errorf(http.StatusForbidden, "cross_origin", "pages of other sites may not ask this server"))
			return
		}
		next.ServeHTTP(w, r)
	}))
}

// alone has a request whose body comes in chunks be the last one of its
// connection: a proxy that goes by a Content-Length beside them may take for a
// part of it what is another request here, and would end with somebody's token.
func alone(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TransferEncoding) > 0 {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// named reports whether host, which may have a port, is what this server is called.
func (s *Server) named(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if _, err := netip.ParseAddr(host); err == nil {
		return true // no name that points anywhere
	}
	return host == "localhost" || slices.ContainsFunc(s.opt.Hosts, func(h string) bool { return strings.EqualFold(h, host) })
}

func sameHost(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(u.Host, host)
}

// guesser is whose wrong tokens are counted together: an IPv4 address, or the
// 64 bits of an IPv6 address that one customer has.
func guesser(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	a := at.Addr().Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}

// unguessable is the length from which on tokens are looked at however many
// wrong ones came from an address: nobody finds one by trying, and whoever sends
// wrong ones through the same proxy shuts nobody out.
const unguessable = 24

const (
	freeGuesses = 10              // wrong tokens at once
	perGuess    = 6 * time.Second // after which one more is free
	maxGuessers = 4096
)

// guesses slow down those who try tokens. Each address has a bucket; beyond
// maxGuessers of them, those that come new share one.
type guesses struct {
	mu  sync.Mutex
	now func() time.Time
	by  map[netip.Addr]time.Time // when the bucket will be full again
}

// bucket is whose end is counted for a.
func (g *guesses) bucket(a netip.Addr) netip.Addr {
	if _, ok := g.by[a]; ok || len(g.by) < maxGuessers {
		return a
	}
	return netip.Addr{}
}

// wait is for how long nothing from a is looked at.
func (g *guesses) wait(a netip.Addr) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	full, ok := g.by[g.bucket(a)]
	if !ok {
		return 0
	}
	return max(0, full.Sub(g.now())-(freeGuesses-1)*perGuess)
}

// failed counts a wrong token.
func (g *guesses) failed(a netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	if len(g.by) >= maxGuessers {
		for other, full := range g.by {
			if !full.After(now) {
				delete(g.by, other)
			}
		}
	}
	a = g.bucket(a)
	if full := g.by[a]; full.After(now) {
		g.by[a] = full.Add(perGuess)
	} else {
		g.by[a] = now.Add(perGuess)
	}
}
