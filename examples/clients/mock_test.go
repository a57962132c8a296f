package clients

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// mock guards an upstream: it knows which credential may arrive, and remembers
// what should not have.
type mock struct {
	header, value string   // of the provider's credential
	queries       []string // that may arrive

	mu   sync.Mutex
	seen []string
}

func newMock(header, value string) *mock { return &mock{header: header, value: value} }

func (m *mock) fault(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen = append(m.seen, fmt.Sprintf(format, args...))
}

func (m *mock) faults() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.seen)
}

// secrets are the headers that may hold one.
var secrets = []string{"Authorization", "X-Api-Key", "X-Goog-Api-Key", "Api-Key", "Cookie", "Proxy-Authorization"}

// guard lets requests through that show the provider's credential and nothing
// of the caller's.
func (m *mock) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		before := len(m.faults())
		if got := r.Header.Get(m.header); got != m.value {
			m.fault("%s: %s is %q", r.URL.Path, m.header, got)
		}
		for _, name := range secrets {
			if !strings.EqualFold(name, m.header) && r.Header.Get(name) != "" {
				m.fault("%s: %s of the caller arrived", r.URL.Path, name)
			}
		}
		for name, values := range r.Header {
			if strings.Contains(strings.Join(values, "\n"), callerKey) {
				m.fault("%s: %s holds the caller's key", r.URL.Path, name)
			}
		}
		if q := r.URL.RawQuery; q != "" && !slices.Contains(m.queries, q) {
			m.fault("%s: a query arrived: %s", r.URL.Path, r.URL.RawQuery)
		}
		if len(m.faults()) > before {
			http.Error(w, `{"error":{"message":"see the mock's faults"}}`, http.StatusTeapot)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// failure is an error answer, in the words of both vendors.
type failure struct {
	status        int
	typ, code     string
	message       string
	anthropicType string
}

// failures are what models of these names answer, whatever is asked.
var failures = map[string]failure{
	"limited": {429, "requests", "rate_limit_exceeded", "Rate limit reached", "rate_limit_error"},
	"refused": {400, "invalid_request_error", "invalid_value", "This was refused", "invalid_request_error"},
}

var (
	noMessages = failure{400, "invalid_request_error", "empty_array", "Invalid 'messages': empty array", "invalid_request_error"}
	noSchema   = failure{400, "invalid_request_error", "no_schema", "A schema was expected", "invalid_request_error"}
	noModel    = failure{404, "invalid_request_error", "model_not_found", "The model does not exist", "not_found_error"}
	unreadable = failure{400, "invalid_request_error", "invalid_json", "The body could not be read", "invalid_request_error"}
)

// toolCall finds "call NAME {json}" in text for one of names.
func toolCall(text string, names []string) (name, arguments string, ok bool) {
	for _, name := range names {
		if _, rest, found := strings.Cut(text, "call "+name+" "); found && strings.HasPrefix(rest, "{") {
			return name, rest, true
		}
	}
	return "", "", false
}

// words cuts a text for a stream.
func words(text string) []string { return strings.SplitAfter(text, " ") }

// halves cuts arguments where a token could end.
func halves(s string) []string { return []string{s[:len(s)/2], s[len(s)/2:]} }

func tokens(s string) int { return len(s)/4 + 1 }

// quoted is s as JSON.
func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic("BUG: cannot marshal a text; got " + err.Error())
	}
	return string(b)
}

// base64Of is s in base64, as JSON.
func base64Of(s string) string { return quoted(base64.StdEncoding.EncodeToString([]byte(s))) }

func writeJSON(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

// events writes a stream, each event at once.
type events struct {
	w http.ResponseWriter
	m *mock
}

func newEvents(w http.ResponseWriter, m *mock) events {
	w.Header().Set("Content-Type", "text/event-stream")
	return events{w, m}
}

func (e events) raw(s string) {
	_, _ = e.w.Write([]byte(s))
	e.w.(http.Flusher).Flush()
}

// cut breaks the connection off, so that the stream has no end.
func (e events) cut() { panic(http.ErrAbortHandler) }
