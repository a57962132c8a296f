package dispatch_test

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/dispatch"
)

// checked makes every step of the plan one whose answer is checked.
func checked(c *call.Call) *call.Call {
	for i := range c.Plan.N {
		c.Plan.Attempts[i].Flags = call.AttemptCheck
	}
	return c
}

// of is an answer of so many tokens that ended for that reason.
func of(content, reason string, tokens int) string {
	n := strconv.Itoa(tokens)
	return `{"choices":[{"index":0,"message":{"role":"assistant","content":"` + content + `"},"finish_reason":"` + reason + `"}],"usage":{"prompt_tokens":0,"completion_tokens":` + n + `,"total_tokens":` + n + `}}`
}

func TestCheckedAnswers(t *testing.T) {
	f := func(name, body string, first, second http.HandlerFunc, want, wantMarks string, wantCost int64) {
		t.Helper()
		r := newRig(t, dispatch.Options{Attempts: 2})
		account := r.metered(dispatch.Options{Attempts: 2})
		r.target("a", first)
		r.target("b", second)
		c := checked(r.call(body))
		got, err, werr := r.do(c)
		if ans, _, _ := strings.Cut(got, ": signalbox"); err != nil || werr != nil || ans != want || marks(c) != wantMarks {
			t.Errorf("%s: %v, %v, %q, attempts %q; want %q, %q", name, err, werr, got, marks(c), want, wantMarks)
		}
		if !c.Facts.Stream {
			account.Finish(c)
		}
		if account.sum != wantCost {
			t.Errorf("%s: cost %d; want %d", name, account.sum, wantCost)
		}
		if c.Target.Provider.Name != c.Attempts[len(c.Attempts)-1].Target.Provider.Name || r.targets[0].State.ErrorRate() != 0 {
			t.Errorf("%s: answered by %s, error rate of the first %v", name, c.Target.Name, r.targets[0].State.ErrorRate())
		}
		r.quiet()
	}
	whole := func(content, reason string, tokens int) http.HandlerFunc {
		return status(200, of(content, reason, tokens))
	}
	f("good", jsonCall, whole("a", "stop", 5), whole("b", "stop", 7), of("a", "stop", 5), "a", 5)
	f("empty", jsonCall, whole("", "stop", 5), whole("b", "stop", 7), of("b", "stop", 7), "a:empty$ b", 12)
	f("cut short", jsonCall, whole("a", "length", 5), whole("b", "stop", 7), of("b", "stop", 7), "a:length$ b", 12)
	f("the last one as it is", jsonCall, whole("", "stop", 5), whole("", "length", 7), of("", "length", 7), "a:empty$ b", 12)
	f("nothing better came", jsonCall, whole("a", "length", 5), status(503, `{}`), of("a", "length", 5), "b:overloaded a", 5)
	f("asked for JSON", `{"model":"fast","response_format":{"type":"json_object"},"messages":[]}`,
		whole("here you are", "stop", 5), whole("{}", "stop", 7), of("{}", "stop", 7), "a:not_json$ b", 12)

	empty := `data: {"id":"x","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}` + "\n\n"
	good := delta("b") + finish
	f("an empty stream", streamCall, events(empty, finish, usage, doneEvent), events(good, usage, doneEvent), good+usage, "a:empty$ b", 18)
	f("an empty stream without an end of its own", streamCall, events(empty, finish, usage), events(good, usage, doneEvent), good+usage, "a:empty$ b", 18)
	f("the last stream as it is", streamCall, events(empty, finish, usage, doneEvent), events(empty, finish, usage, doneEvent), empty+finish+usage, "a:empty$ b", 18)
	f("a stream with content", streamCall, events(empty, delta("a"), finish, usage, doneEvent), events(good, doneEvent), empty+delta("a")+finish+usage, "a", 9)
}

// TestHedgedChecks: of attempts beside each other too, an answer that is not
// good enough does not win.
func TestHedgedChecks(t *testing.T) {
	r := newRig(t, dispatch.Options{})
	account := r.metered(dispatch.Options{})
	b := newAsked()
	r.target("a", after(b, status(200, of("", "stop", 5))))
	r.target("b", b.then(func(w http.ResponseWriter, req *http.Request) {
		<-b.ended
		status(200, of("b", "stop", 7))(w, req)
	}))
	b.ended <- struct{}{}
	c := checked(r.hedged(jsonCall))
	got, err, _ := r.do(c)
	account.Finish(c)
	// One that is just being rejected as the other answers may be taken for lost.
	if err != nil || got != of("b", "stop", 7) || account.sum != 12 && account.sum != 7+10 {
		t.Errorf("%v, %q, cost %d, attempts %q", err, got, account.sum, marks(c))
	}
	r.quiet()
}

// TestBillsAgree: whatever is rejected, held back, drained, beaten or broken off
// behind its usage, the sum of what calls cost is what the upstreams have
// counted themselves.
func TestBillsAgree(t *testing.T) {
	r := newRig(t, dispatch.Options{Attempts: 3})
	account := r.metered(dispatch.Options{Attempts: 3})
	var bill, n atomic.Int64
	told := func(tokens int64) string {
		bill.Add(tokens)
		s := strconv.FormatInt(tokens, 10)
		return `data: {"id":"x","choices":[],"usage":{"prompt_tokens":0,"completion_tokens":` + s + `,"total_tokens":` + s + `}}` + "\n\n"
	}
	serve := func(w http.ResponseWriter, req *http.Request) {
		b, _ := io.ReadAll(req.Body)
		turn := n.Add(1)
		tokens := turn%13 + 3
		if !strings.Contains(string(b), `"stream":true`) {
			content, reason := "fine", "stop"
			switch turn % 4 {
			case 0:
				content = ""
			case 1:
				reason = "length"
			case 2:
				status(503, `{}`)(w, req)
				return
			}
			bill.Add(tokens)
			status(200, of(content, reason, int(tokens)))(w, req)
			return
		}
		switch turn % 4 {
		case 0:
			events(finish, told(tokens), doneEvent)(w, req) // empty
		case 1:
			events(delta("x"), finish, told(tokens), doneEvent)(w, req)
		case 2:
			events(`data: {"error":{"message":"x"}}`+"\n\n")(w, req)
		case 3:
			events(delta("x"), delta("y"), finish, told(tokens), doneEvent)(w, req)
		}
	}
	for _, name := range []string{"a", "b", "c"} {
		r.target(name, serve, func(_ *call.Endpoint, p *call.Provider) { p.Drain = 1 << 40 })
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 25 {
				body := jsonCall
				if i%2 == 0 {
					body = streamCall
				}
				c := checked(holding(r.call(body), call.Hold{Events: i % 3}))
				ans, err := r.d.Do(c)
				switch {
				case err == nil && ans.Stream != nil:
					var w io.Writer = io.Discard
					if i%4 == 0 {
						w = leaver{c} // leaves at the first bytes
					}
					_, _ = ans.Stream.WriteTo(w)
					_ = ans.Stream.Close()
				default:
					account.Finish(c)
				}
				if c.Provenance == call.CostEstimated {
					t.Errorf("an answer whose usage was told is estimated: %+v, attempts %q", c.Usage, marks(c))
				}
			}
		}()
	}
	wg.Wait()
	if account.sum != bill.Load() {
		t.Errorf("calls cost %d, the upstreams' own bill says %d", account.sum, bill.Load())
	}
	r.quiet()
	if account.finished != 200 {
		t.Errorf("%d calls were finished", account.finished)
	}
}
