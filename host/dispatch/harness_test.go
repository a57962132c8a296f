package dispatch_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/dispatch"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ledger is an account that remembers.
type ledger struct {
	mu       sync.Mutex
	sent     int
	covered  int
	finished int
	refuse   *wire.Error
	stored   []string
}

func (l *ledger) Cover(*call.Call, call.Bound) *wire.Error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.covered++
	return l.refuse
}

func (l *ledger) Sent(*call.Call) { l.mu.Lock(); l.sent++; l.mu.Unlock() }

func (l *ledger) Finish(c *call.Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.finished++
	c.Cost = 1_500_000
}

// rig is a dispatcher with targets at upstreams that the test scripts.
type rig struct {
	t       *testing.T
	account ledger
	d       *dispatch.Dispatcher
	targets []*call.Target
}

func newRig(t *testing.T, opt dispatch.Options) *rig {
	r := &rig{t: t}
	opt.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	if opt.Backoff == 0 {
		opt.Backoff = time.Millisecond
	}
	r.d = dispatch.New(opt, &r.account)
	return r
}

type shape func(*call.Endpoint, *call.Provider)

// target adds a target served by h.
func (r *rig) target(name string, h http.HandlerFunc, shapes ...shape) *call.Target {
	srv := httptest.NewServer(h)
	addr := strings.TrimPrefix(srv.URL, "http://")
	ep := &call.Endpoint{
		Op: wire.OpChat, Dialect: wire.OpenAIChat, Network: "tcp", Addr: addr, Host: addr, Path: "/v1/chat/completions",
		Headers: []call.HeaderTemplate{{Name: "Authorization", Prefix: "Bearer ", Credential: true}},
	}
	p := &call.Provider{Name: name, Credentials: []*call.Credential{{Name: "main", Value: "sk-" + name}}}
	for _, s := range shapes {
		s(ep, p)
	}
	ep.Transport = dispatch.NewTransport(ep)
	p.Publish(call.NewEndpoints([]*call.Endpoint{ep}))
	tgt := &call.Target{Name: name + "/m", Provider: p, Model: "m-" + name, State: call.NewTargetState()}
	r.targets = append(r.targets, tgt)
	r.t.Cleanup(func() { ep.Transport.Close(); srv.CloseClientConnections(); srv.Close() })
	return tgt
}

type headers map[string]string

func (h headers) Peek(name string) []byte { return []byte(h[strings.ToLower(name)]) }

// call makes a call over all targets, in order.
func (r *rig) call(body string) *call.Call {
	c := &call.Call{Received: time.Now(), Op: wire.OpChat, Dialect: wire.OpenAIChat, Body: []byte(body), Header: headers{}}
	if err := scan.Request(&c.Facts, c.Body); err != nil {
		r.t.Fatal(err)
	}
	for i, t := range r.targets {
		c.Candidates = append(c.Candidates, call.Candidate{Target: t, Bound: 10})
		c.Plan.Attempts[i] = call.PlannedAttempt{Index: uint8(i)}
	}
	c.Plan.N = len(r.targets)
	return c
}

// do sends body and returns the answer, streamed or not, as text.
func (r *rig) do(c *call.Call) (string, *wire.Error, error) {
	ans, err := r.d.Do(c)
	if err != nil || ans.Stream == nil {
		return string(ans.Body), err, nil
	}
	var out bytes.Buffer
	_, werr := ans.Stream.WriteTo(&out)
	if cerr := ans.Stream.Close(); cerr != nil {
		r.t.Error(cerr)
	}
	return out.String(), nil, werr
}

const (
	jsonCall   = `{"model":"fast","messages":[{"role":"user","content":"hi"}]}`
	streamCall = `{"model":"fast","stream":true,"messages":[{"role":"user","content":"hi"}]}`
	jsonAnswer = `{"id":"x","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}`
)

func answer(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, jsonAnswer)
}

func status(code int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

// events answers with the given events, each flushed; then it ends cleanly, or
// cuts the connection when the last of them is "CUT", or hangs on "HANG".
func events(list ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(200)
		more(list...)(w, r)
	}
}

// more is events of an answer that has begun.
func more(list ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for _, e := range list {
			switch e {
			case "CUT":
				panic(http.ErrAbortHandler)
			case "HANG":
				w.(http.Flusher).Flush()
				<-r.Context().Done()
				return
			}
			_, _ = io.WriteString(w, e)
			w.(http.Flusher).Flush()
		}
	}
}

func delta(text string) string {
	return `data: {"id":"x","choices":[{"index":0,"delta":{"content":"` + text + `"},"finish_reason":null}]}` + "\n\n"
}

const (
	finish    = `data: {"id":"x","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n"
	usage     = `data: {"id":"x","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9}}` + "\n\n"
	doneEvent = "data: [DONE]\n\n"
)
