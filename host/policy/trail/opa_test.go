package trail

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/policy"
	"github.com/signalbox-ai/signalbox/host/policy/opatest"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// access is what the corpus is decided by, over the default bundle's data.
const access = `{
	"default": {"max_tokens": 4096},
	"teams": {"core": {"models": {"fast": true, "openai/*": true}, "targets": {"openai/b": true, "openai/a": true}},
		"lab": {"targets": {"openai/b": true, "x/y": true}, "max_tokens": 100}},
	"keys": {"ci": {"zones": {"private": true}, "tls": true, "max_tokens": 50, "targets": {"openai/a": true}}}}`

// corpusBundle is the default bundle with access, as opa builds it.
func corpusBundle(t *testing.T) (tarball []byte) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../../policies")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "data.json")
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var data, own map[string]any
	if err := json.Unmarshal(body, &data); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(access), &own); err != nil {
		t.Fatal(err)
	}
	layers := at(data, "signalbox/access").(map[string]any)
	for name, v := range own {
		layers[name] = v
	}
	if body, err = json.Marshal(data); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, body, 0o644); err != nil {
		t.Fatal(err)
	}
	return opatest.Build(t, dir, "r42")
}

// opa is a real server that logs its decisions to collect.
type opa struct {
	url     string
	collect *opaLog
}

type opaLog struct {
	mu     sync.Mutex
	events []map[string]any
	came   chan struct{}
}

func (s *opaLog) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	zr, err := gzip.NewReader(r.Body)
	if err != nil {
		return
	}
	var list []map[string]any
	if json.NewDecoder(zr).Decode(&list) != nil {
		return
	}
	s.mu.Lock()
	s.events = append(s.events, list...)
	s.mu.Unlock()
	s.came <- struct{}{}
}

func runOPA(t *testing.T, tarball []byte) *opa {
	t.Helper()
	collect := &opaLog{came: make(chan struct{}, 1024)}
	server := httptest.NewServer(collect)
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "bundle.tar.gz")
	if err := os.WriteFile(file, tarball, 0o644); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	c := exec.Command(opatest.Path(t), "run", "--server", "--addr", addr, "--log-level", "error", "--disable-telemetry", "--bundle", file,
		"--set", "services.logs.url="+server.URL, "--set", "decision_logs.service=logs", "--set", "labels.site=here",
		"--set", "decision_logs.reporting.min_delay_seconds=1", "--set", "decision_logs.reporting.max_delay_seconds=1")
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	o := &opa{url: "http://" + addr, collect: collect}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); ; <-tick.C {
		resp, err := client.Get(o.url + "/health?bundles")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return o
			}
		}
		if time.Now().After(end) {
			t.Fatalf("opa does not come up: %v\n%s", err, out.String())
		}
	}
}

// ask has the real opa evaluate all units on input.
func (o *opa) ask(t *testing.T, input []byte) (id string, units map[string]any) {
	t.Helper()
	body := append(append([]byte(`{"input":`), input...), '}')
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Post(o.url+"/v1/data/signalbox/units", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		ID     string         `json:"decision_id"`
		Result map[string]any `json:"result"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil || answer.Result == nil {
		t.Fatalf("opa answers %s: %v", raw, err)
	}
	return answer.ID, answer.Result
}

// merged merges what opa says of the units as the host is documented to.
func merged(units map[string]any) string {
	allow, restricted := true, false
	var codes []string
	var most float64
	var targets []string
	for _, u := range units {
		unit := u.(map[string]any)
		for _, d := range list(unit["deny"]) {
			allow = false
			codes = append(codes, fmt.Sprint(at(d, "code")))
		}
		if p, defined := unit["permit"]; defined && p != true {
			allow = false
			codes = append(codes, policy.CodeNotPermitted)
		}
		if n, ok := at(unit, "obligations/max_tokens").(float64); ok && (most == 0 || n < most) {
			most = n
		}
		if ts := at(unit, "obligations/targets"); ts != nil {
			var own []string
			for _, x := range list(ts) {
				if name := x.(string); !restricted || slices.Contains(targets, name) {
					own = append(own, name)
				}
			}
			targets, restricted = own, true
		}
	}
	if restricted && len(targets) == 0 {
		allow = false
		codes = append(codes, policy.CodeNoTarget)
	}
	slices.Sort(codes)
	slices.Sort(targets)
	return fmt.Sprint(allow, codes, most, restricted, targets)
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

func ours(d *call.Decision) string {
	var codes []string
	for _, r := range d.Reasons {
		codes = append(codes, r.Code)
	}
	slices.Sort(codes)
	return fmt.Sprint(d.Allow, codes, float64(d.MaxTokens), d.Restricted, slices.Sorted(slices.Values(d.Targets)))
}

func corpus(n int) []*call.Call {
	rnd := rand.New(rand.NewPCG(5, 6))
	pick := func(from ...string) string { return from[rnd.IntN(len(from))] }
	var out []*call.Call
	for i := range n {
		out = append(out, &call.Call{
			ID: call.ID(i)<<12 + 5, Received: time.Unix(1790000000+int64(rnd.IntN(1e6)), 0), Op: wire.OpChat, TLS: rnd.IntN(2) == 0,
			Remote: netip.MustParseAddr(pick("10.1.2.3", "192.0.2.7", "2001:db8::1")),
			Principal: &call.Principal{Auth: "key", KeyID: pick("k-1", "k-1", "k-1", ""), KeyName: pick("dev", "ci", "x"), Org: "acme",
				Team: pick("core", "lab", "", "other"), User: pick("u", ""), Roles: []string{"developer"}},
			Model:  &call.Model{Name: pick("openai/gpt-4o", "fast", "anthropic/opus", "x/y")},
			Header: header{},
			Facts:  scan.Facts{In: scan.Text, Size: rnd.IntN(1 << 16), N: 1, Stream: rnd.IntN(2) == 0, MaxTokens: int64(rnd.IntN(9000))},
		})
	}
	return out
}

// TestLikeTheRealOPA asks a real opa what the gateway decides, both of the same
// bundle, and compares the events that the two log.
func TestLikeTheRealOPA(t *testing.T) {
	tarball := corpusBundle(t)
	e := served(t, tarball)
	real := runOPA(t, tarball)
	var printed bytes.Buffer
	l := open(t, Options{Console: &printed, Sample: 1, Buffer: 4096, Labels: map[string]string{"id": "n", "version": "v", "site": "here"}})
	seen := map[string]int{}
	byID := map[string][]byte{}
	for _, c := range corpus(300) {
		d := e.Decide(c)
		input := e.AppendInput(nil, c)
		id, units := real.ask(t, input)
		byID[id] = input
		if got, want := ours(d), merged(units); got != want {
			t.Fatalf("the gateway decides %s, opa %s on %s", got, want, input)
		}
		seen[ours(d)]++
		l.Record(e, c, d, time.Microsecond)
	}
	if len(seen) < 8 {
		t.Errorf("the corpus has only %d outcomes", len(seen))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	mine := events(t, printed.String())
	theirs := real.logged(t, len(byID))
	if len(mine) != 300 || len(theirs) != 300 {
		t.Fatalf("%d and %d events", len(mine), len(theirs))
	}
	for i := range theirs {
		sameShape(t, mine[i], theirs[i])
	}
}

// logged waits for n events.
func (o *opa) logged(t *testing.T, n int) []map[string]any {
	t.Helper()
	end := time.After(time.Minute)
	for {
		o.collect.mu.Lock()
		got := slices.Clone(o.collect.events)
		o.collect.mu.Unlock()
		if len(got) >= n {
			return got
		}
		select {
		case <-o.collect.came:
		case <-end:
			t.Fatalf("opa has logged %d of %d", len(got), n)
		}
	}
}

// ownWay are members of OPA's events that mean nothing here: the number of the
// HTTP request to opa itself.
var ownWay = []string{"req_id"}

// sameShape: every member of opa's event is in the gateway's, with the same type.
func sameShape(t *testing.T, mine, theirs map[string]any) {
	t.Helper()
	for name, v := range theirs {
		if slices.Contains(ownWay, name) {
			continue
		}
		if m, there := mine[name]; !there || reflect.TypeOf(m) != reflect.TypeOf(v) {
			t.Fatalf("opa's event has %s (%T), the gateway's %v (%T)", name, v, m, m)
		}
	}
	for _, name := range []string{"labels", "bundles"} {
		for inner, v := range theirs[name].(map[string]any) {
			if name == "bundles" {
				inner = policy.SoleBundle // opa names the file
			}
			m := mine[name].(map[string]any)[inner]
			if reflect.TypeOf(m) != reflect.TypeOf(v) || name == "bundles" && !reflect.DeepEqual(m, v) {
				t.Fatalf("%s.%s is %v, opa's %v", name, inner, m, v)
			}
		}
	}
	shape(t, "input", mine["input"], theirs["input"])
	if _, err := time.Parse(time.RFC3339Nano, mine["timestamp"].(string)); err != nil {
		t.Fatal(err)
	}
	if n, ok := at(theirs, "metrics/timer_rego_query_eval_ns").(float64); !ok || n <= 0 || at(mine, "metrics/timer_rego_query_eval_ns") == nil {
		t.Fatalf("metrics are %v, opa's %v", mine["metrics"], theirs["metrics"])
	}
}

func shape(t *testing.T, path string, mine, theirs any) {
	t.Helper()
	if reflect.TypeOf(mine) != reflect.TypeOf(theirs) {
		t.Fatalf("%s is %T, opa's %T", path, mine, theirs)
	}
	m, ok := mine.(map[string]any)
	if !ok {
		return
	}
	for name, v := range theirs.(map[string]any) {
		if strings.HasPrefix(path, "input.call.headers") || strings.HasPrefix(path, "input.principal.attrs") {
			continue
		}
		shape(t, path+"."+name, m[name], v)
	}
}

// TestMasksLikeTheRealOPA has both mask by the same rules.
func TestMasksLikeTheRealOPA(t *testing.T) {
	dir := t.TempDir()
	for name, body := range map[string]string{"u.rego": unit, "log.rego": `package system.log

mask contains "/input/principal/user"

mask contains "/input/net/ip" if input.input.principal.team == "boom"

mask contains {"op": "upsert", "path": "/input/principal/key_id", "value": concat("", [substring(input.input.principal.key_id, 0, 2), "***"])}

mask contains "/input/request/tools/1"

mask contains "/input/not/there"

drop if input.input.principal.team == "quiet"
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tarball := opatest.Build(t, dir, "r1")
	e := served(t, tarball)
	real := runOPA(t, tarball)
	var printed bytes.Buffer
	l := open(t, Options{Console: &printed, Sample: 1, Buffer: 64})
	for i, team := range []string{"boom", "fine", "quiet", "boom"} {
		c := sample(i, team)
		decide(l, e, c)
		real.ask(t, e.AppendInput(nil, c))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	mine, theirs := events(t, printed.String()), real.logged(t, 3)
	if len(mine) != 3 {
		t.Fatalf("%d events are logged", len(mine))
	}
	for i := range mine {
		for _, name := range []string{"input", "erased", "masked"} {
			if a, b := normal(mine[i][name]), normal(theirs[i][name]); a != b {
				t.Errorf("event %d: %s is %s, opa's %s", i, name, a, b)
			}
		}
	}
}

// normal is v in JSON; of lists of text the order does not count.
func normal(v any) string {
	if l, ok := v.([]any); ok {
		var out []string
		for _, x := range l {
			out = append(out, fmt.Sprint(x))
		}
		slices.Sort(out)
		return strings.Join(out, " ")
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// served opens an engine on the tarball.
func served(t *testing.T, tarball []byte) *policy.Engine {
	t.Helper()
	e, err := policy.Open(context.Background(), policy.Options{Deadline: time.Minute,
		Stored: func(context.Context) ([]byte, error) { return tarball, nil }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}
