package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const pipelineConfig = `
listen: {data: "127.0.0.1:0", admin: "127.0.0.1:0"}
admin: {token: "${env:SIGNALBOX_ADMIN_TOKEN}"}
store: {url: "sqlite:state/signalbox.db"}
providers: {demo: {adapter: demo}}
models: {fast: {targets: [{model: demo/echo}]}}
prices:
  demo/echo: {input_per_mtok: 1000, output_per_mtok: 1000, context: 100000, max_output: 1000}
  demo/slow: {input_per_mtok: 1000, output_per_mtok: 1000, context: 100000, max_output: 1000}
  demo/transcribe: {per_hour: 36}
  demo/image: {per_image: 0.01}
keys:
  - {name: dev, value: "${env:SIGNALBOX_DEV_KEY}"}
  - {name: narrow, value: sb-narrow-0123456789, scope: {models: ["pipeline/*"], operations: [chat, pipeline]}}
  - {name: chatty, value: sb-chatty-0123456789, scope: {operations: [chat]}}
  - {name: outside, value: sb-outside-0123456789, scope: {models: [fast]}}
  - {name: poor, value: sb-poor-0123456789, budgets: [{usd: 0.25, window: day}]}
pipelines:
  two: &two
    input: {text: {type: string, required: true, from: chat.text}}
    steps:
      - name: both
        parallel:
          - {name: a, model: fast, max_tokens: 100, with: {prompt: "a {{ input.text }}"}}
          - {name: b, model: demo/echo, max_tokens: 100, with: {prompt: "b {{ input.text }}"}}
      - {name: c, model: demo/echo, max_tokens: 100, with: {prompt: "{{ a.text }} {{ b.text }}"}}
  granted: {<<: *two, grant: steps}
  tight: {<<: *two, budget: 0.15}
  heard:
    input: {sound: {type: audio, required: true}, n: {type: number}}
    steps: [{name: a, model: demo/transcribe, op: transcription, with: {file: "{{ input.sound }}"}}]
  drawn:
    description: edits of pictures
    input: {picture: {type: image, required: true}, n: {type: number, default: 2}}
    steps:
      - {name: edit, model: demo/image, op: image-edits, budget: 0.05, with: {image: "{{ input.picture }}", prompt: "a \"cat\"", n: "{{ input.n }}", size: 64x64}, params: {response_format: b64_json}}
      - {name: said, model: demo/echo, op: completions, max_tokens: 20, with: {prompt: "{{ edit.image.type }}"}}
      - name: each_of
        each: edit.images
        retry: {attempts: 1}
        steps:
          - {name: again, model: demo/image, op: image-edits, with: {image: "{{ item }}", prompt: again, size: 64x64}, params: {response_format: b64_json}}
    output: {said: "{{ said.text }}", types: "{{ map(each_of, #.again.image.type) }}"}
  slow:
    input: {text: {type: string, from: chat.text, default: one two three four five six seven eight}}
    steps: [{name: a, model: "demo/slow?latency_ms=300000", max_tokens: 100, with: {prompt: "{{ input.text }}"}}]
  cut:
    steps: [{name: a, model: "demo/echo?fault=cut_stream", max_tokens: 100, with: {prompt: one two three four}}]
  many:
    budget: 3
    input: {n: {type: list<number>, default: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]}}
    steps: [{name: a, model: demo/echo, each: input.n, concurrency: 12, min_success: 0, max_tokens: 100, with: {prompt: "{{ string(item) }}"}}]
`

// sent sends a body to a path with a key.
func (g *gateway) sent(key, path, kind, body string) (int, string, http.Header) {
	g.t.Helper()
	req, err := http.NewRequest("POST", g.data+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", kind)
	resp, err := client.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body) // one that was cut ends early
	return resp.StatusCode, string(b), resp.Header
}

// ledgerLine is what these tests look at of a row.
type ledgerLine struct {
	ID, Op, Asked, Origin, Parent, Code string
	Status                              int
	Cost                                json.Number `json:"cost_usd"`
}

func (g *gateway) lines(query string) (out []ledgerLine) {
	g.t.Helper()
	_, body := g.adminDo("GET", "/admin/ledger?"+query, "")
	for line := range strings.Lines(body) {
		var l ledgerLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			g.t.Fatalf("%v: %s", err, line)
		}
		out = append(out, l)
	}
	return out
}

func TestPipelines(t *testing.T) {
	t.Parallel()
	g := newGateway(t, pipelineConfig)
	t.Run("one call, a row for each request", g.pipelineRows)
	t.Run("dialects", g.pipelineDialects)
	t.Run("keys", g.pipelineKeys)
	t.Run("forms", g.pipelineForms)
	t.Run("pictures", g.pipelinePictures)
	t.Run("money", g.pipelineMoney)
	t.Run("streams", g.pipelineStreams)
	t.Run("chunks", g.pipelineChunks)
	t.Run("a key's own", g.pipelineSecret)
	t.Run("leaving", g.pipelineLeft)
	t.Run("reload", g.pipelineReload)
	t.Run("admin", g.pipelineAdmin)
}

// pipelineRows: the run is a row that costs nothing, its requests are its
// children, and what the caller is told is their sum.
func (g *gateway) pipelineRows(t *testing.T) {
	before := g.usage().Nano
	status, body, header := g.sent(callerKey, "/v1/pipelines/two", "application/json", `{"input": {"text": "x"}}`)
	var run struct {
		ID, Object, Status, Output string
		Cost                       json.Number `json:"cost_usd"`
		Tree                       struct {
			Cost     json.Number `json:"cost_usd"`
			Children []struct {
				Name     string
				Children []struct{ Name string }
			}
		} `json:"cost"`
	}
	if err := json.Unmarshal([]byte(body), &run); err != nil || status != 200 || run.Output != "a x b x" || run.Object != "pipeline.run" || run.Status != "ok" {
		t.Fatalf("%d, %v: %s", status, err, body)
	}
	if run.ID != header.Get("X-Signalbox-Request-Id") || string(run.Cost) != header.Get("X-Signalbox-Cost-Usd") || run.Tree.Cost != run.Cost || len(run.Tree.Children) != 2 || len(run.Tree.Children[0].Children) != 2 {
		t.Errorf("headers %v of %s", header, body)
	}
	rows := g.lines("parent=" + run.ID)
	origins := map[string]bool{}
	for _, r := range rows {
		origins[r.Origin] = true
	}
	if len(rows) != 3 || !origins["pipeline/two/a"] || !origins["pipeline/two/b"] || !origins["pipeline/two/c"] {
		t.Errorf("the children are %+v", rows)
	}
	own := g.lines("op=pipeline&asked=pipeline/two")
	if len(own) != 1 || own[0].ID != run.ID || own[0].Cost != "0" || own[0].Status != 200 {
		t.Errorf("the run's row is %+v", own)
	}
	spent, err := run.Cost.Float64()
	if got := float64(g.usage().Nano-before) / 1e9; err != nil || got < spent-1e-9 || got > spent+1e-9 || spent == 0 {
		t.Errorf("the ledger grew by %g, the run cost %s", got, run.Cost)
	}
}

// pipelineDialects: whoever speaks which, the answer is the output.
func (g *gateway) pipelineDialects(t *testing.T) {
	f := func(path, body string, want ...string) {
		t.Helper()
		status, got, _ := g.sent(callerKey, path, "application/json", body)
		for _, w := range want {
			if status != 200 || !strings.Contains(got, w) {
				t.Errorf("%s: %d %s; want %q in it", path, status, got, w)
			}
		}
	}
	const messages = `"messages": [{"role": "user", "content": "x"}]`
	f("/v1/chat/completions", `{"model": "pipeline/two", `+messages+`}`, `"content":"a x b x"`, `"object":"chat.completion"`, `"pipeline_run":{"id":"req_`)
	f("/v1/chat/completions", `{"model": "pipeline/two", "stream": true, "stream_options": {"include_usage": true}, `+messages+`}`, `"content":"a "`, `"total_tokens":`, "data: [DONE]")
	f("/v1/chat/completions", `{"model": "pipeline/two", "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}`, `"content":"a x b x"`)
	f("/v1/messages", `{"model": "pipeline/two", "max_tokens": 50, `+messages+`}`, `"text":"a x b x"`, `"type":"message"`)
	f("/v1/messages", `{"model": "pipeline/two", "max_tokens": 50, "stream": true, `+messages+`}`, "event: message_start", `"text":"a "`, "event: message_stop")
	f("/v1/responses", `{"model": "pipeline/two", "input": "x"}`, `"text":"a x b x"`, `"object":"response"`)
	f("/v1/responses", `{"model": "pipeline/two", "input": "x", "stream": true}`, `"delta":"a "`, "response.completed")
	const contents = `{"contents": [{"role": "user", "parts": [{"text": "x"}]}]}`
	f("/v1beta/models/pipeline/two:generateContent", contents, `"text":"a x b x"`)
	f("/v1beta/models/pipeline/two:streamGenerateContent?alt=sse", contents, `"text":"a "`, `"finishReason":"STOP"`)
	f("/v1/pipelines/two?stream=true", `{"input": {"text": "x"}}`, "event: step", `"status":"running"`, "event: delta\ndata: {\"text\":\"a \"}", "event: run\ndata: {", `"output":"a x b x"`)
	f("/v1/pipelines/two?dry_run=true", ``, `"object":"pipeline.plan"`, `"bound_usd":`)
}

// pipelineKeys: a key needs the pipeline and what its steps ask for, unless the
// pipeline grants that.
func (g *gateway) pipelineKeys(t *testing.T) {
	f := func(key, path, body string, status int, want string) {
		t.Helper()
		if got, answer, _ := g.sent(key, path, "application/json", body); got != status || !strings.Contains(answer, want) {
			t.Errorf("%s of %s: %d %s; want %d, %q", path, key, got, answer, status, want)
		}
	}
	const input, chat = `{"input": {"text": "x"}}`, `{"model": "pipeline/two", "messages": [{"role": "user", "content": "x"}]}`
	f("sb-narrow-0123456789", "/v1/pipelines/two", input, 403, `"param":"steps.`)
	f("sb-narrow-0123456789", "/v1/pipelines/two", input, 403, "key_not_for_model")
	f("sb-narrow-0123456789", "/v1/pipelines/granted", input, 200, `"output":"a x b x"`)
	f("sb-chatty-0123456789", "/v1/pipelines/two", input, 403, "key_not_for_operation")
	f("sb-chatty-0123456789", "/v1/chat/completions", chat, 403, "key_not_for_operation")
	f("sb-nobody-0123456789", "/v1/pipelines/two", input, 401, "invalid_api_key")
	f(callerKey, "/v1/pipelines/too", input, 404, `did you mean \"two\"?`)
	f(callerKey, "/v1/pipelines/two", `{"input": {}}`, 400, `"param":"input.text"`)
	f(callerKey, "/v1/pipelines/two", `{"input": {"text": "x"}, "stream": "yes"}`, 400, "stream must be true or false")
	f(callerKey, "/v1/pipelines", ``, 404, "unknown_path")
	f(callerKey, "/v1/chat/completions", `{"model": "pipeline/nothing", "messages": []}`, 404, "pipeline_not_found")
}

// pipelineForms: files come as parts, and what is none is refused.
func (g *gateway) pipelineForms(t *testing.T) {
	f := func(fill func(*multipart.Writer), status int, want string) {
		t.Helper()
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		fill(w)
		_ = w.Close() // into memory
		if got, answer, _ := g.sent(callerKey, "/v1/pipelines/heard", w.FormDataContentType(), b.String()); got != status || !strings.Contains(answer, want) {
			t.Errorf("%d %.300s; want %d, %q", got, answer, status, want)
		}
	}
	file := func(name, path string, size int) func(*multipart.Writer) {
		return func(w *multipart.Writer) {
			p, _ := w.CreateFormFile(name, path)
			_, _ = p.Write(bytes.Repeat([]byte("x"), size))
		}
	}
	f(file("sound", "a.wav", 16000), 200, `"output":"16000 bytes of audio, 1000 ms"`)
	f(file("sound", "a.wav", 3<<20), 200, `"output":"3145728 bytes of audio`)
	f(file("sound", "a.png", 100), 400, "is a file of type image/png, and must be audio")
	f(file("noise", "a.wav", 100), 400, `"param":"input.sound"`)
	f(func(w *multipart.Writer) { file("sound", "a.wav", 10)(w); _ = w.WriteField("n", "many") }, 400, `"param":"input.n"`)
	f(func(*multipart.Writer) {}, 400, `needs the input`)
	if status, answer, _ := g.sent(callerKey, "/v1/pipelines/heard", "multipart/form-data; boundary=b", "--b\r\nnonsense"); status != 400 || !strings.Contains(answer, "invalid_form") {
		t.Errorf("%d %s", status, answer)
	}
	if status, answer, _ := g.sent(callerKey, "/v1/pipelines/heard", "multipart/form-data", "x"); status != 400 {
		t.Errorf("%d %s", status, answer)
	}
}

// pipelinePictures: edits and completions are steps, a group is done for each
// picture, and each is charged as what it is.
func (g *gateway) pipelinePictures(t *testing.T) {
	const picture = `"picture": "data:image/png;base64,iVBORw0KGgo="`
	status, body, header := g.sent(callerKey, "/v1/pipelines/drawn", "application/json", `{"input": {`+picture+`}}`)
	if status != 200 || !strings.Contains(body, `"types":["image/png","image/png"]`) || !strings.Contains(body, `"said":"image/png"`) {
		t.Fatalf("%d %.2000s", status, body)
	}
	costs := map[string]int{}
	for _, r := range g.lines("parent=" + header.Get("X-Signalbox-Request-Id")) {
		costs[r.Op+" "+string(r.Cost)]++
	}
	if costs["image-edits 0.02"] != 1 || costs["image-edits 0.01"] != 2 || len(costs) != 3 {
		t.Errorf("the rows are %v", costs)
	}
	for input, want := range map[string]string{`, "n": 9`: "pipeline_budget_exceeded", `, "n": 11`: "give a whole number from 1 to 10"} {
		if status, body, _ := g.sent(callerKey, "/v1/pipelines/drawn", "application/json", `{"input": {`+picture+input+`}}`); status < 400 || !strings.Contains(body, want) || !strings.Contains(body, `"param":"steps.edit`) {
			t.Errorf("%s: %d %.500s", input, status, body)
		}
	}
	if _, plan, _ := g.sent(callerKey, "/v1/pipelines/drawn?dry_run=true", "application/json", ``); !strings.Contains(plan, `"deadline":"10m0s"`) || !strings.Contains(plan, `"max_items":100`) {
		t.Errorf("the plan is %s", plan)
	}
}

// pipelineMoney: neither the run's budget nor the key's is overspent, whatever
// runs at a time, and the refusal names step and amount.
func (g *gateway) pipelineMoney(t *testing.T) {
	const input = `{"input": {"text": "x"}}`
	status, body, _ := g.sent(callerKey, "/v1/pipelines/tight", "application/json", input)
	if status != 402 || !strings.Contains(body, "pipeline_budget_exceeded") || !strings.Contains(body, `"param":"steps.`) || !strings.Contains(body, "0.15 USD") {
		t.Errorf("%d %s", status, body)
	}
	var wg sync.WaitGroup
	var refused atomic.Int64
	for range 8 {
		wg.Go(func() {
			if status, body, _ := g.sent("sb-poor-0123456789", "/v1/pipelines/two", "application/json", input); status == 402 && strings.Contains(body, "budget_exceeded") {
				refused.Add(1)
			} else if status != 200 {
				t.Errorf("%d %s", status, body)
			}
		})
	}
	wg.Wait()
	if spent := g.usageOf("?key=poor").Nano; spent > 250_000_000 || refused.Load() == 0 {
		t.Errorf("a budget of 0.25 USD: %d nano-dollars are spent, %d refused", spent, refused.Load())
	}
	status, body, _ = g.sent(callerKey, "/v1/pipelines/many", "application/json", `{}`)
	var run struct {
		Cost  float64 `json:"cost_usd"`
		Steps []struct{ Items []struct{ Status string } }
	}
	if err := json.Unmarshal([]byte(body), &run); err != nil || status != 200 || len(run.Steps[0].Items) != 12 || run.Cost > 3 {
		t.Errorf("%d, %v: %s", status, err, body)
	}
	done := 0
	for _, i := range run.Steps[0].Items {
		if i.Status == "ok" {
			done++
		}
	}
	if done == 0 {
		t.Errorf("none of the items was done: %s", body)
	}
}

// pipelineStreams: one that is cut is never passed off as whole.
func (g *gateway) pipelineStreams(t *testing.T) {
	_, body, _ := g.sent(callerKey, "/v1/chat/completions", "application/json", `{"model": "pipeline/cut", "stream": true, "messages": [{"role": "user", "content": "x"}]}`)
	if !strings.Contains(body, `"content":"one "`) || !strings.Contains(body, `"error"`) || strings.Contains(body, "[DONE]") {
		t.Errorf("a cut stream: %s", body)
	}
	_, body, _ = g.sent(callerKey, "/v1/pipelines/cut?stream=true", "application/json", `{}`)
	if !strings.Contains(body, "event: error") || strings.Contains(body, "event: run\n") {
		t.Errorf("a cut stream: %s", body)
	}
	status, body, _ := g.sent(callerKey, "/v1/chat/completions", "application/json", `{"model": "pipeline/tight", "stream": true, "messages": [{"role": "user", "content": "x"}]}`)
	if status != 402 {
		t.Errorf("refused before it began: %d %s", status, body)
	}
}

// pipelineChunks: a stream is one completion: its chunks have the run's id and
// model, the usage of all steps is told once and only to who asks, and an error
// is told once.
func (g *gateway) pipelineChunks(t *testing.T) {
	f := func(model, options string, usages, errors int) {
		t.Helper()
		_, body, header := g.sent(callerKey, "/v1/chat/completions", "application/json",
			`{"model": "`+model+`", "stream": true, `+options+`"messages": [{"role": "user", "content": "x"}]}`)
		id, gotUsages, gotErrors := header.Get("X-Signalbox-Request-Id"), 0, 0
		for line := range strings.Lines(body) {
			data, ok := strings.CutPrefix(line, "data: {")
			if !ok {
				continue
			}
			var c struct {
				ID, Object, Model string
				Usage, Error      *json.RawMessage
			}
			if err := json.Unmarshal([]byte("{"+data), &c); err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			if c.Error != nil {
				gotErrors++
				continue
			}
			if c.Usage != nil {
				gotUsages++
			}
			if c.ID != id || c.Model != model || c.Object != "chat.completion.chunk" {
				t.Errorf("a chunk of %s, %s is %s", model, id, line)
			}
		}
		if told := strings.Contains(body, `: signalbox {"request_id":"`+id+`","cost_usd":0.0`) && strings.Contains(body, `,"cost":"computed",`); told != (errors == 0) {
			t.Errorf("what it has cost is not told where it is whole: %s", body)
		}
		if gotUsages != usages || gotErrors != errors {
			t.Errorf("%s: usage is told %d times, an error %d times; want %d, %d: %s", model, gotUsages, gotErrors, usages, errors, body)
		}
	}
	const asked = `"stream_options": {"include_usage": true}, `
	f("pipeline/two", asked, 1, 0)
	f("pipeline/two", "", 0, 0)
	f("pipeline/cut", asked, 0, 1)
	f("pipeline/many", asked, 1, 0) // its output comes at once
}

// pipelineSecret: who may not use a pipeline is not told that there is one.
func (g *gateway) pipelineSecret(t *testing.T) {
	f := func(method, path, body string) {
		t.Helper()
		req, err := http.NewRequest(method, g.data+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer sb-outside-0123456789")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 404 || strings.Contains(string(answer), "did you mean") {
			t.Errorf("%s %s: %d %s, %v", method, path, resp.StatusCode, answer, err)
		}
	}
	f("GET", "/v1/pipelines/two", "")
	f("GET", "/v1/pipelines/too", "")
	f("POST", "/v1/pipelines/too", `{}`)
	f("POST", "/v1/chat/completions", `{"model": "pipeline/too", "messages": []}`)
}

// pipelineLeft: a caller who leaves ends the steps.
func (g *gateway) pipelineLeft(t *testing.T) {
	f := func(path, body string) {
		t.Helper()
		const steps = "order=newest&asked=demo/slow%3Flatency_ms%3D300000"
		asked := len(g.lines(steps))
		pause := 150 * time.Millisecond
		// On a crowded machine a caller may leave before its step has begun.
		eventually(t, "the step has ended", func() bool {
			pause *= 2
			ctx, cancel := context.WithTimeout(context.Background(), pause)
			defer cancel()
			req, _ := http.NewRequestWithContext(ctx, "POST", g.data+path, strings.NewReader(body))
			req.Header.Set("Authorization", "Bearer "+callerKey)
			if resp, err := client.Do(req); err == nil {
				_, _ = io.ReadAll(resp.Body)
				resp.Body.Close()
			}
			time.Sleep(pause) // for its row
			return len(g.lines(steps)) > asked
		})
		if rows := g.lines(steps); rows[0].Status != 499 {
			t.Errorf("%s: the step's row is %+v", path, rows[0])
		}
	}
	f("/v1/pipelines/slow", `{}`)
	f("/v1/pipelines/slow?stream=true", `{}`)
	f("/v1/chat/completions", `{"model": "pipeline/slow", "stream": true, "messages": [{"role": "user", "content": "one two three four five"}]}`)
}

// pipelineReload: a pipeline that is wrong leaves the last good one, and says
// where it is wrong.
func (g *gateway) pipelineReload(t *testing.T) {
	reload := func() (int, string) { return g.adminDo("POST", "/admin/reload", "") }
	g.write(strings.Replace(pipelineConfig, "{{ a.text }} {{ b.text }}", "{{ a.txt }} {{ d.text }}", 1))
	if status, body := reload(); status == 200 || !strings.Contains(body, `pipelines.two.steps[1].with.prompt (step \"c\")`) {
		t.Errorf("%d %s", status, body)
	}
	if status, body, _ := g.sent(callerKey, "/v1/pipelines/two", "application/json", `{"input": {"text": "x"}}`); status != 200 || !strings.Contains(body, "a x b x") {
		t.Errorf("%d %s", status, body)
	}
	g.write(strings.Replace(pipelineConfig, "{{ a.text }} {{ b.text }}", "new {{ a.text }}", 1))
	if status, body := reload(); status != 200 {
		t.Errorf("%d %s", status, body)
	}
	if status, body, _ := g.sent(callerKey, "/v1/pipelines/two", "application/json", `{"input": {"text": "x"}}`); status != 200 || !strings.Contains(body, `"output":"new a x"`) {
		t.Errorf("%d %s", status, body)
	}
	if _, body, _ := g.sent(callerKey, "/v1/pipelines/two", "application/json", fmt.Sprintf(`{"input": {"text": %q}}`, strings.Repeat("x", 2<<20))); !strings.Contains(body, "more than 1048576") {
		t.Errorf("%.300s", body)
	}
}

// pipelineAdmin: operators see pipelines and runs, those before a restart by
// their rows of the ledger.
func (g *gateway) pipelineAdmin(t *testing.T) {
	_, body, header := g.sent(callerKey, "/v1/pipelines/granted", "application/json", `{"input": {"text": "x"}}`)
	id := header.Get("X-Signalbox-Request-Id")
	f := func(path string, status int, want ...string) {
		t.Helper()
		got, answer := g.adminDo("GET", "/admin/pipelines"+path, "")
		for _, w := range want {
			if got != status || !strings.Contains(answer, w) {
				t.Errorf("%s: %d %s; want %d, %q", path, got, answer, status, w)
			}
		}
	}
	cost := `"cost_usd":` + header.Get("X-Signalbox-Cost-Usd")
	f("", 200, `"name":"granted"`, `"last_run":{"id":"`+id)
	f("/granted", 200, `{"from":"input.text","to":"a","field":"with.prompt"}`, `"grant":"steps"`, `"spec":{`)
	f("/granted/plan", 200, `"object":"pipeline.plan"`)
	f("/granted/runs", 200, `"id":"`+id, `"key":"dev"`, cost)
	f("/runs/"+id, 200, `"name":"both"`, cost)
	f("/nothing", 404, "there is no pipeline")
	f("/granted/nothing", 404, "there are runs and plan")
	f("/granted/runs?limit=x", 400, "no number from 1 to 200")
	f("/runs/nothing", 404, "run_unknown")
	if strings.Contains(body, "a x") { // what it gave is kept nowhere
		if _, kept := g.adminDo("GET", "/admin/pipelines/runs/"+id, ""); strings.Contains(kept, "a x") {
			t.Errorf("the run is kept with its output: %s", kept)
		}
	}
	g.stop()
	g.start()
	f("/granted/runs", 200, `"id":"`+id, `"key":"dev"`, cost)
	f("/runs/"+id, 200, `"name":"a"`, `"name":"c"`, `"model":"demo/echo"`, cost)
}
