package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const mateKey = "sb-key-of-a-team-mate-0000000001"
const strangerKey = "sb-key-of-a-stranger-00000000001"

func sharingConfig(url string) string {
	return strings.Replace(config(url, "10"), "budgets: [{usd: 10, window: day}]}]",
		"budgets: [{usd: 10, window: day}]}, {name: mate, value: "+mateKey+", team: core}, {name: stranger, value: "+strangerKey+", team: other}]\nshare: {}", 1)
}

// postAs asks as the owner of a key; headers are pairs.
func (g *gateway) postAs(ctx context.Context, key, path, body string, headers ...string) (*http.Response, string, error) {
	r, err := http.NewRequestWithContext(ctx, "POST", g.data+path, strings.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	r.Header.Set("Authorization", "Bearer "+key)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := client.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp, string(b), err
}

// TestIdenticalRequestsShareAnAnswer: those of one team that are the same go
// upstream once, also when the one that went has left; one pays, the others
// have rows that say what was spared; nobody else's are among them.
func TestIdenticalRequestsShareAnAnswer(t *testing.T) {
	up := newUpstream(t)
	g := newGateway(t, sharingConfig(up.URL))
	whole, stream := request("fast", "block", false), request("fast", "block", true)
	leaders, leave := context.WithCancel(t.Context())
	defer leave()
	var wg sync.WaitGroup
	for i, body := range []string{whole, stream} {
		wg.Go(func() {
			if _, _, err := g.postAs(leaders, callerKey, "/v1/chat/completions", body); err == nil {
				t.Error("one that has left was answered")
			}
		})
		g.until("share_led_total", strconv.Itoa(i+1))
	}
	follow := func(key, body, cached string, headers ...string) {
		wg.Go(func() {
			resp, got, err := g.postAs(t.Context(), key, "/v1/chat/completions", body, headers...)
			end := `"completion_tokens":100`
			if body == stream {
				end = `"finish_reason":"stop"`
			}
			if err != nil || resp.StatusCode != 200 || !strings.Contains(got, end) || resp.Header.Get("X-Signalbox-Cache") != cached {
				t.Errorf("%v, %+v: %s", err, resp, got)
				return
			}
			if body == stream && (strings.Count(got, ": signalbox {") != 1 || !strings.HasSuffix(got, "data: [DONE]\n\n") || cached != "" && !strings.Contains(got, `"cost_usd":0`)) {
				t.Errorf("a stream is %q", got)
			}
		})
	}
	for range 5 {
		follow(callerKey, whole, "shared")
		follow(mateKey, stream, "shared")
	}
	follow(callerKey, strings.Replace(whole, `"max_tokens":100`, `"max_tokens": 100`, 1), "shared") // white space is nothing
	g.until("share_waiting", "11")
	follow(strangerKey, whole, "")
	follow(callerKey, strings.Replace(whole, "{", `{"temperature":0.5,`, 1), "")
	follow(callerKey, whole, "", "X-Signalbox-Cache", "bypass")
	for deadline := time.Now().Add(time.Minute); up.calls.Load() < 5 && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	leave()
	close(up.block)
	wg.Wait()
	if n := up.calls.Load(); n != 5 {
		t.Errorf("%d requests went upstream; want one for those that are the same, and three others", n)
	}
	g.until("share_waiting", "0")

	shared, paid := 0, int64(0)
	for _, row := range g.ledger("?limit=100") {
		cost, saved := fmt.Sprint(row["cost_usd"]), fmt.Sprint(row["saved_usd"])
		if row["cached"] == "shared" {
			shared++
			if cost != "0" || saved != "0.001" {
				t.Errorf("one that shared: %v", row)
			}
		} else if paid++; cost != "0.001" {
			t.Errorf("one that paid: %v", row)
		}
	}
	if u := g.usage(); shared != 11 || paid != 5 || u.Nano != up.billed.Load() {
		t.Errorf("%d shared, %d paid; the ledger has %d, the upstream %d", shared, paid, u.Nano, up.billed.Load())
	}
}

// TestLeaderWithoutFollowersIsCancelled: nothing lives on for nobody.
func TestLeaderWithoutFollowersIsCancelled(t *testing.T) {
	up := newUpstream(t)
	g := newGateway(t, sharingConfig(up.URL))
	body := request("fast", "endless", true)
	lead, leave := context.WithCancel(t.Context())
	follow, leaveToo := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _, _, _ = g.postAs(lead, callerKey, "/v1/chat/completions", body) })
	g.until("share_led_total", "1")
	r, err := http.NewRequestWithContext(follow, "POST", g.data+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+mateKey)
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	more := func(n int) {
		for range n {
			if !lines.Scan() {
				t.Fatalf("the answer ended with its leader, though another follows: %v", lines.Err())
			}
		}
	}
	more(10)
	leave()
	more(100) // half a second of it
	leaveToo()
	<-up.gone
	wg.Wait()
	g.until("share_waiting", "0")
}

// TestEmbeddingsAreGathered: those of one team that come together are one
// request to the provider, each gets its own, and the parts of the bill add up
// to it.
func TestEmbeddingsAreGathered(t *testing.T) {
	up := newEmbedder(t)
	const nanoPerToken = 1007 // which no part of a bill divides evenly
	g := newGateway(t, strings.NewReplacer("share: {}", "gather: {window: 300ms}", "input_per_mtok: 0", "input_per_mtok: 1.007").Replace(sharingConfig(up.URL)))
	body := func(i int) string {
		input := fmt.Sprintf(`"text %d"`, i)
		if i%2 == 0 {
			input = fmt.Sprintf(`["text %d", "another %d"]`, i, i*i)
		}
		return fmt.Sprintf(`{"model":"up/m","input":%s,"dimensions":8}`, input)
	}
	data := func(answer string) string {
		var a struct {
			Data json.RawMessage
		}
		if err := json.Unmarshal([]byte(answer), &a); err != nil {
			t.Error(err, answer)
		}
		return string(a.Data)
	}
	const n = 20
	alone := make([]string, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { // by as many that are not of one team
			_, got, err := g.postAs(t.Context(), strangerKey, "/v1/embeddings", strings.Replace(body(i), `"dimensions":8`, fmt.Sprintf(`"dimensions":8,"user":"u%d"`, i), 1))
			if err != nil {
				t.Error(err)
			}
			alone[i] = data(got)
		})
	}
	wg.Wait()
	if g.metric("gather_calls_total") != "0" || g.metric("gather_alone_total") != "20" {
		t.Errorf("%s calls for several, %s alone", g.metric("gather_calls_total"), g.metric("gather_alone_total"))
	}
	for i := range n {
		wg.Go(func() {
			key := callerKey
			if i%3 == 0 {
				key = mateKey
			}
			resp, got, err := g.postAs(t.Context(), key, "/v1/embeddings", body(i))
			if err != nil || resp.StatusCode != 200 || data(got) != alone[i] {
				t.Errorf("%v, %+v: %s\nwant %s", err, resp, got, alone[i])
			}
		})
	}
	wg.Wait()
	calls, err := strconv.Atoi(g.metric("gather_calls_total"))
	if err != nil || calls < 1 || calls > 3 {
		t.Errorf("%d requests were made for several, %v", calls, err)
	}
	tokens, nano := 0.0, int64(0)
	for _, row := range g.ledger("?limit=100") {
		tokens += row["tokens"].(map[string]any)["total"].(float64)
		nano += int64(math.Round(row["cost_usd"].(float64) * 1e9))
	}
	if bill := up.tokens.Load() * nanoPerToken; nano != bill || g.usage().Nano != bill {
		t.Errorf("the upstream's bill is %d nano-dollars, the rows are %d, the sums %d", bill, nano, g.usage().Nano)
	}
	single, err := strconv.Atoi(g.metric("gather_alone_total"))
	if err != nil || tokens != float64(up.tokens.Load()) || up.calls.Load() != int64(single+calls) {
		t.Errorf("the ledger has %v tokens, the upstream %d in %d calls, of which %d for several", tokens, up.tokens.Load(), up.calls.Load(), calls)
	}
}

// embedder answers with what it is asked, and counts what each call takes.
type embedder struct {
	*httptest.Server
	calls, tokens atomic.Int64
	gone          atomic.Int64  // of those that ask for "block", whose caller did not wait
	held          chan struct{} // what asks for "block" is answered once it is closed
}

func newEmbedder(t *testing.T) *embedder {
	e := &embedder{held: make(chan struct{})}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var req struct{ Input json.RawMessage }
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			t.Error(err)
		}
		_, _ = io.Copy(io.Discard, r.Body) // only then it is seen that the caller leaves
		inputs := []json.RawMessage{req.Input}
		if req.Input[0] == '[' {
			_ = json.Unmarshal(req.Input, &inputs)
		}
		used := 3 + 7*int64(len(inputs))
		e.calls.Add(1)
		if string(inputs[0]) == `"block"` {
			select {
			case <-e.held:
			case <-r.Context().Done():
				e.gone.Add(1)
				return
			}
		}
		e.tokens.Add(used)
		rows := make([]string, len(inputs))
		for i, in := range inputs {
			rows[i] = fmt.Sprintf(`{"object":"embedding","index":%d,"embedding":[%d,%d]}`, i, len(in), in[len(in)-2])
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"object":"list","data":[%s],"model":"m","usage":{"prompt_tokens":%d,"total_tokens":%d}}`, strings.Join(rows, ","), used, used)
	}))
	t.Cleanup(e.Close)
	return e
}

// TestGatheredRequestsGiveTheirPlacesUp: those that have waited for places at a
// target and then go together need one of them, and do not wait for each other.
func TestGatheredRequestsGiveTheirPlacesUp(t *testing.T) {
	up := newEmbedder(t)
	g := newGateway(t, strings.NewReplacer("share: {}", "gather: {window: 1s}\nlimits: {deadline: 20s}",
		"fast: {targets: [{model: up/m}]", "fast: {targets: [{model: up/m, max_in_flight: 2}]").Replace(sharingConfig(up.URL)))
	var wg sync.WaitGroup
	ask := func(input, user string) {
		wg.Go(func() {
			resp, got, err := g.postAs(t.Context(), callerKey, "/v1/embeddings", fmt.Sprintf(`{"model":"fast","input":%q,"user":%q}`, input, user))
			if err != nil || resp.StatusCode != 200 {
				t.Errorf("%v, %+v: %s", err, resp, got)
			}
		})
	}
	ask("block", "one")
	ask("block", "two")
	eventually(t, "both are upstream", func() bool { return up.calls.Load() == 2 })
	for range 2 {
		ask("text", "three")
	}
	eventually(t, "two wait", func() bool { return g.metric(`queue_depth{priority="normal"}`) == "2" })
	close(up.held)
	wg.Wait()
	if calls := g.metric("gather_calls_total"); calls != "1" || up.calls.Load() != 3 {
		t.Errorf("%s requests were made for several, the upstream was called %d times", calls, up.calls.Load())
	}
}

// TestGatheredRequestsEndWithTheirCallers: a request that is made for several
// goes on for one of them, and ends with the last; then its parts are charged
// as one that was left by its only caller.
func TestGatheredRequestsEndWithTheirCallers(t *testing.T) {
	up := newEmbedder(t)
	g := newGateway(t, strings.NewReplacer("share: {}", "gather: {window: 1s, max_inputs: 2}", "input_per_mtok: 0", "input_per_mtok: 1.007").Replace(sharingConfig(up.URL)))
	var wg sync.WaitGroup
	ask := func(key, input string, status int) context.CancelFunc {
		ctx, leave := context.WithCancel(t.Context())
		wg.Go(func() {
			resp, got, err := g.postAs(ctx, key, "/v1/embeddings", `{"model":"up/m","input":`+input+`}`)
			if left := status == 0; left != (err != nil) || !left && resp.StatusCode != status {
				t.Errorf("%v, %+v: %s", err, resp, got)
			}
		})
		return leave
	}
	rows := func(n int) (nano int64) {
		t.Helper()
		var list []map[string]any
		eventually(t, "all are recorded", func() bool { list = g.ledger("?limit=100"); return len(list) == n })
		for _, row := range list {
			if fmt.Sprint(row["status"]) != "499" {
				t.Errorf("one that was left is %v", row)
			}
			nano += int64(math.Round(row["cost_usd"].(float64) * 1e9))
		}
		return nano
	}
	leave := ask(callerKey, `["block","block"]`, 0)
	eventually(t, "it is upstream", func() bool { return up.calls.Load() == 1 })
	leave()
	eventually(t, "it has ended", func() bool { return up.gone.Load() == 1 })
	alone := rows(1)

	first, second := ask(callerKey, `"block"`, 0), ask(mateKey, `"block"`, 0)
	eventually(t, "both are upstream", func() bool { return up.calls.Load() == 2 })
	first()
	second()
	eventually(t, "it has ended with both", func() bool { return up.gone.Load() == 2 })
	if both := rows(3) - alone; both != alone {
		t.Errorf("two that go together and leave pay %d nano-dollars, one that asks for as much pays %d", both, alone)
	}

	first, _ = ask(callerKey, `"block"`, 0), ask(mateKey, `"block"`, 200)
	eventually(t, "both are upstream", func() bool { return up.calls.Load() == 3 })
	first()
	close(up.held)
	wg.Wait()
	if up.gone.Load() != 2 || g.metric("gather_calls_total") != "2" {
		t.Errorf("%d were not waited for, %s were made for several", up.gone.Load(), g.metric("gather_calls_total"))
	}
}

// TestOneBadInputIsItsOwn: where the provider refuses what was put together,
// each asks for itself.
func TestOneBadInputIsItsOwn(t *testing.T) {
	up := newUpstream(t) // which knows no embeddings
	g := newGateway(t, strings.Replace(sharingConfig(up.URL), "share: {}", "gather: {window: 300ms}", 1))
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			resp, got, err := g.postAs(t.Context(), mateKey, "/v1/embeddings", fmt.Sprintf(`{"model":"up/m","input":"text %d"}`, i))
			if err != nil || resp.StatusCode != 400 {
				t.Errorf("%v, %+v: %s", err, resp, got)
			}
		})
	}
	wg.Wait()
	if split := g.metric("gather_split_total"); split == "0" || up.calls.Load() < 5 {
		t.Errorf("%s were split, %d requests went upstream", split, up.calls.Load())
	}
}
