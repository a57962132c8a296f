package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// topAt is what top knows after it has heard of a second.
func topAt(t *testing.T) *topState {
	t.Helper()
	api := newLiveAPI(t, liveAnswers())
	s := &topState{Node: "one", Address: "127.0.0.1:8081", by: "model", sort: "requests"}
	at := time.Date(2026, 5, 20, 14, 0, 0, 0, time.UTC)
	var err error
	if s.polled, err = (&client{address: strings.TrimPrefix(api.URL, "http://"), scheme: "http"}).poll(t.Context()); err != nil {
		t.Fatal(err)
	}
	err = readEvents(strings.NewReader(liveEvents(at)), func(name string, data []byte) error {
		e, err := heard(name, data)
		if e != nil {
			e(s)
		}
		return err
	})
	if err == nil || len(s.rows) != 22 || len(s.seconds) != 1 {
		t.Fatalf("%d requests and %d seconds were heard of: %v", len(s.rows), len(s.seconds), err)
	}
	return s
}

// TestTopScreens compares pictures with those of testdata/top; -update writes them.
func TestTopScreens(t *testing.T) {
	f := func(name string, width, height int, change func(*topState)) {
		t.Helper()
		s := topAt(t)
		change(s)
		lines := s.screen(look{}, width, height)
		if len(lines) != height {
			t.Errorf("%s has %d lines; want %d", name, len(lines), height)
		}
		for _, line := range lines {
			if n := utf8.RuneCountInString(line); n > width {
				t.Errorf("%s: %d columns of %d: %s", name, n, width, line)
			}
		}
		got, path := strings.Join(lines, "\n")+"\n", filepath.Join("testdata", "top", name+".txt")
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want := open(t, path).text; got != want {
			t.Errorf("%s is\n%s\nwant\n%s", name, got, want)
		}
	}
	f("80x24", 80, 24, func(*topState) {})
	f("120x40", 120, 40, func(s *topState) { s.press('k'); s.press('c') })
	f("40x12", 40, 12, func(*topState) {})
	f("crowded", 80, 24, func(s *topState) {
		for i := range 30 {
			r := s.rows[0]
			r.Model = "many/model-" + strings.Repeat("x", i)
			s.passed(r)
			s.polled.Providers = append(s.polled.Providers, topProvider{Name: r.Model, State: "running", Breaker: "half-open"})
		}
		s.missed = 12
	})
	f("away", 80, 24, func(s *topState) { s.trouble = "the gateway has ended: trying again"; s.rows = nil; s.failures = nil })
}

func TestTopKeys(t *testing.T) {
	s := topAt(t)
	f := func(keys, by, sort string) {
		t.Helper()
		for _, k := range []byte(keys) {
			if s.press(k) {
				t.Errorf("%q ends it", k)
			}
		}
		if s.by != by || s.sort != sort {
			t.Errorf("after %q it is by %s, sorted by %s; want %s, %s", keys, s.by, s.sort, by, sort)
		}
	}
	f("p", "provider", "requests")
	f("\t", "key", "requests")
	f("t\t", "model", "requests")
	f("l", "model", "latency")
	first := func(order string) string { return s.table("model", order)[0].Name }
	for order, want := range map[string]string{"latency": "openai/gpt-4o", "requests": "demo/echo", "errors": "openai/gpt-4o", "name": "demo/echo", "cost": "openai/gpt-4o"} {
		if got := first(order); got != want {
			t.Errorf("sorted by %s, %s is first; want %s", order, got, want)
		}
	}
	for _, k := range []byte("qQ\x03\x04") {
		if !s.press(k) {
			t.Errorf("%q does not end it", k)
		}
	}
}

func TestTopForgetsAfterAMinute(t *testing.T) {
	s := topAt(t)
	s.second(topSecond{Time: s.now.Add(62 * time.Second)})
	if len(s.rows) != 0 || len(s.failures) != 1 {
		t.Errorf("after a minute there are %d requests and %d failures", len(s.rows), len(s.failures))
	}
}

func TestTopOnce(t *testing.T) {
	answers := liveAnswers()
	now := time.Now()
	answers["/admin/ledger"] = passedJSON(1, now, "web", "demo/echo", fine) + "\n" + passedJSON(1<<12+2, now, "web", "demo/elsewhere", fine) + "\n" +
		passedJSON(3, now, "web\x1b[31m", "demo/echo", tooMany) + "\n"
	answers["/admin/ledger"] = strings.ReplaceAll(answers["/admin/ledger"], "\\x1b", "\\u001b")
	api := newLiveAPI(t, answers)
	var out bytes.Buffer
	if err := run(t.Context(), api.args("top"), &out, t.Output()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"node one", "2 requests", "demo/echo", "team/core", "99%", "429 rate_limited", "running    open"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "elsewhere") || strings.ContainsRune(out.String(), '\x1b') {
		t.Errorf("what another node served, or what a terminal acts on, is in\n%s", out.String())
	}
	out.Reset()
	if err := run(t.Context(), api.args("top", "--json", "--errors"), &out, t.Output()); err != nil {
		t.Fatal(err)
	}
	var picture struct {
		Node   string
		Minute topSums
		By     map[string][]topLine
	}
	if err := json.Unmarshal(out.Bytes(), &picture); err != nil || picture.Node != "one" || picture.Minute.Requests != 1 || len(picture.By["team"]) != 1 {
		t.Errorf("as JSON it is %s: %v", out.String(), err)
	}
	if err := run(t.Context(), api.args("top", "--by", "colour"), &out, t.Output()); err == nil || !strings.Contains(explain(err), "provider, key, team") {
		t.Errorf("--by colour: %v", err)
	}
}
