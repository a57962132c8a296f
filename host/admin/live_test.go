package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// feed is what a test lets a viewer see.
type feed struct {
	rows    chan *call.LedgerRow
	seconds chan call.Passed
	ended   chan struct{}
	lost    atomic.Int64
	closed  chan struct{}
	keep    func(*call.Record) bool
}

func newFeed() *feed {
	return &feed{rows: make(chan *call.LedgerRow, 8), seconds: make(chan call.Passed, 1), ended: make(chan struct{}), closed: make(chan struct{})}
}

func (f *feed) Rows() <-chan *call.LedgerRow { return f.rows }
func (f *feed) Seconds() <-chan call.Passed  { return f.seconds }
func (f *feed) Ended() <-chan struct{}       { return f.ended }
func (f *feed) Close()                       { close(f.closed) }
func (f *feed) Lost() int64                  { return f.lost.Swap(0) }

func (f *feed) options() Options {
	return Options{Token: token, Log: slog.New(slog.DiscardHandler), Live: &Live{
		Since:  func() time.Time { return time.Unix(1_790_000_000, 0) },
		Series: func(n int) []call.Passed { return make([]call.Passed, n) },
		Watch: func(keep func(*call.Record) bool) (Feed, *wire.Error) {
			if f.keep = keep; f.rows == nil {
				return nil, wire.Errorf(503, "too_many_watchers", "too many")
			}
			return f, nil
		},
	}}
}

// view asks for path and reads the answer line by line.
func (f *feed) view(t *testing.T, s *Server, path string) *bufio.Scanner {
	t.Helper()
	here, there := net.Pipe()
	ln := &oneConn{conns: make(chan net.Conn, 1), closed: make(chan struct{})}
	ln.conns <- there
	go func() { _ = s.Serve(ln) }()
	t.Cleanup(func() {
		here.Close()
		_ = s.Stop(t.Context())
	})
	req := httptest.NewRequest("GET", path, nil)
	req.Header.Set("Authorization", "Bearer "+token)
	go func() { _ = req.Write(here) }()
	resp, err := http.ReadResponse(bufio.NewReader(here), req)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("the answer is %s of type %s", resp.Status, resp.Header.Get("Content-Type"))
	}
	return bufio.NewScanner(resp.Body)
}

// oneConn is a listener with the connections that it is given.
type oneConn struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *oneConn) Close() error {
	select {
	case <-l.closed:
	default:
		close(l.closed)
	}
	return nil
}

func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// next is the next event: its lines up to an empty one.
func next(t *testing.T, lines *bufio.Scanner) string {
	t.Helper()
	var all []string
	for lines.Scan() {
		if lines.Text() == "" {
			return strings.Join(all, "\n")
		}
		all = append(all, lines.Text())
	}
	return strings.Join(append(all, "END"), "\n")
}

func TestLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		s, err := New(f.options())
		if err != nil {
			t.Fatal(err)
		}
		lines := f.view(t, s, "/admin/live")
		if got := next(t, lines); got != ": node " {
			t.Errorf("it begins with %q", got)
		}
		f.rows <- &call.LedgerRow{ID: 5, KeyName: "web", Status: 200, Cost: 1_500_000}
		got := next(t, lines)
		data, ok := strings.CutPrefix(got, "event: request\ndata: ")
		var row struct {
			ID   string  `json:"id"`
			Key  string  `json:"key"`
			Cost float64 `json:"cost_usd"`
		}
		if err := json.Unmarshal([]byte(data), &row); !ok || err != nil || row.ID != call.ID(5).String() || row.Key != "web" || row.Cost != 0.0015 {
			t.Errorf("a request is told as %q: %v", got, err)
		}
		f.lost.Store(3)
		f.seconds <- call.Passed{From: time.Unix(1_790_000_000, 0), Requests: 2, Input: 3, Output: 4, Cost: 1e9, P50: 1500 * time.Microsecond, P95: time.Second, Running: 1}
		if got := next(t, lines); got != "event: lost\ndata: {\"requests\":3}" {
			t.Errorf("who was slow hears %q", got)
		}
		want := `event: second` + "\n" + `data: {"time":"2026-09-21T14:13:20Z","requests":2,"errors":0,"refused":0,"cached":0,"tokens":7,"cost_usd":1,"p50_ms":1.5,"p95_ms":1000,"running":1}`
		if got := next(t, lines); got != want {
			t.Errorf("a second is told as\n%s; want\n%s", got, want)
		}
		for range 5 { // longer than requests may take to arrive
			before := time.Now()
			if got := next(t, lines); got != ": alive" || time.Since(before) != keepAlive {
				t.Errorf("after %s of silence it says %q", time.Since(before), got)
			}
		}
		close(f.ended)
		if got := next(t, lines); got != "END" {
			t.Errorf("after the end it says %q", got)
		}
		<-f.closed
	})
}

func TestLiveEndsWithTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		s, err := New(f.options())
		if err != nil {
			t.Fatal(err)
		}
		lines := f.view(t, s, "/admin/live")
		next(t, lines)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		stopped := make(chan error, 1)
		go func() { stopped <- s.Stop(ctx) }()
		if got := next(t, lines); got != "END" {
			t.Errorf("at the end it says %q", got)
		}
		if err := <-stopped; err != nil {
			t.Errorf("who watches keeps the server from ending: %v", err)
		}
		<-f.closed
	})
}

func TestSlowViewersAreLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		s, err := New(f.options())
		if err != nil {
			t.Fatal(err)
		}
		next(t, f.view(t, s, "/admin/live"))
		began := time.Now()
		f.rows <- &call.LedgerRow{ID: 5} // nobody reads it
		<-f.closed
		if took := time.Since(began); took != slowest {
			t.Errorf("who reads nothing was left after %s", took)
		}
	})
}

func TestLiveFilters(t *testing.T) {
	f := func(query string, r call.Record, want bool) {
		t.Helper()
		q, err := liveQueryOf(httptest.NewRequest("GET", "/admin/live?"+query, nil))
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		keep := q.keep()
		if got := keep == nil || keep(&r); got != want {
			t.Errorf("%s keeps %+v: %v; want %v", query, r, got, want)
		}
	}
	r := call.Record{KeyID: "gw_1", KeyName: "web", Asked: "fast", Target: "demo/echo", Status: 200}
	bad := r
	bad.Status, bad.Class = 429, wire.ClassRateLimit
	broken := r
	broken.Class = wire.ClassServer // after it began
	f("", r, true)
	f("key=web", r, true)
	f("key=gw_1", r, true)
	f("key=other", r, false)
	f("key=other&key=web", r, true)
	f("model=fast", r, true)
	f("model=demo/echo", r, true)
	f("model=echo", r, false)
	f("status=200", r, true)
	f("status=2xx", r, true)
	f("status=4xx", r, false)
	f("status=429&status=5xx", bad, true)
	f("errors=true", r, false)
	f("errors=true", bad, true)
	f("errors=true", broken, true)
	f("errors=false", r, true)
	f("key=web&errors=1", bad, true)
	f("key=other&errors=1", bad, false)
	f("events=second", r, false)
	f("events=request", r, true)
	for _, query := range []string{"status=9xx", "status=20", "status=2x0", "errors=maybe", "events=minute", "colour=red"} {
		if _, err := liveQueryOf(httptest.NewRequest("GET", "/admin/live?"+query, nil)); err == nil {
			t.Errorf("%s must be refused", query)
		}
	}
}

func TestSeries(t *testing.T) {
	f := newFeed()
	s, err := New(f.options())
	if err != nil {
		t.Fatal(err)
	}
	ask := func(path string) (int, string) {
		req := httptest.NewRequest("GET", path, nil)
		req.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, req)
		return w.Code, w.Body.String()
	}
	one := `{"time":"0001-01-01T00:00:00Z","requests":0,"errors":0,"refused":0,"cached":0,"input_tokens":0,"output_tokens":0,"cost_usd":0,"p50_ms":0,"p95_ms":0,"overhead_p50_us":0}`
	if status, body := ask("/admin/series?minutes=1"); status != 200 || body != `{"minutes":[`+one+`],"node":"","since":"2026-09-21T14:13:20Z"}`+"\n" {
		t.Errorf("one minute is %d %s", status, body)
	}
	for _, bad := range []string{"minutes=0", "minutes=1441", "minutes=x", "hours=1"} {
		if status, body := ask("/admin/series?" + bad); status != 400 {
			t.Errorf("%s is %d %s", bad, status, body)
		}
	}
	f.rows = nil
	if status, body := ask("/admin/live"); status != 503 || !strings.Contains(body, "too_many_watchers") {
		t.Errorf("one too many is %d %s", status, body)
	}
}
