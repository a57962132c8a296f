package dispatch_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/dispatch"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func wantsUsage(e *call.Endpoint, _ *call.Provider) { e.StreamUsage = true }

func TestStreamPassesWholeEventsAndTellsTheCost(t *testing.T) {
	r := newRig(t, dispatch.Options{})
	var got string
	r.target("a", func(w http.ResponseWriter, req *http.Request) {
		b, _ := io.ReadAll(req.Body)
		got = string(b)
		events(delta("a"), delta("b")[:30], delta("b")[30:], finish, usage, doneEvent)(w, req)
	}, wantsUsage)
	c := r.call(streamCall)
	out, err, werr := r.do(c)
	if err != nil || werr != nil {
		t.Fatal(err, werr)
	}
	if !strings.Contains(got, `"stream_options":{"include_usage":true}`) {
		t.Errorf("usage was not asked for: %s", got)
	}
	before, comment, found := strings.Cut(out, ": signalbox ")
	if !found || before != delta("a")+delta("b")+finish || !strings.HasSuffix(comment, "}\n\n"+doneEvent) {
		t.Errorf("caller got %q", out)
	}
	if !strings.Contains(comment, `"cost_usd":0.0015`) {
		t.Errorf("comment does not tell the cost: %s", comment)
	}
	if c.Usage != (wire.Usage{Input: 7, Output: 2}) || r.account.finished != 1 || c.Err != nil {
		t.Errorf("usage %+v, finished %d times, err %v", c.Usage, r.account.finished, c.Err)
	}
}

func TestStreamKeepsUsageForCallersWhoAsk(t *testing.T) {
	r := newRig(t, dispatch.Options{})
	r.target("a", events(delta("a"), finish, usage, doneEvent), wantsUsage)
	out, _, werr := r.do(r.call(`{"model":"fast","stream":true,"stream_options":{"include_usage":true}}`))
	if werr != nil || !strings.Contains(out, usage) {
		t.Errorf("caller got %q, %v", out, werr)
	}
}

func TestStreamFailsOverUntilTheFirstEvent(t *testing.T) {
	f := func(name string, first http.HandlerFunc) {
		t.Helper()
		r := newRig(t, dispatch.Options{Timeouts: call.Timeouts{FirstByte: 200 * time.Millisecond}})
		r.target("a", first)
		r.target("b", events(delta("b"), finish, doneEvent))
		c := r.call(streamCall)
		out, err, werr := r.do(c)
		if err != nil || werr != nil || !strings.HasPrefix(out, delta("b")) || len(c.Attempts) != 2 {
			t.Errorf("%s: %q, %v, %v, %d attempts", name, out, err, werr, len(c.Attempts))
		}
	}
	f("cut before the first event", events(delta("a")[:20], "CUT"))
	f("clean end without an event", events())
	f("only keep-alives, then cut", events(": ping\n\n", "CUT"))
	f("silence", events("HANG"))
	f("error as the first event", events(`data: {"error":{"message":"overloaded","type":"overloaded_error"}}`+"\n\n", doneEvent))
	f("500", status(500, `{}`))
}

// TestCutStreamNeverLooksWhole: whatever ends it early, the caller gets an
// error event and a broken connection, and the call is accounted for once.
func TestCutStreamNeverLooksWhole(t *testing.T) {
	f := func(name, wantCode string, h http.HandlerFunc) {
		t.Helper()
		r := newRig(t, dispatch.Options{Timeouts: call.Timeouts{Idle: 50 * time.Millisecond, FirstByte: 5 * time.Second}})
		r.target("a", h)
		r.target("b", events(delta("b"), finish, doneEvent))
		c := r.call(streamCall)
		out, err, werr := r.do(c)
		if err != nil || werr == nil {
			t.Errorf("%s: Do = %v, WriteTo = %v; want an error from WriteTo", name, err, werr)
		}
		if strings.Contains(out, "[DONE]") || strings.Contains(out, delta("b")) {
			t.Errorf("%s: caller got %q", name, out)
		}
		last := out[strings.LastIndex(strings.TrimSuffix(out, "\n\n"), "\n\n")+2:]
		if !strings.HasPrefix(last, `data: {"error":{`) || !strings.Contains(last, wantCode) {
			t.Errorf("%s: the last event is %q, want an error with %s", name, last, wantCode)
		}
		if r.account.finished != 1 || c.Err == nil {
			t.Errorf("%s: finished %d times with %v", name, r.account.finished, c.Err)
		}
	}
	f("connection cut", "stream_interrupted", events(delta("a"), "CUT"))
	f("cut within an event", "stream_interrupted", events(delta("a"), delta("b")[:25], "CUT"))
	f("clean HTTP end without the dialect's", "stream_interrupted", events(delta("a")))
	f("silence", "stream_timeout", events(delta("a"), "HANG"))
	f("upstream's own error", "boom", events(delta("a"), `data: {"error":{"message":"x","code":"boom"}}`+"\n\n"))
}

func TestLeavingCallerEndsTheStream(t *testing.T) {
	r := newRig(t, dispatch.Options{})
	ended := make(chan struct{})
	r.target("a", func(w http.ResponseWriter, req *http.Request) {
		events(delta("a"), "HANG")(w, req)
		close(ended)
	})
	c := r.call(streamCall)
	ans, err := r.d.Do(c)
	if err != nil {
		t.Fatal(err)
	}
	_, werr := ans.Stream.WriteTo(leaver{c})
	_ = ans.Stream.Close()
	<-ended
	if werr == nil || r.account.finished != 1 || c.Err == nil || c.Err.Status != 499 {
		t.Errorf("WriteTo = %v, finished %d, err %v", werr, r.account.finished, c.Err)
	}
}

// leaver is a caller who leaves after the first event.
type leaver struct{ c *call.Call }

func (l leaver) Write(p []byte) (int, error) { l.c.Gone.Leave(); return len(p), nil }

func TestBurstIsCoalesced(t *testing.T) {
	r := newRig(t, dispatch.Options{})
	burst := strings.Repeat(delta("some words"), 50) + finish + doneEvent
	r.target("a", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, burst)
	})
	c := r.call(streamCall)
	ans, err := r.d.Do(c)
	if err != nil {
		t.Fatal(err)
	}
	var w counter
	_, werr := ans.Stream.WriteTo(&w)
	_ = ans.Stream.Close()
	if werr != nil || w.writes > 8 {
		t.Errorf("50 events that were there at once took %d writes (%v)", w.writes, werr)
	}
}

type counter struct {
	bytes.Buffer
	writes int
}

func (c *counter) Write(p []byte) (int, error) { c.writes++; return c.Buffer.Write(p) }

// TestAnyChunkingGivesTheSameBytes: wherever the network cuts the upstream's
// bytes, the caller gets what was sent.
func TestAnyChunkingGivesTheSameBytes(t *testing.T) {
	var sent strings.Builder
	for i := range 12 {
		sent.WriteString(delta(strings.Repeat("x", i*3)))
	}
	sent.WriteString(finish)
	for _, size := range []int{1, 7, 64, 100, 150, 333, 1000} {
		r := newRig(t, dispatch.Options{})
		r.target("a", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			for rest := sent.String() + usage + doneEvent; rest != ""; {
				n := min(size, len(rest))
				_, _ = io.WriteString(w, rest[:n])
				w.(http.Flusher).Flush()
				rest = rest[n:]
			}
		}, wantsUsage)
		out, err, werr := r.do(r.call(streamCall))
		before, _, found := strings.Cut(out, ": signalbox ")
		if err != nil || werr != nil || !found || before != sent.String() {
			t.Errorf("pieces of %d bytes: %v, %v, caller got %q", size, err, werr, out)
		}
	}
}
