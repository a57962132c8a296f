package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Act is one use of the admin API, as it is recorded.
type Act struct {
	Who     Identity
	Address string
	Action  string // "POST /admin/keys/{name}"
	On      string // "/admin/keys/ci"
	Begin   bool   // it is about to be done
	Of      int64  // the number of its beginning
	Status  int    // 0 while it begins
	Code    string // of the error that was answered
	Body    []byte // asked for; nil: none, or too long
	Answer  []byte // what was answered; nil: none, or too long
	Changes []Change
}

// Change is one document before and after; either may be empty.
type Change struct {
	What          string
	Before, After []byte
}

// Recorder keeps acts.
type Recorder interface {
	// Record keeps a and returns its number. Where it cannot, what is about to be
	// done is refused.
	Record(ctx context.Context, a *Act) (seq int64, err error)
	// Note keeps a soon; one of many may be counted alone.
	Note(a *Act)
	// Reads reports whether what changes nothing is noted too.
	Reads() bool
}

// AuditLog answers questions about what was recorded. From either end it gives
// the first q.Most entries that q and keep select, of lower numbers than before,
// 0: of any; they come as JSON, in their order.
type AuditLog interface {
	Newest(ctx context.Context, before int64, q call.AuditQuery, keep func(who, action, on, outcome string) bool) ([]json.RawMessage, error)
	Oldest(ctx context.Context, before int64, q call.AuditQuery, keep func(who, action, on, outcome string) bool) ([]json.RawMessage, error)
	// Verify's answer encodes as JSON.
	Verify(ctx context.Context) (any, error)
}

// auditQuery selects entries, the newest Most in their order.
type auditQuery struct {
	After, Seq  int64
	Before      int64 // entries of lower numbers, 0: all
	From, To    time.Time
	Who, What   string // parts of who, and of action or object
	Outcome     string
	Most        int
	OldestFirst bool // the oldest Most
}

type (
	actKey    struct{}
	insideKey struct{}
)

// Changed notes in ctx that an admin request has changed a document.
func Changed(ctx context.Context, c Change) {
	if a, ok := ctx.Value(actKey{}).(*Act); ok {
		a.Changes = append(a.Changes, c)
	}
}

// Recorded reports whether ctx is of an admin request that is recorded.
func Recorded(ctx context.Context) bool {
	_, ok := ctx.Value(actKey{}).(*Act)
	return ok
}

const (
	maxActBody   = 64 << 10
	maxActAnswer = 4 << 10
)

// logins notes who was not let in.
func (s *Server) logins(next http.Handler) http.Handler {
	if s.opt.Recorder == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen, in := &witness{ResponseWriter: w}, false
		next.ServeHTTP(seen, r.WithContext(context.WithValue(r.Context(), insideKey{}, &in)))
		if !in && seen.status >= 400 && seen.status != http.StatusTooManyRequests { // what came before that is noted
			s.opt.Recorder.Note(&Act{Address: r.RemoteAddr, Action: "login", On: path(r), Status: seen.status, Code: seen.code()})
		}
	})
}

// keyLike is a key, or an administrator's token, that stands where its name or id
// is asked for.
var keyLike = regexp.MustCompile(`\b(sba?-[0-9a-z]{10}-)[0-9a-z]+`)

// path is that of r without what is secret.
func path(r *http.Request) string { return keyLike.ReplaceAllString(r.URL.Path, "$1[redacted]") }

// recorded keeps what is done by those who were let in: changes before they are
// made and after, reads where they are refused, or asked for by configuration.
func (s *Server) recorded(next *http.ServeMux) http.Handler {
	rec := s.opt.Recorder
	if rec == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if in, ok := r.Context().Value(insideKey{}).(*bool); ok {
			*in = true
		}
		_, pattern := next.Handler(r)
		a := &Act{Who: Who(r.Context()), Address: r.RemoteAddr, Action: pattern, On: path(r)}
		if !strings.Contains(pattern, " ") {
			a.Action = r.Method + " " + pattern
		}
		seen := &witness{ResponseWriter: w}
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			next.ServeHTTP(seen, r)
			if a.Status, a.Code = seen.status, seen.code(); rec.Reads() || a.Status == http.StatusForbidden || revealing(pattern) {
				rec.Note(a)
			}
			return
		}
		s.change(seen, r, a, next)
	})
}

// revealing are reads that show what lies deep inside.
func revealing(pattern string) bool { return strings.Contains(pattern, "/pprof/") }

func (s *Server) change(w *witness, r *http.Request, a *Act, next http.Handler) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxActBody+1))
	rest := io.Reader(r.Body)
	if err != nil {
		rest = failing{err}
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), rest), r.Body}
	if len(body) <= maxActBody && !playing(r) && !showing(r) {
		a.Body = body
	}
	begin := *a
	begin.Begin = true
	if a.Of, err = s.opt.Recorder.Record(r.Context(), &begin); err != nil {
		s.opt.Log.Error("admin request refused: it cannot be recorded", "action", a.Action, "err", err)
		s.fail(w, wire.Errorf(http.StatusServiceUnavailable, "audit_unavailable", "the audit log cannot be written, so nothing was changed: the gateway's log says why"))
		return
	}
	ctx := context.WithValue(r.Context(), actKey{}, a)
	a.Status, a.Code = http.StatusInternalServerError, "panic"
	defer func() { // which is how a panic ends, too
		if _, err := s.opt.Recorder.Record(context.WithoutCancel(ctx), a); err != nil {
			s.opt.Log.Error("how an admin request ended cannot be recorded", "action", a.Action, "entry", a.Of, "err", err)
		}
	}()
	next.ServeHTTP(w, r.WithContext(ctx))
	if a.Status, a.Code = w.status, w.code(); !playing(r) {
		a.Answer = w.answer()
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// witness sees what is answered.
type witness struct {
	http.ResponseWriter
	status int
	head   []byte // of the body
}

// WriteHeader implements http.ResponseWriter.
func (w *witness) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *witness) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.head = append(w.head, b[:min(len(b), maxActAnswer+1-len(w.head))]...)
	return w.ResponseWriter.Write(b)
}

// Flush implements http.Flusher.
func (w *witness) Flush() {
	if f, ok := w.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// Unwrap is for http.ResponseController.
func (w *witness) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *witness) answer() []byte {
	if len(w.head) > maxActAnswer {
		return nil
	}
	return w.head
}

// code is that of the error that was answered.
func (w *witness) code() string {
	if w.status < 400 {
		return ""
	}
	var e struct{ Error struct{ Code string } }
	_ = json.Unmarshal(w.head, &e) // what is no error of ours has no code
	return e.Error.Code
}

func (s *Server) auditRoutes(guarded map[string]route) {
	if s.opt.AuditLog == nil {
		return
	}
	guarded["GET /admin/audit"] = viewers(s.auditEntries)
	guarded["GET /admin/audit/verify"] = viewers(func(_ http.ResponseWriter, r *http.Request) (any, error) {
		return s.opt.AuditLog.Verify(r.Context())
	})
}

// mostEntries is what one answer holds at most.
const mostEntries = 1000

func (s *Server) auditEntries(_ http.ResponseWriter, r *http.Request) (any, error) {
	v := r.URL.Query()
	q := auditQuery{Who: v.Get("who"), What: v.Get("what"), Outcome: v.Get("outcome"), Most: 100, OldestFirst: v.Has("after")}
	number := func(name string, to *int64) error {
		if text := v.Get(name); text != "" {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil || n < 0 {
				return invalid("%s is %q: give a number, 0 or more", name, text)
			}
			*to = n
		}
		return nil
	}
	moment := func(name string, to *time.Time) error {
		if text := v.Get(name); text != "" {
			t, err := time.Parse(time.RFC3339, text)
			if err != nil {
				return invalid("%s is %q: give a time such as 2027-01-31T00:00:00Z", name, text)
			}
			*to = t
		}
		return nil
	}
	most := int64(q.Most)
	err := errors.Join(number("after", &q.After), number("before", &q.Before), number("seq", &q.Seq), number("most", &most), moment("since", &q.From), moment("until", &q.To))
	var e *wire.Error
	if errors.As(err, &e) {
		return nil, e
	}
	q.Most = int(min(max(most, 1), mostEntries))
	return s.entries(r.Context(), &q)
}

func (s *Server) entries(ctx context.Context, q *auditQuery) (any, error) {
	rows := call.AuditQuery{After: q.After, From: q.From, To: q.To, Most: q.Most}
	read, before := s.opt.AuditLog.Newest, q.Before
	if q.OldestFirst {
		read = s.opt.AuditLog.Oldest
	}
	if q.Seq > 0 {
		read, before, rows = s.opt.AuditLog.Oldest, q.Seq+1, call.AuditQuery{After: q.Seq - 1, Most: 1}
	}
	list, err := read(ctx, before, rows, q.selects)
	if err != nil {
		return nil, err
	}
	return map[string]any{"entries": list}, nil
}

func (q *auditQuery) selects(who, action, on, outcome string) bool {
	return q.Seq > 0 || strings.Contains(who, q.Who) && (strings.Contains(action, q.What) || strings.Contains(on, q.What)) &&
		(q.Outcome == "" || outcome == q.Outcome)
}
