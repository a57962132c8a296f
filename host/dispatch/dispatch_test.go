package dispatch_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/dispatch"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func TestUpstreamSeesOnlyWhatItShould(t *testing.T) {
	r := newRig(t, dispatch.Options{})
	var got string
	var head http.Header
	r.target("a", func(w http.ResponseWriter, req *http.Request) {
		b, _ := io.ReadAll(req.Body)
		got, head = string(b), req.Header.Clone()
		answer(w, req)
	}, func(e *call.Endpoint, _ *call.Provider) {
		e.PassHeaders = []string{"openai-beta", "anthropic-version"}
		e.Headers = append(e.Headers, call.HeaderTemplate{Name: "Anthropic-Version", Prefix: "old"}, call.HeaderTemplate{Name: "OpenAI-Beta", Prefix: "default"})
	})
	c := r.call(jsonCall)
	c.Header = headers{"authorization": "Bearer sb-caller", "x-api-key": "sb-caller", "cookie": "s=1", "openai-beta": "x"}
	c.Decision = &call.Decision{Allow: true, MaxTokens: 9}
	body, err, _ := r.do(c)
	if err != nil || body != jsonAnswer {
		t.Fatalf("Do = %q, %v", body, err)
	}
	if want := `{"model":"m-a","messages":[{"role":"user","content":"hi"}],"max_tokens":9}`; got != want {
		t.Errorf("upstream got body %s, want %s", got, want)
	}
	if head.Get("Authorization") != "Bearer sk-a" || head.Get("X-Api-Key") != "" || head.Get("Cookie") != "" || strings.Join(head["Openai-Beta"], ",") != "x" || strings.Join(head["Anthropic-Version"], ",") != "old" {
		t.Errorf("upstream got headers %v", head)
	}
	if c.Usage != (wire.Usage{Input: 7, Output: 3}) || c.Provenance != call.CostComputed || len(c.Attempts) != 1 {
		t.Errorf("usage %+v, provenance %s, attempts %d", c.Usage, c.Provenance, len(c.Attempts))
	}
}

// TestFallbackByClass is the table of what a failure leads to.
func TestFallbackByClass(t *testing.T) {
	f := func(name string, first http.HandlerFunc, wantStatus int, wantCalls, wantAttempts int) {
		t.Helper()
		r := newRig(t, dispatch.Options{})
		var second atomic.Int32
		r.target("a", first)
		r.target("b", func(w http.ResponseWriter, req *http.Request) { second.Add(1); answer(w, req) })
		c := r.call(jsonCall)
		_, err, _ := r.do(c)
		got := 200
		if err != nil {
			got = err.Status
		}
		if got != wantStatus || int(second.Load()) != wantCalls || len(c.Attempts) != wantAttempts {
			t.Errorf("%s: status %d (%v), second target called %d times, %d attempts; want %d, %d, %d",
				name, got, err, second.Load(), len(c.Attempts), wantStatus, wantCalls, wantAttempts)
		}
	}
	f("500 goes on", status(500, `{}`), 200, 1, 2)
	f("503 goes on", status(503, `{}`), 200, 1, 2)
	f("529 goes on", status(529, `{}`), 200, 1, 2)
	f("408 goes on", status(408, `{}`), 200, 1, 2)
	f("429 goes on", status(429, `{}`, "Retry-After", "30"), 200, 1, 2)
	f("context length goes on", status(400, `{"error":{"code":"context_length_exceeded","message":"x"}}`), 200, 1, 2)
	f("unknown model goes on", status(404, `{"error":{"code":"model_not_found","message":"x"}}`), 200, 1, 2)
	f("quota goes on", status(429, `{"error":{"code":"insufficient_quota","message":"x"}}`), 200, 1, 2)
	f("400 ends", status(400, `{"error":{"message":"bad temperature"}}`), 400, 0, 1)
	f("422 ends", status(422, `{"error":{"message":"bad"}}`), 422, 0, 1)
	f("401 never falls through", status(401, `{"error":{"message":"bad key"}}`), 502, 0, 1)
	f("403 never falls through", status(403, `{"error":{"message":"no"}}`), 502, 0, 1)
	f("broken connection goes on", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 200, 1, 2)
	f("short body goes on", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "500")
		_, _ = io.WriteString(w, "{")
	}, 200, 1, 2)
}

func TestUpstreamsOwnErrorReachesTheCaller(t *testing.T) {
	r := newRig(t, dispatch.Options{})
	const body = `{"error":{"message":"temperature must be below 2","type":"invalid_request_error","param":"temperature","code":null}}`
	r.target("a", status(400, body))
	got, err, _ := r.do(r.call(jsonCall))
	if got != body || err == nil || err.Status != 400 || err.Class != wire.ClassInvalid {
		t.Errorf("Do = %q, %v", got, err)
	}
}

func TestAttemptBudgetSpansAllTargets(t *testing.T) {
	r := newRig(t, dispatch.Options{Attempts: 3})
	var calls atomic.Int32
	for _, name := range []string{"a", "b"} {
		r.target(name, func(w http.ResponseWriter, req *http.Request) { calls.Add(1); status(500, `{}`)(w, req) })
	}
	c := r.call(jsonCall)
	_, err, _ := r.do(c)
	if err == nil || err.Status != 502 || calls.Load() != 3 || len(c.Attempts) != 3 || r.account.covered != 3 {
		t.Errorf("got %v after %d upstream calls, %d attempts, %d covered; want 502 after 3", err, calls.Load(), len(c.Attempts), r.account.covered)
	}
	if !strings.Contains(err.Message, "a/m: server (500)") || !strings.Contains(err.Message, "b/m: server (500)") {
		t.Errorf("message does not list the attempts: %s", err.Message)
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	r := newRig(t, dispatch.Options{MaxWait: time.Second})
	r.target("a", status(429, `{}`, "Retry-After", "7"))
	c := r.call(jsonCall)
	_, err, _ := r.do(c)
	if err == nil || err.Status != 429 || err.RetryAfter != 7*time.Second || len(c.Attempts) != 1 {
		t.Errorf("got %v after %d attempts, want 429 with Retry-After 7 s at once: the wait exceeds the longest allowed", err, len(c.Attempts))
	}
}

func TestRefusedCredentialIsBenchedAndTheNextOneTried(t *testing.T) {
	r := newRig(t, dispatch.Options{})
	var seen []string
	tgt := r.target("a", func(w http.ResponseWriter, req *http.Request) {
		key := req.Header.Get("Authorization")
		seen = append(seen, key)
		if key != "Bearer good" {
			status(401, `{"error":{"message":"bad key"}}`)(w, req)
			return
		}
		answer(w, req)
	}, func(_ *call.Endpoint, p *call.Provider) {
		p.Credentials = []*call.Credential{{Name: "one", Value: "bad"}, {Name: "two", Value: "good"}}
	})
	for range 2 {
		if _, err, _ := r.do(r.call(jsonCall)); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(seen, ","); got != "Bearer bad,Bearer good,Bearer good" {
		t.Errorf("upstream saw %s", got)
	}
	if tgt.Provider.Credentials[0].BenchedUntil.Load() == 0 {
		t.Error("the refused credential is not benched")
	}
}

func TestStaleConnectionsLoseNothing(t *testing.T) {
	r := newRig(t, dispatch.Options{Attempts: 1})
	srv := &http.Server{Handler: http.HandlerFunc(answer), IdleTimeout: time.Nanosecond}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	r.target("a", answer, func(e *call.Endpoint, _ *call.Provider) { e.Addr = ln.Addr().String() })
	for i := range 20 {
		if _, err, _ := r.do(r.call(jsonCall)); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
	}
}

func TestAddressesAreCheckedWhenDialled(t *testing.T) {
	r := newRig(t, dispatch.Options{})
	var asked atomic.Int32
	r.target("a", answer, func(e *call.Endpoint, _ *call.Provider) {
		e.AllowIP = func([16]byte) bool { asked.Add(1); return false }
	})
	_, err, _ := r.do(r.call(jsonCall))
	if err == nil || err.Code != "address_not_allowed" || asked.Load() == 0 || r.account.sent != 0 {
		t.Errorf("got %v, asked %d times, sent %d", err, asked.Load(), r.account.sent)
	}
}

func TestLeavingCallerEndsTheUpstreamRequest(t *testing.T) {
	r := newRig(t, dispatch.Options{})
	begun, ended := make(chan struct{}), make(chan struct{})
	r.target("a", func(_ http.ResponseWriter, req *http.Request) {
		_, _ = io.ReadAll(req.Body)
		close(begun)
		<-req.Context().Done()
		close(ended)
	})
	c := r.call(jsonCall)
	go func() { <-begun; c.Gone.Leave() }()
	_, err, _ := r.do(c)
	if err == nil || err.Status != 499 || len(c.Attempts) != 1 {
		t.Errorf("got %v after %d attempts, want 499 after one", err, len(c.Attempts))
	}
	<-ended
}

func TestFirstByteTimeoutGoesOn(t *testing.T) {
	r := newRig(t, dispatch.Options{Timeouts: call.Timeouts{FirstByte: 20 * time.Millisecond}})
	r.target("a", func(_ http.ResponseWriter, req *http.Request) { _, _ = io.ReadAll(req.Body); <-req.Context().Done() })
	r.target("b", answer)
	c := r.call(jsonCall)
	if _, err, _ := r.do(c); err != nil || c.Attempts[0].Class != wire.ClassTimeout || c.Attempts[0].Cost != 10 {
		t.Errorf("got %v, attempts %+v; want the first to time out at its bound", err, c.Attempts)
	}
}

func TestRestartingAdapterIsWaitedFor(t *testing.T) {
	r := newRig(t, dispatch.Options{})
	tgt := r.target("a", answer)
	ep := tgt.Provider.Endpoint(wire.OpChat, wire.OpenAIChat)
	tgt.Provider.Publish(&call.Endpoints{Restarting: true})
	go tgt.Provider.Publish(call.NewEndpoints([]*call.Endpoint{ep}))
	if _, err, _ := r.do(r.call(jsonCall)); err != nil {
		t.Error(err)
	}
}

func TestUncoveredAttemptIsNotMade(t *testing.T) {
	r := newRig(t, dispatch.Options{})
	r.target("a", answer)
	r.account.refuse = wire.Errorf(402, "budget_exceeded", "x")
	if _, err, _ := r.do(r.call(jsonCall)); err == nil || err.Status != 402 || r.account.sent != 0 {
		t.Errorf("got %v, sent %d", err, r.account.sent)
	}
}
