package trail

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/plugins/logs"
	"go.uber.org/goleak"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/policy"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const unit = `package signalbox.units.u

default permit := false

permit if input.principal.key_id != ""

deny contains {"code": "boom", "v": input.request.model} if input.principal.team == "boom"

deny contains {"code": "tag"} if input.call.headers["x-tag"] == "no"

obligations["max_tokens"] := 7

obligations["log_required"] := true if input.principal.team == "audited"
`

func engine(t testing.TB, files ...string) *policy.Engine {
	t.Helper()
	dir := t.TempDir()
	files = append(files, "u.rego", unit, ".manifest", `{"revision": "r1"}`)
	for i := 0; i < len(files); i += 2 {
		if err := os.WriteFile(filepath.Join(dir, files[i]), []byte(files[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	e, err := policy.Open(context.Background(), policy.Options{Path: dir, Deadline: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

type header map[string][]byte

func (h header) Peek(name string) []byte { return h[name] }

func sample(id int, team string) *call.Call {
	return &call.Call{
		ID: call.ID(id)<<12 + 1, Received: time.Date(2026, 5, 4, 12, 30, 0, 123456789, time.UTC), Op: wire.OpChat, Remote: netip.MustParseAddr("10.1.2.3"),
		Principal: &call.Principal{KeyID: "k-1", KeyName: "dev", Org: "acme", Team: team, User: "u-1", Attrs: map[string]string{"cost": "c7"}},
		Model:     &call.Model{Name: "openai/gpt"}, Header: header{"x-tag": []byte("a\"b")},
		Facts: scan.Facts{In: scan.Text, Size: 900, N: 1, Tools: [][]byte{[]byte("zeta"), []byte("alpha")}},
		Body:  []byte(`{"messages": [{"content": "the secret prompt"}]}`),
	}
}

func open(t testing.TB, opt Options) *Log {
	t.Helper()
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	l, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func decide(l *Log, e *policy.Engine, c *call.Call) bool {
	return l.Record(e, c, e.Decide(c), 5*time.Microsecond)
}

// events are the lines of text, each decoded into OPA's own type too.
func events(t testing.TB, text string) (out []map[string]any) {
	t.Helper()
	for line := range strings.Lines(text) {
		var doc map[string]any
		var typed logs.EventV1
		if err := json.Unmarshal([]byte(line), &doc); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if err := json.Unmarshal([]byte(line), &typed); err != nil || typed.DecisionID != doc["decision_id"] || typed.Timestamp.IsZero() {
			t.Fatalf("OPA reads it as %+v: %v", typed, err)
		}
		out = append(out, doc)
	}
	return out
}

func at(doc any, path string) any {
	for _, name := range strings.Split(path, "/") {
		m, _ := doc.(map[string]any)
		doc = m[name]
	}
	return doc
}

func TestEvent(t *testing.T) {
	e := engine(t)
	var out bytes.Buffer
	l := open(t, Options{Console: &out, Sample: 1, Buffer: 64, Labels: map[string]string{"id": "n1", "version": "v"}})
	c := sample(1, "boom")
	decide(l, e, c)
	c.Reset() // what was recorded is its own
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	got := events(t, out.String())
	if len(got) != 1 {
		t.Fatalf("got %s", out.String())
	}
	for path, want := range map[string]any{"labels/id": "n1", "decision_id": sample(1, "").ID.String(), "bundles/policy/revision": "r1", "path": Path,
		"requested_by": "10.1.2.3", "timestamp": "2026-05-04T12:30:00.123456789Z", "metrics/timer_rego_query_eval_ns": 5000.0,
		"input/principal/team": "boom", "input/principal/attrs/cost": "c7", "input/call/headers/x-tag": "a\"b", "input/net/ip": "10.1.2.3", "input/request/model": "openai/gpt",
		"result/allow": false, "result/obligations/max_tokens": 7.0, "type": "openpolicyagent.org/decision_logs", "msg": "Decision Log"} {
		if v := at(got[0], path); v != want {
			t.Errorf("%s is %v, want %v", path, v, want)
		}
	}
	if reasons := fmt.Sprint(at(got[0], "result/reasons")); reasons != "[map[code:boom unit:u v:openai/gpt]]" {
		t.Errorf("reasons are %s", reasons)
	}
	if tools := fmt.Sprint(at(got[0], "input/request/tools")); tools != "[alpha zeta]" {
		t.Errorf("tools are %s", tools)
	}
	if strings.Contains(out.String(), "secret prompt") {
		t.Error("the prompt is logged")
	}
}

// TestInputIsWhatWasDecidedOn compares with what the engine itself writes down.
func TestInputIsWhatWasDecidedOn(t *testing.T) {
	e := engine(t, "data.json", `{"signalbox": {"classes": {"personal": {"level": 1}}}}`)
	var ev policy.Event
	var space call.Call
	for i := range 50 {
		c := sample(i, "x")
		c.TLS, c.Facts.Stream, c.Facts.MaxTokens, c.Facts.Size = i%2 == 0, i%3 == 0, int64(i), i*1000
		c.Path, c.Method = "/file-"+fmt.Sprint(i), []string{"", "GET"}[i%2]
		c.Priority = []string{"", "high"}[i/2%2]
		c.Header = header{"x-tag": []byte("t"), "x-signalbox-data-class": []byte([]string{"", "personal", "made up"}[i%3])}
		e.Capture(&ev, c, e.Decide(c))
		want := string(e.AppendInput(nil, c))
		if got := string(ev.AppendInput(nil, &space)); got != want {
			t.Fatalf("got %s\nwant %s", got, want)
		}
	}
}

func TestMasks(t *testing.T) {
	f := func(name, rules string, check func(t *testing.T, event map[string]any, st Stats)) {
		t.Run(name, func(t *testing.T) {
			e := engine(t, "log.rego", "package system.log\n\n"+rules)
			var out bytes.Buffer
			l := open(t, Options{Console: &out, Sample: 1, Buffer: 64})
			decide(l, e, sample(1, "boom"))
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			var event map[string]any
			if got := events(t, out.String()); len(got) > 0 {
				event = got[0]
			}
			check(t, event, l.Stats())
		})
	}
	erased := func(want string) func(*testing.T, map[string]any, Stats) {
		return func(t *testing.T, event map[string]any, _ Stats) {
			if got := fmt.Sprint(event["erased"]); got != want {
				t.Errorf("erased is %s, want %s", got, want)
			}
		}
	}
	f("fixed", `mask contains "/input/principal/user"`, func(t *testing.T, event map[string]any, _ Stats) {
		erased("[/input/principal/user]")(t, event, Stats{})
		if _, there := at(event, "input/principal").(map[string]any)["user"]; there {
			t.Error("it is there")
		}
	})
	f("by the event", "mask contains \"/input/net/ip\" if input.input.principal.team == \"boom\"\n\nmask contains \"/input/principal\" if input.result.allow\n", erased("[/input/net/ip]"))
	f("a member of a list", `mask contains "/input/request/tools/0"`, func(t *testing.T, event map[string]any, _ Stats) {
		if got := fmt.Sprint(at(event, "input/request/tools")); got != "[zeta]" {
			t.Errorf("got %s", got)
		}
	})
	f("all input", `mask contains "/input"`, func(t *testing.T, event map[string]any, _ Stats) {
		if _, there := event["input"]; there {
			t.Error("it is there")
		}
	})
	f("another value", `mask contains {"op": "upsert", "path": "/input/principal/user", "value": "**"}`, func(t *testing.T, event map[string]any, _ Stats) {
		if at(event, "input/principal/user") != "**" || fmt.Sprint(event["masked"]) != "[/input/principal/user]" {
			t.Errorf("got %v", event)
		}
	})
	f("nothing there", `mask contains "/input/none/of/it"`, erased("<nil>"))
	f("dropped", `drop if input.input.principal.team == "boom"`, func(t *testing.T, event map[string]any, st Stats) {
		if event != nil || st.Masked != 1 || st.Logged != 0 {
			t.Errorf("got %v, %+v", event, st)
		}
	})
	f("failing", `mask contains "/input/x" if regex.match("(", input.input.principal.user)`, func(t *testing.T, event map[string]any, st Stats) {
		if event["input"] != nil || event["result"] != nil || event["decision_id"] == "" || st.Failed != 1 {
			t.Errorf("got %v, %+v", event, st)
		}
	})
	f("a mask of another kind", `mask contains sprintf("/labels/%s", [input.labels.x]) if input.input`, func(t *testing.T, event map[string]any, _ Stats) {
		if event == nil {
			t.Error("it is not logged")
		}
	})
}

func TestSampleKeepsDenials(t *testing.T) {
	e := engine(t)
	var out bytes.Buffer
	l := open(t, Options{Console: &out, Sample: 0.1, Buffer: 4096})
	for i := range 1000 {
		decide(l, e, sample(i, []string{"boom", "fine"}[i%2]))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	denied, allowed := 0, 0
	for _, ev := range events(t, out.String()) {
		if at(ev, "result/allow") == true {
			allowed++
		} else {
			denied++
		}
	}
	if denied != 500 || allowed < 20 || allowed > 100 {
		t.Errorf("%d denials of 500, %d of 500 that are allowed", denied, allowed)
	}
}

// gate is a console that waits.
type gate struct {
	open chan struct{}
	n    atomic.Int64
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	g.n.Add(1)
	return len(p), nil
}

// TestFullRing: there is room for denials when there is none for what is
// allowed; and none for anything when that is taken too.
func TestFullRing(t *testing.T) {
	e := engine(t)
	g := &gate{open: make(chan struct{})}
	l := open(t, Options{Console: g, Sample: 1, Buffer: 64})
	for i := range 200 {
		decide(l, e, sample(i, "fine"))
	}
	kept := l.head.Load()
	if st := l.Stats(); kept > 64*3/4+2 || st.Dropped != 200-kept {
		t.Fatalf("%d are kept, %+v", kept, st)
	}
	if !decide(l, e, sample(1000, "audited")) || !decide(l, e, sample(1001, "boom")) {
		t.Error("there is no room for what must be logged")
	}
	for i := range 200 {
		decide(l, e, sample(2000+i, "boom"))
	}
	if decide(l, e, sample(3000, "audited")) {
		t.Error("a full ring takes more")
	}
	close(g.open)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if n := uint64(g.n.Load()); n != l.head.Load() {
		t.Errorf("%d of %d are written", n, l.head.Load())
	}
}

// TestManyAtOnce: each decision is logged once and whole.
func TestManyAtOnce(t *testing.T) {
	e := engine(t)
	var out bytes.Buffer
	l := open(t, Options{Console: &out, Sample: 1, Buffer: 1 << 14})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 500 {
				decide(l, e, sample(g*1000+i, "boom"))
			}
		})
	}
	wg.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	seen := map[any]bool{}
	for _, ev := range events(t, out.String()) {
		seen[ev["decision_id"]] = true
	}
	if len(seen) != 4000 {
		t.Errorf("%d of 4000 are logged", len(seen))
	}
}

func TestFileRotates(t *testing.T) {
	e := engine(t)
	path := filepath.Join(t.TempDir(), "decisions.log")
	l := open(t, Options{File: &File{Path: path, Max: 20 << 10, Keep: 2}, Sample: 1, Buffer: 1024})
	for i := range 100 {
		decide(l, e, sample(i, "boom"))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) != 3 || l.Stats().Rotation < 2 {
		t.Fatalf("got %v, %v, %+v", files, err, l.Stats())
	}
	for _, f := range files {
		body, err := os.ReadFile(f)
		info, _ := os.Stat(f)
		if err != nil || len(body) > 20<<10 || info.Mode() != 0o600 {
			t.Errorf("%s: %d bytes, %v, %v", f, len(body), info.Mode(), err)
		}
		events(t, string(body))
	}
	last, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(last), sample(99, "").ID.String()) {
		t.Errorf("the last is not in the youngest file: %v", err)
	}
}

// collector is a server of logs as OPA's uploads expect it.
type collector struct {
	t      *testing.T
	mu     sync.Mutex
	fail   int // answers that are failures
	ids    map[any]int
	chunks int
}

func (s *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail > 0 {
		s.fail--
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || len(body) > maxChunk || r.URL.Path != "/base/logs" || r.Header.Get("Content-Encoding") != "gzip" || r.Header.Get("Content-Type") != "application/json" {
		s.t.Errorf("%d bytes to %s: %v, %v", len(body), r.URL.Path, r.Header, err)
	}
	zr, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		s.t.Error(err)
		return
	}
	var list []map[string]any
	if err := json.NewDecoder(zr).Decode(&list); err != nil {
		s.t.Error(err)
	}
	for _, ev := range list {
		s.ids[ev["decision_id"]]++
	}
	s.chunks++
}

func TestUpload(t *testing.T) {
	e := engine(t)
	s := &collector{t: t, fail: 2, ids: map[any]int{}}
	server := httptest.NewServer(s)
	defer server.Close()
	l := open(t, Options{Upload: &Upload{Client: server.Client(), URL: server.URL + "/base/"}, Sample: 1, Buffer: 1 << 13})
	for i := range 3000 {
		c := sample(i, "boom")
		c.Principal.User = fmt.Sprintf("%x-%x", uint64(i)*0x9e3779b97f4a7c15, uint64(i)*0xbf58476d1ce4e5b9) // does not pack well
		decide(l, e, c)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if st := l.Stats(); len(s.ids) != 3000 || s.chunks < 2 || st.Retries != 2 || st.Lost != 0 || st.Uploads != uint64(s.chunks) {
		t.Errorf("%d events in %d chunks, %+v", len(s.ids), s.chunks, st)
	}
	for id, n := range s.ids {
		if n != 1 {
			t.Errorf("%v came %d times", id, n)
		}
	}
}

func TestUploadThatFailsIsTold(t *testing.T) {
	e := engine(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }))
	defer server.Close()
	l := open(t, Options{Upload: &Upload{Client: server.Client(), URL: server.URL}, Sample: 1, Buffer: 64})
	decide(l, e, sample(1, "boom"))
	u := l.sinks[0].(*uploader)
	l.once.Do(func() { // Close, without its patience
		close(l.stop)
		<-l.done
	})
	if err := u.close(); err == nil || !strings.Contains(err.Error(), "cannot upload 1") || l.Stats().Lost != 1 {
		t.Errorf("got %v, %+v", err, l.Stats())
	}
}

// TestUploadDropsAllowedFirst holds the queue against one that looks through all
// that waits.
func TestUploadDropsAllowedFirst(t *testing.T) {
	u, rnd := &uploader{log: &Log{}}, rand.New(rand.NewPCG(1, 2))
	big := bytes.Repeat([]byte("x"), maxPending/20)
	var want []bool // denied
	for i := range 2000 {
		denied := rnd.IntN(1000) < i%1001 // few, then all
		lost, err := u.put(big, denied)
		want = append(want, denied)
		wantLost := 0
		if len(want) > 20 {
			at := max(0, slices.Index(want, false))
			want, wantLost = slices.Delete(want, at, at+1), 1
		}
		if i%7 == 0 {
			u.taken(u.batch()[:1])
			want = want[1:]
		}
		have := make([]bool, 0, len(u.queue))
		for _, w := range u.queue {
			have = append(have, w.denied)
		}
		if err != nil || lost != wantLost || !slices.Equal(have, want) || u.bytes != len(want)*len(big) {
			t.Fatalf("after %d: got %v, %d lost, %d bytes, %v; want %v, %d lost", i, have, lost, u.bytes, err, want, wantLost)
		}
	}
}

func TestNilLog(t *testing.T) {
	var l *Log
	if !l.Record(nil, nil, nil, 0) || l.Close() != nil || l.Stats() != (Stats{}) {
		t.Error("a nil log does something")
	}
}

// TestFullDiskIsCounted: what a file has taken and cannot hold is counted, once.
func TestFullDiskIsCounted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "decisions.log")
	if err := os.Symlink("/dev/full", path); err != nil {
		t.Fatal(err)
	}
	e := engine(t)
	l := open(t, Options{File: &File{Path: path}, Sample: 1, Buffer: 1024})
	for i := range 300 { // more than is written at once
		decide(l, e, sample(i, "boom"))
	}
	_ = l.Close() // a device cannot be synced
	if st := l.Stats(); st.Lost != 300 || st.Logged != 300 {
		t.Errorf("got %+v; want all 300 counted as lost", st)
	}
}

func TestLastQuarterOfTheRing(t *testing.T) {
	f := func(pos, tail uint64, want bool) {
		t.Helper()
		if got := crowded(pos, tail, 64); got != want {
			t.Errorf("at %d with %d written: got %v", pos, tail, got)
		}
	}
	f(0, 0, false)
	f(48, 0, false)
	f(49, 0, true)
	f(1049, 1000, true)
	f(1000, 1010, false) // the writer has gone on since the position was read
}
