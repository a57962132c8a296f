package e2e_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/store/pgtest"
)

// counted is an upstream that counts how often each text was asked.
type counted struct {
	*upstream
	door *httptest.Server
	pace time.Duration

	texts sync.Mutex
	times map[string]int
	total int
}

func newCounted(t *testing.T, pace time.Duration) *counted {
	c := &counted{upstream: newUpstream(t), pace: pace, times: map[string]int{}}
	c.door = httptest.NewServer(http.HandlerFunc(c.ask))
	t.Cleanup(func() { c.door.CloseClientConnections(); c.door.Close() })
	return c
}

func (c *counted) ask(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	var req struct{ Messages []struct{ Content string } }
	if json.Unmarshal(body, &req) == nil && len(req.Messages) > 0 {
		c.texts.Lock()
		c.times[req.Messages[0].Content]++
		c.total++
		c.texts.Unlock()
	}
	time.Sleep(c.pace) // the service thinks
	r.Body = io.NopCloser(bytes.NewReader(body))
	c.serve(w, r)
}

func (c *counted) count() int {
	c.texts.Lock()
	defer c.texts.Unlock()
	return c.total
}

func batchInput(n int) string { return batchFor("fast", n) }

func batchFor(model string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"custom_id":"id-%d","method":"POST","url":"/v1/chat/completions","body":%s}`+"\n", i, request(model, fmt.Sprintf("line %d", i), false))
	}
	return b.String()
}

// batchAnswer is what of an answer about files and batches is looked at.
type batchAnswer struct {
	ID     string
	Status string
	Output string                                 `json:"output_file_id"`
	Faulty string                                 `json:"error_file_id"`
	Counts struct{ Total, Completed, Failed int } `json:"request_counts"`
	Errors *struct{ Data []struct{ Code string } }
}

func (g *gateway) upload(content string) string {
	g.t.Helper()
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	part, err := w.CreateFormFile("file", "in.jsonl")
	if err != nil {
		g.t.Fatal(err)
	}
	_, _ = io.WriteString(part, content) // into memory, as all that follows
	_ = w.WriteField("purpose", "batch")
	_ = w.Close()
	var a batchAnswer
	g.well("POST", "/v1/files", w.FormDataContentType(), form.Bytes(), &a)
	return a.ID
}

// well makes a request that is to be answered well, with to as its answer.
func (g *gateway) well(method, path, kind string, body []byte, to any) []byte {
	g.t.Helper()
	req, err := http.NewRequest(method, g.data+path, bytes.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+callerKey)
	req.Header.Set("Content-Type", kind)
	resp, err := client.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != 200 {
		err = fmt.Errorf("%d %s", resp.StatusCode, b)
	}
	if err == nil && to != nil {
		err = json.Unmarshal(b, to)
	}
	if err != nil {
		g.t.Fatalf("%s %s: %v", method, path, err)
	}
	return b
}

func (g *gateway) batch(input string) batchAnswer {
	g.t.Helper()
	var a batchAnswer
	g.well("POST", "/v1/batches", "application/json", fmt.Appendf(nil, `{"input_file_id":%q,"endpoint":"/v1/chat/completions","completion_window":"24h"}`, input), &a)
	return a
}

// over waits until the batch is.
func (g *gateway) over(id string) (a batchAnswer) {
	g.t.Helper()
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if g.well("GET", "/v1/batches/"+id, "", nil, &a); a.Status == "completed" || a.Status == "failed" || a.Status == "cancelled" || a.Status == "expired" {
			return a
		}
	}
	g.t.Fatalf("the batch is not over: %+v\n%s", a, g.output())
	return a
}

// results are the codes of a batch's lines by custom_id, "": answered well.
func (g *gateway) results(a batchAnswer) map[string]string {
	g.t.Helper()
	codes := map[string]string{}
	for _, id := range []string{a.Output, a.Faulty} {
		if id == "" {
			continue
		}
		lines := bufio.NewScanner(bytes.NewReader(g.well("GET", "/v1/files/"+id+"/content", "", nil, nil)))
		for lines.Scan() {
			var l struct {
				ID       string `json:"custom_id"`
				Response *struct {
					Status int `json:"status_code"`
				}
				Error *struct{ Code string }
			}
			if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
				g.t.Fatalf("%s: %v", lines.Text(), err)
			}
			if _, twice := codes[l.ID]; twice {
				g.t.Errorf("%s is told of twice", l.ID)
			}
			switch {
			case l.Error != nil:
				codes[l.ID] = l.Error.Code
			case l.Response.Status == 200 && id == a.Output:
				codes[l.ID] = ""
			default:
				codes[l.ID] = fmt.Sprint(l.Response.Status)
			}
		}
	}
	return codes
}

// check compares what the batch says of its lines with what the upstream was asked.
func (c *counted) check(t *testing.T, codes map[string]string, n, lost int) {
	t.Helper()
	c.texts.Lock()
	defer c.texts.Unlock()
	interrupted := 0
	for i := range n {
		code, ok := codes[fmt.Sprintf("id-%d", i)]
		times := c.times[fmt.Sprintf("line %d", i)]
		switch {
		case !ok:
			t.Errorf("line %d is lost; it was sent %d times", i, times)
		case times > 1:
			t.Errorf("line %d was sent %d times (%q)", i, times, code)
		case code == "" && times != 1:
			t.Errorf("line %d was answered, and sent %d times", i, times)
		case code == "interrupted":
			interrupted++
		case code != "":
			t.Errorf("line %d: %s", i, code)
		}
	}
	if len(codes) != n || interrupted > lost {
		t.Errorf("%d lines are told of, %d of them interrupted; want %d, at most %d", len(codes), interrupted, n, lost)
	}
	t.Logf("%d lines, %d interrupted", len(codes), interrupted)
}

// until waits until the upstream was asked so often.
func (c *counted) until(t *testing.T, n int) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); c.count() < n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the upstream was asked %d times; want %d", c.count(), n)
		}
	}
}

// TestBatchSurvivesKills: no line is lost and none sent twice, however often
// the gateway is killed while it works on a batch.
func TestBatchSurvivesKills(t *testing.T) {
	t.Parallel()
	up := newCounted(t, 5*time.Millisecond)
	g := newGateway(t, config(up.door.URL, "1000")+"batches: {chunk: 20, mode: gateway}\n")
	const lines, kills = 1200, 4
	a := g.batch(g.upload(batchInput(lines)))
	for i := 1; i <= kills; i++ {
		up.until(t, lines*i/(kills+2))
		g.kill()
		g.start()
	}
	a = g.over(a.ID)
	codes := g.results(a)
	up.check(t, codes, lines, kills*32)
	if a.Status != "completed" || a.Counts.Total != lines || a.Counts.Completed+a.Counts.Failed != lines {
		t.Errorf("the batch ended as %+v", a)
	}
}

// TestBatchMovesToAnotherNode: what a node that died was at, another takes over.
func TestBatchMovesToAnotherNode(t *testing.T) {
	t.Parallel()
	up := newCounted(t, 10*time.Millisecond)
	url := pgtest.New(t)
	text := strings.Replace(config(up.door.URL, "1000"), `store: {url: "sqlite:state/signalbox.db"}`,
		fmt.Sprintf("store: {url: %q, dir: state}\nsecrets: {key: a-key-that-the-nodes-of-a-test-share}\nbatches: {chunk: 20, mode: gateway}", url), 1)
	first, second := newGateway(t, text), newGateway(t, text)
	const lines = 1000
	a := first.batch(first.upload(batchInput(lines)))
	up.until(t, lines/3)
	first.kill()
	a = second.over(a.ID)
	up.check(t, second.results(a), lines, 32)
	if a.Status != "completed" {
		t.Errorf("the batch ended as %+v", a)
	}
}

var batchLines = flag.Int("batch.lines", 5000, "requests of the batch whose memory is measured")

// TestLongBatchIsLight: the gateway's memory does not grow with a batch. make
// batch-bench runs it with 100,000 lines.
func TestLongBatchIsLight(t *testing.T) {
	t.Parallel()
	g := newGateway(t, strings.Replace(config("http://127.0.0.1:1", "1000"), ", budgets: [{usd: 1000, window: day}]", "", 1))
	began := time.Now()
	a := g.batch(g.upload(batchFor("own", *batchLines)))
	for a.Status != "completed" && a.Status != "failed" {
		time.Sleep(100 * time.Millisecond)
		g.well("GET", "/v1/batches/"+a.ID, "", nil, &a)
	}
	if a.Status != "completed" || a.Counts.Completed != *batchLines {
		t.Fatalf("the batch ended as %+v", a)
	}
	peak, took := g.peak(), time.Since(began)
	t.Logf("%d lines in %s, %.0f a second; the gateway's greatest memory: %d MB", *batchLines, took.Round(time.Second), float64(*batchLines)/took.Seconds(), peak>>20)
	if peak > 150<<20 {
		t.Errorf("the gateway has taken %d MB; want 150 at most", peak>>20)
	}
}
