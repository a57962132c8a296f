package access

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/logfile"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func sample() (*call.Call, *call.Record) {
	c := &call.Call{ID: 1 << 30, Received: time.Date(2026, 3, 13, 12, 0, 0, 5e6, time.UTC), Remote: netip.MustParseAddr("2001:db8::7"), Upstream: 9 * time.Millisecond, Streamed: true, Bytes: 321}
	c.Facts.Size = 99
	c.Trace, _ = call.ParseTrace([]byte("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), nil)
	r := &call.Record{ID: c.ID, DurationUS: 10_040, OverheadUS: 40, TTFTUS: 8000, Op: wire.OpChat, Dialect: wire.OpenAIChat, Stream: true, KeyID: "k-1", KeyName: "name", Team: "a \"b\"\n\x7f\xff",
		Asked: "fast", Target: "openai/gpt-4o", Status: 200, Usage: wire.Usage{Input: 10, Output: 7}, Cost: 2_500_000, Provenance: call.CostComputed, Attempts: make([]call.Attempt, 2)}
	return c, r
}

func openLog(t testing.TB, opt Options) (*Log, string) {
	t.Helper()
	opt.File.Path = filepath.Join(t.TempDir(), "access.log")
	l, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l, opt.File.Path
}

func lines(t *testing.T, path string) (list []map[string]any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n")) {
		var m map[string]any
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		list = append(list, m)
	}
	return list
}

func TestALine(t *testing.T) {
	l, path := openLog(t, Options{Sample: 1})
	c, r := sample()
	l.Request(c, r)
	r2 := call.Record{ID: 7, Status: 401, Class: wire.ClassAuth, Code: "invalid_key"}
	l.Request(&call.Call{ID: 7, Received: c.Received, Buf: make([]byte, 12)}, &r2)
	l.Close()
	got := lines(t, path)
	want := map[string]any{"time": "2026-03-13T12:00:00.005Z", "request_id": c.ID.String(), "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "remote": "2001:db8::7", "op": "chat",
		"dialect": "openai-chat", "stream": true, "key_id": "k-1", "team": "a \"b\"\n\x7f\uFFFD", "model": "fast", "target": "openai/gpt-4o", "status": 200., "attempts": 2.,
		"duration_ms": 10.04, "first_byte_ms": 8., "upstream_ms": 9., "overhead_us": 40., "input_tokens": 10., "output_tokens": 7., "cost_usd": .0025, "cost": "computed",
		"bytes_in": 99., "bytes_out": 321.}
	for k, v := range want {
		if got[0][k] != v {
			t.Errorf("%s is %v; want %v", k, got[0][k], v)
		}
	}
	if len(got) != 2 || len(got[0]) != len(want) || got[1]["code"] != "invalid_key" || got[1]["bytes_out"] != 12. || got[1]["cost_usd"] != nil {
		t.Errorf("got %v", got)
	}
	if s := l.Stats(); s.Written != 2 || s.Dropped+s.Lost != 0 {
		t.Errorf("%+v", s)
	}
}

func TestFieldsAreChosen(t *testing.T) {
	l, path := openLog(t, Options{Sample: 1, Fields: []string{"team", "model"}})
	c, r := sample()
	l.Request(c, r)
	l.Close()
	if got := lines(t, path)[0]; len(got) != 5 || got["model"] != "fast" {
		t.Errorf("got %v", got)
	}
	if _, err := Open(Options{Fields: []string{"modle"}}); err == nil || !strings.Contains(err.Error(), `"modle"`) {
		t.Errorf("an unknown field: %v", err)
	}
}

func TestShare(t *testing.T) {
	f := func(sample float64, least, most int) {
		t.Helper()
		l, _ := openLog(t, Options{Sample: sample})
		n, failed := 0, 0
		for id := range call.ID(4000) {
			if l.Wants(1<<40+id, false) {
				n++
			}
			if l.Wants(id, true) {
				failed++
			}
		}
		if n < least || n > most || failed != 4000 {
			t.Errorf("share %v: %d of 4000, and %d of as many that failed", sample, n, failed)
		}
	}
	f(1, 4000, 4000)
	f(0, 0, 0)
	f(.1, 300, 500)
	var none *Log
	if none.Wants(1, true) {
		t.Error("no log wants a request")
	}
	none.Close()
}

func BenchmarkRequest(b *testing.B) {
	l, _ := openLog(b, Options{Sample: 1, File: logfile.Options{Max: 64 << 20, Keep: 1}})
	c, r := sample()
	b.ReportAllocs()
	for b.Loop() {
		l.Request(c, r)
	}
}
