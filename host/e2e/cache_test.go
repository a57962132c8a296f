package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

const otherKey = "sb-other-00000000000000000000000000000000"

// caching is a configuration with caches as more says.
func caching(up *upstream, cache, more string) string {
	return strings.Replace(config(up.URL, "100"), `keys: [`, fmt.Sprintf("cache: %s\n%s\nkeys: [{name: other, value: %q, team: two}, ", cache, more, otherKey), 1)
}

// cached is what an answer says of the cache.
func cached(h http.Header) string { return h.Get("X-Signalbox-Cache") }

// asking sends the same requests again and again, and counts what the upstream sees of them.
type asking struct {
	*gateway
	up *upstream
}

// ask sends a request, of which the upstream is to see so many, and which the
// cache is to answer so.
func (a *asking) ask(header http.Header, body, from string, calls int64) string {
	a.t.Helper()
	before := a.up.calls.Load()
	answer, got := a.told(header, body)
	if seen := a.up.calls.Load() - before; cached(got) != from || seen != calls {
		a.t.Errorf("%s %v: from the cache %q, seen %d times by the upstream; want %q and %d", body, header, cached(got), seen, from, calls)
	}
	return answer
}

func TestExactCache(t *testing.T) {
	up := newUpstream(t)
	g := newGateway(t, caching(up, "{exact: {ttl: 1h}}", ""))
	a := &asking{g, up}
	first := a.ask(nil, request("fast", "hello", false), "", 1)
	if again := a.ask(nil, request("fast", "hello", false), "exact", 0); again != first {
		t.Errorf("kept is %s; it was %s", again, first)
	}
	a.ask(nil, `{"messages":[{"content":"hello","role":"user"}],"stream":false, "model":"fast", "max_tokens":100}`, "exact", 0)
	a.ask(nil, `{"messages":[{"content":"hello","role":"user"}],"stream":false, "model":"fast", "max_tokens":100,"seed":1}`, "", 1)
	other := http.Header{"Authorization": {"Bearer " + otherKey}}
	a.ask(other, request("fast", "hello", false), "", 1)
	a.ask(other, request("fast", "hello", false), "exact", 0)

	ask := func(name, value, from string, calls int64) {
		t.Helper()
		a.ask(http.Header{name: {value}}, request("fast", "hello", false), from, calls)
	}
	ask("X-Signalbox-Cache", "bypass", "", 1)
	ask("X-Signalbox-Cache", "refresh", "", 1)
	ask("Cache-Control", "no-store", "", 1)
	ask("Cache-Control", "no-cache", "", 1)
	ask("Cache-Control", "max-age=0", "", 1)
	ask("Cache-Control", "max-age=600, private", "exact", 0)
	ask("X-Signalbox-Cache-Ttl", "10m", "exact", 0)
	status, answer, _, _ := g.headed(http.Header{"X-Signalbox-Cache": {"maybe"}}, request("fast", "hello", false))
	if status != 400 || !strings.Contains(answer, "invalid_cache") || !strings.Contains(answer, "send bypass, refresh") {
		t.Errorf("got %d %s", status, answer)
	}
	status, answer, _, _ = g.headed(http.Header{"X-Signalbox-Cache-Ttl": {"-3"}}, request("fast", "hello", false))
	if status != 400 || !strings.Contains(answer, "invalid_cache_ttl") {
		t.Errorf("got %d %s", status, answer)
	}
	if status, _, _, _ := g.chat(`{"model":"fast","messages":[]}`); status != 400 {
		t.Errorf("status %d", status)
	}

	// What was kept has cost nothing, and says what it has saved.
	_, h := g.told(nil, request("fast", "hello", false))
	if h.Get("X-Signalbox-Cost-Usd") != "0" || h.Get("X-Signalbox-Saved-Usd") != "0.001" || h.Get("X-Signalbox-Attempts") != "0" || h.Get("X-Signalbox-Provider") != "up" {
		t.Errorf("headers are %v", h)
	}
	if u := g.usage(); u.Nano != up.billed.Load() {
		t.Errorf("the ledger has %d, the upstream billed %d", u.Nano, up.billed.Load())
	}
	a.ask(nil, request("safe", "hello", false), "", 0)
	a.ask(nil, request("safe", "hello", false), "exact", 0)
	a.ask(nil, request("own", "hello", false), "", 0) // of the same target, but another model
	_, row := g.adminDo("GET", "/admin/ledger/"+h.Get("X-Signalbox-Request-Id"), "")
	if !strings.Contains(row, `"cached":"exact"`) || !strings.Contains(row, `"saved_usd":0.001`) || !strings.Contains(row, `"cost_usd":0`) {
		t.Errorf("the record is %s", row)
	}
}

// TestKeptStreams: a stream is kept as it came, and given again with figures of today.
func TestKeptStreams(t *testing.T) {
	up := newUpstream(t)
	g := newGateway(t, caching(up, "{exact: {}}", ""))
	a := &asking{g, up}
	parts := func(answer string) (before, summary, after string) {
		t.Helper()
		before, rest, ok := strings.Cut(answer, ": signalbox ")
		summary, after, end := strings.Cut(rest, "\n\n")
		if !ok || !end {
			t.Fatalf("the stream has no summary: %s", answer)
		}
		return before, summary, after
	}
	before, summary, after := parts(a.ask(nil, request("fast", "hello", true), "", 1))
	if strings.Contains(summary, "cache") {
		t.Errorf("the first summary is %s", summary)
	}
	for range 2 {
		b, s, e := parts(a.ask(nil, request("fast", "hello", true), "exact", 0))
		if b != before || e != after || !strings.Contains(s, `"cost_usd":0,`) || !strings.Contains(s, `"cache":"exact","saved_usd":0.001`) {
			t.Errorf("kept is %s%s%s; it was %s%s", b, s, e, before, after)
		}
	}
	a.ask(nil, request("fast", "hello", false), "", 1) // a stream is no answer to it
	withUsage := strings.Replace(request("fast", "hello", true), `{`, `{"stream_options":{"include_usage":true},`, 1)
	if answer := a.ask(nil, withUsage, "", 1); !strings.Contains(answer, `"completion_tokens":100`) {
		t.Errorf("there is no usage: %s", answer)
	}
	if answer := a.ask(nil, withUsage, "exact", 0); !strings.Contains(answer, `"completion_tokens":100`) {
		t.Errorf("there is no usage: %s", answer)
	}

	// Every dialect that the demo provider speaks, whole and streamed.
	for _, stream := range []bool{false, true} {
		for path, body := range asked("own", "so it is", stream) {
			body = strings.Replace(body, `"input":`, `"store":false,"input":`, 1)
			status, first := g.post(path, body)
			again, kept := g.post(path, body)
			if first, _, _ = strings.Cut(first, ": signalbox "); status != 200 || again != 200 || !strings.HasPrefix(kept, first) || !strings.Contains(kept, "so it is") && !stream {
				t.Errorf("%s, stream %t: %d %s, then %d %s", path, stream, status, first, again, kept)
			}
		}
	}
	var f struct {
		Rows []struct {
			Model string
			Exact int64
		}
	}
	_, text := g.adminDo("GET", "/admin/cache", "")
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		t.Fatal(err)
	}
	for _, row := range f.Rows {
		if row.Model == "own" && row.Exact != 8 {
			t.Errorf("%d of 8 were kept: %s", row.Exact, text)
		}
	}
}

// TestNotKept: what broke off, what its caller left, and what the provider keeps
// itself is nobody else's answer.
func TestNotKept(t *testing.T) {
	up := newUpstream(t)
	g := newGateway(t, caching(up, "{exact: {}}", ""))
	req, _ := http.NewRequest("POST", g.data+"/v1/chat/completions", strings.NewReader(request("fast", "endless", true)))
	req.Header.Set("Authorization", "Bearer "+callerKey)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.ReadFull(resp.Body, make([]byte, 100))
	resp.Body.Close()
	<-up.gone
	eventually(t, "the call is recorded", func() bool { return g.usage().Requests == 1 })
	for _, body := range []string{`{"model":"own","input":"x"}`, `{"model":"own","input":"x","store":true}`} {
		for range 2 {
			if status, answer := g.post("/v1/responses", body); status != 200 {
				t.Errorf("%s: %d %s", body, status, answer)
			}
		}
	}
	_, text := g.adminDo("GET", "/admin/cache", "")
	if !strings.Contains(text, `"stored":0`) || !strings.Contains(text, `"hits":0`) {
		t.Errorf("the cache says %s", text)
	}
}

// TestCacheAndLimits: what is kept is answered when the budget is used up, and
// counts as a request, not by its tokens.
func TestCacheAndLimits(t *testing.T) {
	up := newUpstream(t)
	c := strings.Replace(caching(up, "{exact: {}}", ""), `budgets: [{usd: 100, window: day}]`,
		`budgets: [{usd: 0.001, window: day}], rates: [{requests: 3, per: day}, {tokens: 250, per: day}]`, 1)
	g := newGateway(t, c)
	a := &asking{g, up}
	a.ask(nil, request("fast", "hello", false), "", 1)
	a.ask(nil, request("fast", "hello", false), "exact", 0)
	if status, answer, _, _ := g.chat(request("fast", "other", false)); status != 402 && status != 429 {
		t.Errorf("got %d %s", status, answer)
	}
	a.ask(nil, request("fast", "hello", false), "exact", 0)
	if status, answer, _, _ := g.chat(request("fast", "hello", false)); status != 429 {
		t.Errorf("got %d %s", status, answer)
	}
}

// TestKeptAnswersAreFiltered: filters look at them as at any; what they have
// changed is not kept.
func TestKeptAnswersAreFiltered(t *testing.T) {
	g := newGateway(t, filtered(t, "builtin:default")+"cache: {exact: {}}\n")
	hits := func() string {
		_, text := g.adminDo("GET", "/admin/cache", "")
		from := strings.Index(text, `"hits"`)
		return text[from : from+strings.Index(text[from:], ",")]
	}
	for _, stream := range []bool{false, true} {
		for range 2 {
			if status, answer := g.post("/v1/chat/completions", request("out", "write to jo@example.com", stream)); status != 200 || !strings.Contains(answer, "[MAIL]") {
				t.Errorf("got %d %s", status, answer)
			}
		}
	}
	if got := hits(); got != `"hits":0` {
		t.Errorf("changed answers were kept: %s", got)
	}
	for _, stream := range []bool{false, true} {
		for range 2 {
			if status, answer := g.post("/v1/chat/completions", request("both", "nothing is wrong", stream)); status != 200 || !strings.Contains(answer, "wrong") {
				t.Errorf("got %d %s", status, answer)
			}
		}
	}
	if got := hits(); got != `"hits":2` {
		t.Errorf("answers that nothing is wrong with were not kept: %s", got)
	}
	before := strings.Count(g.metrics(), "signalbox_filter_calls_total")
	if before == 0 {
		t.Error("filters were not asked")
	}
}

func TestSemanticCache(t *testing.T) {
	up := newUpstream(t)
	g := newGateway(t, caching(up, "{exact: {models: listed, disk: 64MiB}, semantic: {model: demo/embed, threshold: 0.8, deadline: 10s}}",
		"")+"\n")
	ask := func(header http.Header, from, system, text string) {
		t.Helper()
		_, h := g.told(header, fmt.Sprintf(`{"model":"own","messages":[{"role":"system","content":%q},{"role":"user","content":%q}]}`, system, text))
		if cached(h) != from {
			t.Errorf("%q after %q is answered from the cache %q; want %q", text, system, cached(h), from)
		}
	}
	learnt := func(n int) {
		t.Helper()
		eventually(t, fmt.Sprintf("%d answers are learnt", n), func() bool {
			_, text := g.adminDo("GET", "/admin/cache", "")
			return strings.Contains(text, fmt.Sprintf(`"learnt":%d,`, n))
		})
	}
	ask(nil, "", "be kind", "How can I reset my password?")
	learnt(1)
	ask(nil, "semantic", "be kind", "how can I reset my password")
	ask(nil, "semantic", "be kind", "So how can I reset my password?")
	ask(nil, "", "be brief", "how can I reset my password")
	ask(nil, "", "be kind", "how can I not reset my password")
	ask(nil, "", "be kind", "what is the weather like")
	ask(http.Header{"Authorization": {"Bearer " + otherKey}}, "", "be kind", "how can I reset my password")
	learnt(5)
	ask(http.Header{"X-Signalbox-Cache": {"bypass"}}, "", "be kind", "how can I reset my password")

	// What the embeddings cost stands in records of their own.
	if _, rows := g.adminDo("GET", "/admin/usage?by=origin", ""); !strings.Contains(rows, `cache`) {
		t.Errorf("there is no record of the embeddings: %s", rows)
	}
	g.stop()
	g.start()
	ask(nil, "semantic", "be kind", "how can I reset my password")
	if status, text := g.adminDo("DELETE", "/admin/cache?model=own", ""); status != 200 || !strings.Contains(text, `"purged":5`) {
		t.Errorf("got %d %s", status, text)
	}
	ask(nil, "", "be kind", "how can I reset my password")
	for _, query := range []string{"", "?all=true&model=own", "?modle=own"} {
		if status, text := g.adminDo("DELETE", "/admin/cache"+query, ""); status != 400 {
			t.Errorf("DELETE %q: got %d %s", query, status, text)
		}
	}
}
