package dispatch_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/dispatch"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// raw is a target whose every request is answered by respond, byte for byte;
// n counts requests from 1. Returning false closes the connection.
func (r *rig) raw(name string, respond func(nc net.Conn, n int) bool, shapes ...shape) *call.Target {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	var requests atomic.Int64
	var running sync.WaitGroup
	serve := func(nc net.Conn) {
		defer running.Done()
		defer nc.Close()
		br := bufio.NewReader(nc)
		for {
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			if _, err := io.Copy(io.Discard, req.Body); err != nil || !respond(nc, int(requests.Add(1))) {
				return
			}
		}
	}
	running.Add(1)
	go func() {
		defer running.Done()
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			running.Add(1)
			go serve(nc)
		}
	}()
	tgt := r.target(name, answer, append(shapes, func(e *call.Endpoint, _ *call.Provider) { e.Addr = ln.Addr().String() })...)
	tr := tgt.Provider.Endpoint(wire.OpChat, wire.OpenAIChat).Transport
	r.t.Cleanup(func() { tr.Close(); _ = ln.Close(); running.Wait() })
	return tgt
}

func say(nc net.Conn, text string) { _, _ = io.WriteString(nc, text) }

func whole(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

const eventHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

func chunk(s string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s) }

// TestEventsBrokenAnywhereArriveUnchanged: the part of an event that has
// arrived behind whole ones must not disturb them.
func TestEventsBrokenAnywhereArriveUnchanged(t *testing.T) {
	var want strings.Builder
	for i := range 500 {
		want.WriteString(delta(fmt.Sprint(strings.Repeat("word ", i%30), i)))
	}
	want.WriteString(finish)
	for _, ending := range []string{"\n", "\r\n"} {
		text := strings.ReplaceAll(want.String(), "\n", ending)
		r := newRig(t, dispatch.Options{})
		r.raw("a", func(nc net.Conn, _ int) bool {
			say(nc, eventHead+chunk(text)+chunk(doneEvent)+"0\r\n\r\n")
			return true
		})
		out, err, werr := r.do(r.call(streamCall))
		if err != nil || werr != nil {
			t.Fatal(err, werr)
		}
		if got, _, _ := strings.Cut(out, ": signalbox"); got != text {
			t.Errorf("caller got %d other bytes of %d", len(got), len(text))
		}
	}
}

func TestBytesBehindAnAnswerNeverReachTheNextCall(t *testing.T) {
	r := newRig(t, dispatch.Options{Attempts: 1})
	foreign := whole(`{"foreign":true}`)
	r.raw("a", func(nc net.Conn, n int) bool {
		say(nc, whole(jsonAnswer)+foreign)
		return true
	})
	for i := range 3 {
		if body, err, _ := r.do(r.call(jsonCall)); err != nil || body != jsonAnswer {
			t.Fatalf("request %d: %q, %v", i, body, err)
		}
	}
}

func TestInformationalAndEmptyAnswers(t *testing.T) {
	f := func(name, answer string, wantStatus int, want string) {
		t.Helper()
		r := newRig(t, dispatch.Options{Attempts: 1, Timeouts: call.Timeouts{Idle: time.Second, FirstByte: time.Second}})
		r.raw("a", func(nc net.Conn, _ int) bool { say(nc, answer); return true })
		ans, err := r.d.Do(r.call(jsonCall))
		status := ans.Status
		if err != nil {
			status = err.Status
		}
		if status != wantStatus || string(ans.Body) != want {
			t.Errorf("%s: %d %q, %v; want %d %q", name, status, ans.Body, err, wantStatus, want)
		}
	}
	f("early hints", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"+whole(jsonAnswer), 200, jsonAnswer)
	f("continue", "HTTP/1.1 100 Continue\r\n\r\n"+whole(jsonAnswer), 200, jsonAnswer)
	f("endless continue", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 100)+whole(jsonAnswer), 502, "")
	f("no content", "HTTP/1.1 204 No Content\r\n\r\n", 204, "")
	f("not modified", "HTTP/1.1 304 Not Modified\r\n\r\n", 502, "")
	f("redirect", "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", 502, "")
}

func TestAnswerThatEndsWithItsConnectionMustBeWhole(t *testing.T) {
	head := "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: "
	f := func(name, answer string, stream, wantWhole bool) {
		t.Helper()
		r := newRig(t, dispatch.Options{Attempts: 1})
		r.raw("a", func(nc net.Conn, _ int) bool { say(nc, answer); return false })
		body := jsonCall
		if stream {
			body = streamCall
		}
		_, err, werr := r.do(r.call(body))
		if got := err == nil && werr == nil; got != wantWhole {
			t.Errorf("%s: %v, %v; want whole %t", name, err, werr, wantWhole)
		}
	}
	f("JSON", head+"application/json\r\n\r\n"+jsonAnswer, false, true)
	f("cut JSON", head+"application/json\r\n\r\n"+jsonAnswer[:80], false, false)
	f("events", head+"text/event-stream\r\n\r\n"+delta("a")+finish+doneEvent, true, true)
	f("cut events", head+"text/event-stream\r\n\r\n"+delta("a")+finish, true, false)
}

// TestCallerWhoLeftBeforeAnythingWasSentPaysNothing: the bound is for what an
// upstream may have done.
func TestCallerWhoLeftBeforeAnythingWasSentPaysNothing(t *testing.T) {
	r := newRig(t, dispatch.Options{})
	var calls atomic.Int32
	r.target("a", func(w http.ResponseWriter, req *http.Request) { calls.Add(1); answer(w, req) })
	if _, err, _ := r.do(r.call(jsonCall)); err != nil { // a connection stands
		t.Fatal(err)
	}
	c := r.call(jsonCall)
	c.Gone.Leave()
	_, err, _ := r.do(c)
	if err == nil || err.Status != 499 || calls.Load() != 1 {
		t.Fatalf("got %v, %d upstream calls", err, calls.Load())
	}
	for _, a := range c.Attempts {
		if a.Cost != 0 {
			t.Errorf("charged %d for a request that never left", a.Cost)
		}
	}
}

// TestOneAttemptIsSentTwiceAtMost: once on a kept connection that proves to be
// dead, and then on a fresh one.
func TestOneAttemptIsSentTwiceAtMost(t *testing.T) {
	r := newRig(t, dispatch.Options{Attempts: 1})
	const kept = 8
	var together sync.WaitGroup
	together.Add(kept)
	var later atomic.Int32
	r.raw("a", func(nc net.Conn, n int) bool {
		if n <= kept {
			together.Done()
			together.Wait()
			say(nc, whole(jsonAnswer))
			return true
		}
		later.Add(1)
		return false // the request is taken and the connection closed
	})
	var callers sync.WaitGroup
	for range kept {
		c := r.call(jsonCall)
		callers.Go(func() { _, _, _ = r.do(c) })
	}
	callers.Wait()
	c := r.call(jsonCall)
	if _, err, _ := r.do(c); err == nil || later.Load() > 2 || c.Attempts[0].Cost == 0 {
		t.Errorf("got %v after the request was sent %d times, attempts %+v", err, later.Load(), c.Attempts)
	}
}

func TestHalfAHeadIsNotAStaleConnection(t *testing.T) {
	r := newRig(t, dispatch.Options{Attempts: 1})
	var calls atomic.Int32
	r.raw("a", func(nc net.Conn, n int) bool {
		calls.Add(1)
		if n == 2 {
			say(nc, "HTTP/1.1 200 OK\r\nContent-")
			return false
		}
		say(nc, whole(jsonAnswer))
		return true
	})
	if _, err, _ := r.do(r.call(jsonCall)); err != nil {
		t.Fatal(err)
	}
	c := r.call(jsonCall)
	if _, err, _ := r.do(c); err == nil || calls.Load() != 2 || c.Attempts[0].Cost == 0 {
		t.Errorf("got %v after %d requests, attempts %+v; want the attempt to fail at its bound", err, calls.Load(), c.Attempts)
	}
}

func TestRefusalWhoseBodyBreaksOffKeepsItsStatus(t *testing.T) {
	r := newRig(t, dispatch.Options{Attempts: 1})
	tgt := r.raw("a", func(nc net.Conn, _ int) bool {
		say(nc, "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"error\":")
		return false
	})
	c := r.call(jsonCall)
	_, err, _ := r.do(c)
	if err == nil || err.Code != "provider_credentials" || c.Attempts[0].Cost != 0 || tgt.Provider.Credentials[0].BenchedUntil.Load() == 0 {
		t.Errorf("got %v, attempts %+v", err, c.Attempts)
	}
}

func TestNothingFollowsAnErrorEvent(t *testing.T) {
	r := newRig(t, dispatch.Options{})
	r.raw("a", func(nc net.Conn, _ int) bool {
		say(nc, eventHead+chunk(delta("a")))
		say(nc, chunk(`data: {"error":{"message":"x","code":"boom"}}`+"\n\n"+doneEvent)+"0\r\n\r\n")
		return true
	})
	c := r.call(streamCall)
	out, _, werr := r.do(c)
	if werr == nil || strings.Contains(out, "[DONE]") || c.Err == nil || !strings.Contains(out, "boom") {
		t.Errorf("caller got %q, %v; the record says %v", out, werr, c.Err)
	}
}

// TestStreamEndsWithItsLastEvent: what an upstream does with its connection
// after the dialect's last event takes nothing back.
func TestStreamEndsWithItsLastEvent(t *testing.T) {
	f := func(name, tail string, keep bool) {
		t.Helper()
		r := newRig(t, dispatch.Options{})
		hold := make(chan struct{})
		defer close(hold)
		r.raw("a", func(nc net.Conn, _ int) bool {
			say(nc, eventHead+chunk(delta("a"))+chunk(finish+doneEvent)+tail)
			if keep {
				<-hold
			}
			return false
		})
		c := r.call(streamCall)
		ctx := time.AfterFunc(20*time.Second, func() { c.Gone.Leave() })
		out, _, werr := r.do(c)
		if !ctx.Stop() || werr != nil || !strings.HasSuffix(out, doneEvent) || c.Err != nil {
			t.Errorf("%s: caller got %q, %v; the record says %v", name, out, werr, c.Err)
		}
	}
	f("cut", "", false)
	f("malformed", "xyz\r\n", false)
	f("kept open", "", true)
}

// TestPartOfAnAnthropicStreamIsNotBilledAsTheWhole: message_start reports the
// prompt and a token or so of the answer.
func TestPartOfAnAnthropicStreamIsNotBilledAsTheWhole(t *testing.T) {
	r := newRig(t, dispatch.Options{})
	begin := "event: message_start\n" + `data: {"type":"message_start","message":{"usage":{"input_tokens":7,"output_tokens":1}}}` + "\n\n"
	part := "event: content_block_delta\n" + `data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}` + "\n\n"
	r.target("a", events(begin, strings.Repeat(part, 40), "CUT"), func(e *call.Endpoint, _ *call.Provider) { e.Dialect = wire.AnthropicMessages })
	c := r.call(streamCall)
	c.Dialect = wire.AnthropicMessages
	_, _, werr := r.do(c)
	if werr == nil || c.Provenance != call.CostEstimated || c.Usage.Input != 7 || c.Usage.Output < 40 {
		t.Errorf("WriteTo = %v, usage %+v, provenance %s; want an estimate of the 40 events", werr, c.Usage, c.Provenance)
	}
}

// TestHugeEventArrives: 8 MB in one event come in thousands of reads, each looked at once.
func TestHugeEventArrives(t *testing.T) {
	r := newRig(t, dispatch.Options{})
	huge := delta(strings.Repeat("x", 8<<20))
	r.target("a", events(delta("a"), huge, finish, doneEvent))
	out, err, werr := r.do(r.call(streamCall))
	if err != nil || werr != nil || !strings.HasPrefix(out, delta("a")+huge) {
		t.Errorf("caller got %d bytes, %v, %v", len(out), err, werr)
	}
}

func TestRetryAfterIsBounded(t *testing.T) {
	for _, h := range []string{"999999", "Fri, 31 Dec 9999 23:59:59 GMT"} {
		r := newRig(t, dispatch.Options{})
		tgt := r.target("a", status(429, `{}`, "Retry-After", h), func(_ *call.Endpoint, p *call.Provider) {
			p.Credentials = append(p.Credentials, &call.Credential{Name: "two", Value: "b"})
		})
		_, _, _ = r.do(r.call(jsonCall))
		limit := time.Now().Add(time.Hour + time.Minute).UnixMilli()
		if got := tgt.Provider.Credentials[0].CooldownUntil.Load(); got == 0 || got > limit {
			t.Errorf("Retry-After %s: the credential rests until %s", h, time.UnixMilli(got))
		}
		if now := time.Now().UnixMilli(); tgt.Resting(now) == 0 || now+tgt.Resting(now) > limit { // both are limited
			t.Errorf("Retry-After %s: the target rests for %d ms", h, tgt.Resting(now))
		}
	}
}

func TestLimitedCredentialGivesWayToTheNextOne(t *testing.T) {
	r := newRig(t, dispatch.Options{})
	r.target("a", func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Authorization") == "Bearer one" {
			status(429, `{}`, "Retry-After", "3000")(w, req)
			return
		}
		answer(w, req)
	}, func(_ *call.Endpoint, p *call.Provider) {
		p.Credentials = []*call.Credential{{Name: "one", Value: "one"}, {Name: "two", Value: "two"}}
	})
	if _, err, _ := r.do(r.call(jsonCall)); err != nil {
		t.Error(err)
	}
}

// TestRetryAfterHoldsInLaterRounds: a target that asked for more time than a
// call may wait is not asked again by it.
func TestRetryAfterHoldsInLaterRounds(t *testing.T) {
	r := newRig(t, dispatch.Options{Attempts: 4})
	var first, second atomic.Int32
	r.target("a", func(w http.ResponseWriter, req *http.Request) {
		first.Add(1)
		status(429, `{}`, "Retry-After", "60")(w, req)
	})
	r.target("b", func(w http.ResponseWriter, req *http.Request) {
		if second.Add(1) < 3 {
			status(500, `{}`)(w, req)
			return
		}
		answer(w, req)
	})
	_, err, _ := r.do(r.call(jsonCall))
	if err != nil || first.Load() != 1 || second.Load() != 3 {
		t.Errorf("got %v; the limited target was asked %d times, the other %d", err, first.Load(), second.Load())
	}
}

func TestCallersMistakesAreNotTheTargetsFaults(t *testing.T) {
	for _, body := range []string{`{"error":{"code":"context_length_exceeded","message":"x"}}`, `{"error":{"code":"content_filter","message":"x"}}`,
		`{"error":{"message":"bad temperature"}}`} {
		r := newRig(t, dispatch.Options{})
		tgt := r.target("a", status(400, body))
		_, _, _ = r.do(r.call(jsonCall))
		if rate := tgt.State.ErrorRate(); rate != 0 {
			t.Errorf("%s: error rate %g", body, rate)
		}
	}
}

func TestCallersMistakeInPlainTextIsStillTheCallers(t *testing.T) {
	r := newRig(t, dispatch.Options{})
	r.target("a", status(400, "Bad Request"))
	if _, err, _ := r.do(r.call(jsonCall)); err == nil || err.Status != 400 || err.Class != wire.ClassInvalid {
		t.Errorf("got %v, want 400", err)
	}
}

// TestProcessOnItsWayOutIsNotSpunOn: a request of an old generation whose
// adapter is gone for good fails.
func TestProcessOnItsWayOutIsNotSpunOn(t *testing.T) {
	r := newRig(t, dispatch.Options{Deadline: 300 * time.Millisecond})
	p := call.NewProcess()
	p.Retire()
	r.target("a", answer, func(e *call.Endpoint, _ *call.Provider) { e.Process = p })
	if _, err, _ := r.do(r.call(jsonCall)); err == nil || err.Status < 500 {
		t.Errorf("got %v", err)
	}
}

// TestCapReachesTheUpstream: whatever the caller wrote, the upstream reads no
// limit above the policy's, and no name twice.
func TestCapReachesTheUpstream(t *testing.T) {
	f := func(members, want string) {
		t.Helper()
		r := newRig(t, dispatch.Options{})
		var got string
		r.target("a", func(w http.ResponseWriter, req *http.Request) {
			b, _ := io.ReadAll(req.Body)
			got = string(b)
			answer(w, req)
		})
		c := r.call(`{"model":"m-a"` + members + `}`)
		c.Decision = &call.Decision{Allow: true, MaxTokens: 9}
		if _, err, _ := r.do(c); err != nil {
			t.Fatal(err)
		}
		if got != `{"model":"m-a"`+want+`}` {
			t.Errorf("%s: upstream got %s, want %s", members, got, want)
		}
		var again scan.Facts
		if err := scan.Request(&again, []byte(got)); err != nil || again.MaxTokens == 0 || again.MaxTokens > 9 {
			t.Errorf("%s: upstream reads %d, %v", members, again.MaxTokens, err)
		}
	}
	f(``, `,"max_tokens":9`)
	f(`,"max_tokens":5`, `,"max_tokens":5`)
	f(`,"max_tokens":50`, `,"max_tokens":9`)
	f(`,"max_tokens":null`, `,"max_tokens":9`)
	f(`,"max_tokens":0`, `,"max_tokens":9`)
	f(`,"max_tokens":null,"max_completion_tokens":5`, `,"max_tokens":null,"max_completion_tokens":5`)
	f(`,"max_tokens":5,"max_completion_tokens":50`, `,"max_tokens":5,"max_completion_tokens":9`)
	f(`,"max_completion_tokens":null,"max_tokens":null`, `,"max_completion_tokens":null,"max_tokens":9`)
}

// TestInterruptedConnectionsAreNeverKept: callers leave at any moment of their
// calls; nobody else's call may notice.
func TestInterruptedConnectionsAreNeverKept(t *testing.T) {
	r := newRig(t, dispatch.Options{Attempts: 1})
	r.target("a", answer)
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for i := range 60 {
				c := r.call(jsonCall)
				var leaver sync.WaitGroup
				if i%2 == 0 {
					leaver.Go(c.Gone.Leave)
				}
				_, err, _ := r.do(c)
				if i%2 != 0 && err != nil {
					t.Errorf("a call whose caller stayed: %v", err)
				}
				if err != nil && err.Status != 499 {
					t.Errorf("got %v", err)
				}
				leaver.Wait()
			}
		})
	}
	callers.Wait()
}
