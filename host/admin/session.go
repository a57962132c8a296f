package admin

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Docs keep who has signed in with a browser, for all gateways that share them.
type Docs interface {
	Documents(ctx context.Context, kind string) ([]call.Document, error)
	PutDocument(ctx context.Context, d call.Document) (revision int64, err error)
	DeleteDocument(ctx context.Context, kind, name string, revision int64) error
}

const (
	cookieName   = "signalbox_session"
	secureCookie = "__Host-" + cookieName // which browsers take over TLS alone, and from this very host
	csrfHeader   = "X-Signalbox-Csrf"
	// backgroundHeader marks what a page asks for by itself: it keeps nobody signed in.
	backgroundHeader = "X-Signalbox-Background"

	idleAfter  = 30 * time.Minute
	longest    = 12 * time.Hour
	followFor  = 5 * time.Minute // after which a page that follows something has to ask again
	secretSize = 32
)

var (
	errEnded = wire.Errorf(http.StatusUnauthorized, "session_ended", "you are signed out: sign in again")
	errCSRF  = wire.Errorf(http.StatusForbidden, "csrf", "what changes something needs the header %s with the csrf of GET /admin/session, and to come from this server's own pages", csrfHeader)
)

// serveSession signs in and out, and tells who is signed in.
func (s *Server) serveSession(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet:
		s.run(s.showSession)(w, r)
	case http.MethodPost:
		s.run(s.signIn)(w, r)
	case http.MethodDelete:
		s.run(s.signOut)(w, r)
	default:
		w.Header().Set("Allow", "GET, POST, DELETE")
		s.fail(w, wire.Errorf(http.StatusMethodNotAllowed, "method_not_allowed", "there is no %s /admin/session: GET, POST and DELETE it", r.Method))
	}
}

// sessionView is what a page is told of who uses it.
type sessionView struct {
	SignedIn bool      `json:"signed_in"`
	Name     string    `json:"name,omitempty"`
	Role     string    `json:"role,omitempty"`
	May      []string  `json:"may,omitempty"`  // the roles whose work this one may do
	CSRF     string    `json:"csrf,omitempty"` // to be shown with changes
	Ends     time.Time `json:"ends,omitzero"`  // at the latest
}

func viewOf(who Identity, id []byte, started time.Time) sessionView {
	v := sessionView{SignedIn: true, Name: who.Name, Role: who.Role.String(), CSRF: csrfOf(id), Ends: started.Add(longest).UTC()}
	for role := Viewer; role <= Owner; role++ {
		if who.Role.may(role) {
			v.May = append(v.May, role.String())
		}
	}
	return v
}

func (s *Server) showSession(_ http.ResponseWriter, r *http.Request) (any, error) {
	id := cookieOf(r)
	if id == nil || !ownPage(r) {
		return sessionView{}, nil
	}
	who, kept, err := s.resume(r, id)
	if err != nil {
		if err.Status == http.StatusUnauthorized {
			return sessionView{}, nil // which is no error of who opens the page
		}
		return nil, err
	}
	return viewOf(who, id, kept.Started), nil
}

func (s *Server) signIn(w http.ResponseWriter, r *http.Request) (any, error) {
	if !ownPage(r) {
		return nil, errCSRF
	}
	var q struct {
		Token string `json:"token"`
	}
	if err := strict(http.MaxBytesReader(w, r.Body, maxActBody), &q); err != nil {
		return nil, invalid("cannot read the body: %v", err)
	}
	token := strings.TrimSpace(q.Token)
	if token == "" {
		return nil, invalid("token is empty: give an administrator's token")
	}
	who, failed := s.byToken(r, token)
	if failed != nil {
		return nil, failed
	}
	if !who.Role.may(Viewer) {
		return nil, wire.Errorf(http.StatusForbidden, "role_required", "%s has no role here", who.Name)
	}
	if err := s.noteSession(r, who); err != nil {
		return nil, err
	}
	if old := cookieOf(r); old != nil { // which nobody holds any more
		_ = s.sessions.end(r.Context(), old) // it ends by itself, too
	}
	id := make([]byte, secretSize)
	_, _ = rand.Read(id) // it never fails
	kept, err := s.sessions.begin(r.Context(), id, who, token)
	if err != nil {
		return nil, err
	}
	setCookie(w, r, base64.RawURLEncoding.EncodeToString(id), 0)
	return viewOf(who, id, kept.Started), nil
}

func (s *Server) signOut(w http.ResponseWriter, r *http.Request) (any, error) {
	id := cookieOf(r)
	if id == nil {
		return sessionView{}, nil
	}
	if !permitted(r, id) {
		return nil, errCSRF
	}
	if who, _, err := s.resume(r, id); err == nil {
		if err := s.noteSession(r, who); err != nil {
			return nil, err
		}
	}
	setCookie(w, r, "", -1)
	return sessionView{}, s.sessions.end(r.Context(), id)
}

// noteSession records who signs in or out.
func (s *Server) noteSession(r *http.Request, who Identity) error {
	if s.opt.Recorder == nil {
		return nil
	}
	_, err := s.opt.Recorder.Record(r.Context(), &Act{Who: who, Address: r.RemoteAddr, Action: r.Method + " /admin/session", On: path(r), Status: http.StatusOK})
	if err != nil {
		s.opt.Log.Error("nobody is signed in or out: it cannot be recorded", "err", err)
		return wire.Errorf(http.StatusServiceUnavailable, "audit_unavailable", "the audit log cannot be written, so nothing was changed: the gateway's log says why")
	}
	return nil
}

// bySession tells who asks with a cookie, and the context in which it is served.
func (s *Server) bySession(r *http.Request, id []byte) (Identity, *http.Request, *wire.Error) {
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	if !ownPage(r) || !reads && !permitted(r, id) {
		return Identity{}, nil, errCSRF
	}
	who, kept, err := s.resume(r, id)
	if err != nil {
		return Identity{}, nil, err
	}
	if reads && strings.Contains(r.Header.Get("Accept"), "text/event-stream") { // browsers ask again by themselves
		ctx, cancel := context.WithTimeout(r.Context(), followFor)
		followed := r.WithContext(ctx)
		go s.follow(followed, id, cancel)
		return who, followed, nil
	}
	if r.Header.Get(backgroundHeader) == "" {
		s.sessions.touch(r.Context(), kept)
	}
	return who, r, nil
}

// follow ends what somebody follows once the cookie no longer counts, or with r.
func (s *Server) follow(r *http.Request, id []byte, end context.CancelFunc) {
	defer end()
	look := time.NewTicker(lookAgain)
	defer look.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-look.C:
			if _, _, err := s.resume(r, id); err != nil && err.Status == http.StatusUnauthorized {
				return
			}
		}
	}
}

// resume tells whose cookie it is. The token that was signed in with has to
// count as it did then: who is no longer let in, or in another role, is signed out.
func (s *Server) resume(r *http.Request, id []byte) (Identity, *kept, *wire.Error) {
	k, err := s.sessions.find(r.Context(), id)
	if err != nil {
		s.opt.Log.Error("who is signed in cannot be read", "err", err)
		return Identity{}, nil, wire.Errorf(http.StatusServiceUnavailable, "store_unavailable", "the store cannot be read: the gateway's log says why")
	}
	if k == nil {
		return Identity{}, nil, errEnded
	}
	token, ok := k.open(id)
	if !ok {
		return Identity{}, nil, errEnded
	}
	who, refused := s.admit(r.Context(), token)
	switch {
	case refused != nil && refused.Status != http.StatusUnauthorized && refused.Status != http.StatusForbidden:
		return Identity{}, nil, refused // it is not known now
	case refused != nil || who.Name != k.Who || who.Role.String() != k.Role:
		if err := s.sessions.end(r.Context(), id); err != nil {
			s.opt.Log.Error("who was signed out stays in the store until it ends by itself", "who", k.Who, "err", err)
		}
		return Identity{}, nil, errEnded
	}
	return who, k, nil
}

// cookieOf is what the browser was given, nil: nothing that could be it. Over TLS
// the other name does not count: whoever serves another port of this host without
// TLS could have set it.
func cookieOf(r *http.Request) []byte {
	names := []string{secureCookie, cookieName}
	if r.TLS != nil {
		names = names[:1]
	}
	for _, name := range names {
		if c, err := r.Cookie(name); err == nil {
			if id, err := base64.RawURLEncoding.DecodeString(c.Value); err == nil && len(id) == secretSize {
				return id
			}
		}
	}
	return nil
}

func setCookie(w http.ResponseWriter, r *http.Request, value string, age int) {
	c := &http.Cookie{Name: cookieName, Value: value, Path: "/", MaxAge: age, HttpOnly: true, SameSite: http.SameSiteStrictMode}
	// A proxy may speak TLS in this server's place: the browser knows.
	if r.TLS != nil || strings.HasPrefix(r.Header.Get("Origin"), "https://") {
		c.Name, c.Secure = secureCookie, true
	}
	http.SetCookie(w, c)
}

// permitted reports whether a change is asked for by a page that was told the csrf.
func permitted(r *http.Request, id []byte) bool {
	return ownPage(r) && hmac.Equal([]byte(r.Header.Get(csrfHeader)), []byte(csrfOf(id)))
}

// ownPage reports whether no page but this server's own can have asked. Pages at
// another port of this host are of the same site, and get its cookies sent.
func ownPage(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" {
		u, err := url.Parse(origin)
		if err != nil || !strings.EqualFold(u.Host, r.Host) {
			return false
		}
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return true
	}
	return false
}
