package conform

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
)

//go:embed answers
var answers embed.FS

// upstream is the kit's mock of a provider's API. It knows the wires of the
// best known ones by their paths and answers deterministically.
type upstream struct {
	url   string
	http  http.Server
	extra []Answer
	paths []*regexp.Regexp // of extra

	mu   sync.Mutex
	mode behaviour
	log  []*seen
	wake chan struct{} // closed and replaced with log
}

// behaviour says what the mock does with the requests that come now.
type behaviour struct {
	status int           // answer with this error
	hang   bool          // never answer
	hold   chan struct{} // stop amid a stream until it is closed
	cut    bool          // break the connection amid a stream
}

// seen is one request that the mock has got.
type seen struct {
	method, path string
	header       http.Header
	body         string
	known        bool
	gone         <-chan struct{} // closed when its connection is, or it is answered
	answered     chan struct{}   // closed when it was answered
}

func newUpstream(extra []Answer) (*upstream, error) {
	u := &upstream{extra: extra, wake: make(chan struct{})}
	for _, a := range extra {
		re, err := regexp.Compile(a.Path)
		if err != nil {
			return nil, fmt.Errorf("cannot read answers: path %q: %w", a.Path, err)
		}
		u.paths = append(u.paths, re)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("cannot start the mock upstream: %w", err)
	}
	u.url = "http://" + ln.Addr().String()
	u.http.Handler = http.HandlerFunc(u.serve)
	go func() { _ = u.http.Serve(ln) }()
	return u, nil
}

func (u *upstream) close() { u.http.Close() }

// behave changes what it does and forgets what it has seen.
func (u *upstream) behave(b behaviour) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.mode, u.log = b, nil
}

func (u *upstream) add(s *seen) behaviour {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.log = append(u.log, s)
	close(u.wake)
	u.wake = make(chan struct{})
	return u.mode
}

// requests are those seen since the last behave.
func (u *upstream) requests() []*seen {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]*seen(nil), u.log...)
}

// await waits until n requests have come.
func (u *upstream) await(ctx context.Context, n int) ([]*seen, error) {
	for {
		u.mu.Lock()
		log, wake := append([]*seen(nil), u.log...), u.wake
		u.mu.Unlock()
		if len(log) >= n {
			return log, nil
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return log, fmt.Errorf("the mock upstream has got %d of %d requests", len(log), n)
		}
	}
}

func (u *upstream) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s := &seen{method: r.Method, path: r.URL.RequestURI(), header: r.Header, body: string(body), gone: r.Context().Done(), answered: make(chan struct{})}
	defer close(s.answered)
	a, known := u.answer(r, s.body)
	s.known = known
	mode := u.add(s)
	switch {
	case mode.hang && !a.stream:
		<-r.Context().Done()
	case mode.status != 0:
		fail(w, a.style, mode.status)
	case strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") && !isObject(body):
		fail(w, a.style, http.StatusBadRequest)
	case !known:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintf(w, `{"error":{"message":"the kit's mock upstream knows nothing at %s: name it in answers","code":"unknown_path"}}`, r.URL.Path)
	case a.stream:
		u.stream(w, r, a, mode)
	default:
		w.Header().Set("Content-Type", a.contentType)
		w.WriteHeader(max(a.status, http.StatusOK))
		_, _ = io.WriteString(w, a.body)
	}
}

func isObject(body []byte) bool {
	var v map[string]json.RawMessage
	return json.Unmarshal(body, &v) == nil
}

// stream writes the answer in two halves.
func (u *upstream) stream(w http.ResponseWriter, r *http.Request, a answer, mode behaviour) {
	w.Header().Set("Content-Type", a.contentType)
	first, second := halves(a)
	_, _ = io.WriteString(w, first)
	w.(http.Flusher).Flush()
	switch {
	case mode.cut:
		panic(http.ErrAbortHandler)
	case mode.hang:
		<-r.Context().Done()
		return
	case mode.hold != nil:
		select {
		case <-mode.hold:
		case <-r.Context().Done():
			return
		}
	}
	_, _ = io.WriteString(w, second)
}

// halves splits a stream behind the event that holds the first of the text.
func halves(a answer) (string, string) {
	if len(a.events) == 0 {
		mid := len(a.body) / 2
		return a.body[:mid], a.body[mid:]
	}
	for i, e := range a.events {
		if strings.Contains(e, firstText) {
			return strings.Join(a.events[:i+1], ""), strings.Join(a.events[i+1:], "")
		}
	}
	return a.events[0], strings.Join(a.events[1:], "")
}
