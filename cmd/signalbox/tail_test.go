package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"
)

// lineWaiter is a writer that one can wait for.
type lineWaiter struct{ lines chan string }

func (w lineWaiter) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		w.lines <- strings.TrimSuffix(line, "\n")
	}
	return len(p), nil
}

func TestTail(t *testing.T) {
	api := newLiveAPI(t, nil)
	out, notes := lineWaiter{make(chan string, 16)}, lineWaiter{make(chan string, 16)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, api.args("tail", "--key", "web", "--status", "4xx", "--errors"), out, notes) }()
	at := time.Date(2026, 5, 20, 14, 0, 0, 0, time.UTC)
	one, two := make(chan string), make(chan string)
	api.streams <- one
	one <- ": node one\n\n"
	one <- event("request", passedJSON(5, at, "web", "demo/echo", tooMany))
	want := at.Local().Format("15:04:05") + " 429 chat       fast → demo/echo  web  900µs  rate_limited  " + "req_0000000000005"
	if got := <-out.lines; got != want {
		t.Errorf("a request is shown as\n%s; want\n%s", got, want)
	}
	one <- event("lost", `{"requests":7}`)
	if got := <-notes.lines; !strings.Contains(got, "7 requests were missed") {
		t.Errorf("what was lost is told as %q", got)
	}
	close(one)
	if got := <-notes.lines; !strings.Contains(got, "the gateway has ended: trying again") {
		t.Errorf("the end is told as %q", got)
	}
	api.streams <- two
	two <- event("request", passedJSON(6, at, "web", "demo/echo", fine))
	if got := <-notes.lines; !strings.Contains(got, "connected again") {
		t.Errorf("what came back is told as %q", got)
	}
	if got := <-out.lines; !strings.Contains(got, " 200 chat ") || !strings.Contains(got, "30 tok  $0.00021") {
		t.Errorf("an answer is shown as %q", got)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("it ends with %v", err)
	}
	api.mu.Lock()
	defer api.mu.Unlock()
	for _, q := range api.asked {
		if q != "errors=true&events=request&key=web&status=4xx" {
			t.Errorf("it asks for %s", q)
		}
	}
}

func TestTailJSON(t *testing.T) {
	var out bytes.Buffer
	tl := &tail{out: &out, notes: t.Output(), json: true}
	if err := tl.event("request", []byte(`{"id":"req_1"}`)); err != nil || out.String() != "{\"id\":\"req_1\"}\n" {
		t.Errorf("as JSON it is %q, %v", out.String(), err)
	}
}

func TestTailEndsWhereItIsRefused(t *testing.T) {
	api := newLiveAPI(t, nil)
	api.Config.Handler = nil // its paths are unknown
	err := run(t.Context(), []string{"tail", "--address", api.URL, "--token", "x"}, t.Output(), t.Output())
	if err == nil || !strings.Contains(explain(err), "status 404") {
		t.Errorf("a server that is no gateway: %v", err)
	}
	api.Close()
	err = run(t.Context(), []string{"tail", "--address", api.URL, "--token", "x"}, t.Output(), t.Output())
	if err == nil || !strings.Contains(explain(err), "is it running?") {
		t.Errorf("no server: %v", err)
	}
}

func TestReadEvents(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		var got []string
		_ = readEvents(strings.NewReader(text), func(name string, data []byte) error {
			got = append(got, name+"="+string(data))
			return nil
		})
		if all := strings.Join(got, "|"); all != want {
			t.Errorf("%q is %q; want %q", text, all, want)
		}
	}
	f("event: a\ndata: 1\n\nevent: b\ndata:2\ndata: 3\n\n", "a=1|b=2\n3")
	f(": alive\n\n\n\ndata: x\n\n", "=alive|=x")
	f("event: cut\ndata: 1\n", "")
	f("id: 7\nretry: 3\n\n", "")
}

func FuzzReadEvents(f *testing.F) {
	f.Add("event: a\ndata: 1\n\n")
	f.Add(":\n\n::\ndata\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		_ = readEvents(strings.NewReader(text), func(name string, data []byte) error {
			if strings.Contains(name, "\n") {
				t.Errorf("a name of two lines: %q", name)
			}
			return nil
		})
	})
}

func TestTerminalText(t *testing.T) {
	f := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %q; want %q", got, want)
		}
	}
	f(fit("abc", 5), "abc  ")
	f(fit("abc", -5), "  abc")
	f(fit("abcdef", 4), "abc…")
	f(fit("日本語", 4), "日… ")
	f(fit("日本語", 6), "日本語")
	f(harmless("a\x1b[31mb\n\u202e"), "a?[31mb??")
	f(short(0), "0")
	f(short(0.25), "0.2")
	f(short(999), "999")
	f(short(1234), "1.2k")
	f(short(35_400), "35k")
	f(short(999_600), "1.0M")
	f(shortTime(0.25), "250µs")
	f(shortTime(1.24), "1.2ms")
	f(shortTime(812.4), "812ms")
	f(shortTime(2400), "2.4s")
	f(money(0.0000215), "$0.000022")
	f(money(1.5), "$1.50")
	f(money(0), "0")
	f(look{colour: true}.paint(red, "x"), "\x1b[31mx\x1b[0m")
	f(look{}.paint(red, "x"), "x")
}
