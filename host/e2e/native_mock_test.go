package e2e_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
)

// halfNano is what the service bills for an answer in a batch.
const halfNano = answerNano / 2

// batcher is OpenAI's files and batches: it reads and answers by the types of
// OpenAI's own client, and keeps its own bill, at half price.
type batcher struct {
	t    *testing.T
	door *httptest.Server

	mu      sync.Mutex
	files   map[string]string
	batches []*openai.Batch
	created int
	billed  int64 // nano-dollars
	ids     map[string]int
	calls   map[string]int           // by "METHOD /path/*"
	stalls  map[string]chan struct{} // that calls wait for, by the same
	reached chan string              // that a stalled call has come

	hold   bool   // batches do not get on
	end    string // how they end, "": well
	refuse string // the code that creation is refused with
	done   int    // lines carried out of those that end early
}

func newBatcher(t *testing.T) *batcher {
	b := bareBatcher(t)
	m := http.NewServeMux()
	m.HandleFunc("POST /v1/files", b.wait(b.upload))
	m.HandleFunc("GET /v1/files/{id}/content", b.wait(b.content))
	m.HandleFunc("DELETE /v1/files/{id}", b.wait(b.remove))
	m.HandleFunc("POST /v1/batches", b.wait(b.create))
	m.HandleFunc("GET /v1/batches", b.wait(b.list))
	m.HandleFunc("GET /v1/batches/{id}", b.wait(b.get))
	m.HandleFunc("POST /v1/batches/{id}/cancel", b.wait(b.cancel))
	b.open(m)
	return b
}

// bareBatcher is one that serves nothing yet.
func bareBatcher(t *testing.T) *batcher {
	return &batcher{t: t, files: map[string]string{}, ids: map[string]int{}, calls: map[string]int{}, stalls: map[string]chan struct{}{}, reached: make(chan string, 100)}
}

// open serves m.
func (b *batcher) open(m *http.ServeMux) {
	m.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		b.note(r.Method + " " + r.URL.Path)
		http.Error(w, `{"error":{"message":"there is no such path","type":"invalid_request_error"}}`, 404)
	})
	b.door = httptest.NewServer(m)
	b.t.Cleanup(func() { b.door.CloseClientConnections(); b.door.Close() })
}

// wait counts calls and lets those wait that are to.
func (b *batcher) wait(f http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		stall := b.note(r.Pattern)
		if stall != nil {
			most := int64(100 << 20) // all of a batch
			if r.Pattern == "POST /v1/files" {
				most = 1000 // a part of a file
			}
			head, _ := io.ReadAll(io.LimitReader(r.Body, most))
			r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(head), r.Body))
			b.reached <- r.Pattern
			<-stall
			if r.Method == http.MethodGet { // who asked is dead
				return
			}
		}
		f(w, r)
	}
}

func (b *batcher) note(what string) chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls[what]++
	s := b.stalls[what]
	delete(b.stalls, what)
	return s
}

// stall makes the next call of that pattern wait; the function lets it go on.
func (b *batcher) stall(pattern string) (release func()) {
	c := make(chan struct{})
	b.mu.Lock()
	b.stalls[pattern] = c
	b.mu.Unlock()
	free := sync.OnceFunc(func() { close(c) })
	b.t.Cleanup(free)
	return free
}

func (b *batcher) answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		b.t.Errorf("BUG: the mock cannot answer: %v", err)
	}
}

func (b *batcher) upload(w http.ResponseWriter, r *http.Request) {
	file, head, err := r.FormFile("file")
	if err != nil || r.FormValue("purpose") != "batch" {
		http.Error(w, `{"error":{"message":"no file","type":"invalid_request_error"}}`, 400)
		return
	}
	text, err := io.ReadAll(file)
	if err != nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	id := fmt.Sprintf("file-%d", len(b.files)+1)
	b.files[id] = string(text)
	b.answer(w, map[string]any{"id": id, "object": "file", "bytes": len(text), "created_at": time.Now().Unix(), "filename": head.Filename, "purpose": "batch", "status": "processed"})
}

func (b *batcher) content(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	text, ok := b.files[r.PathValue("id")]
	b.mu.Unlock()
	if !ok {
		http.Error(w, `{"error":{"message":"no such file","type":"invalid_request_error"}}`, 404)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	b.halves(w, r, text)
}

// halves answers with text, and may be stalled amid it.
func (b *batcher) halves(w http.ResponseWriter, r *http.Request, text string) {
	half := len(text) / 2
	_, _ = io.WriteString(w, text[:half])
	w.(http.Flusher).Flush()
	if s := b.note("half " + r.Pattern); s != nil {
		b.reached <- "half " + r.Pattern
		<-s
	}
	_, _ = io.WriteString(w, text[half:])
}

func (b *batcher) remove(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	id := r.PathValue("id")
	b.files[id] = ""
	b.answer(w, map[string]any{"id": id, "object": "file", "deleted": true})
}

func (b *batcher) create(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var q openai.BatchNewParams
	if err != nil || json.Unmarshal(body, &q) != nil {
		b.t.Errorf("a batch cannot be read by OpenAI's types: %s", body)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuse != "" {
		http.Error(w, fmt.Sprintf(`{"error":{"message":"the service takes no batch","type":"invalid_request_error","code":%q}}`, b.refuse), 400)
		return
	}
	b.created++
	v := &openai.Batch{ID: fmt.Sprintf("batch_%d", b.created), Object: "batch", Endpoint: string(q.Endpoint), InputFileID: q.InputFileID,
		CompletionWindow: string(q.CompletionWindow), Status: openai.BatchStatusValidating, CreatedAt: time.Now().Unix()}
	b.batches = append(b.batches, v)
	b.show(w, v)
}

// show answers with v as it stands. The client's own types have no way back to
// JSON that leaves out what is not there.
func (b *batcher) show(w http.ResponseWriter, v *openai.Batch) { b.answer(w, batchJSON(v)) }

func batchJSON(v *openai.Batch) map[string]any {
	out := map[string]any{"id": v.ID, "object": "batch", "endpoint": v.Endpoint, "input_file_id": v.InputFileID, "completion_window": v.CompletionWindow,
		"status": v.Status, "created_at": v.CreatedAt, "request_counts": map[string]any{"total": v.RequestCounts.Total, "completed": v.RequestCounts.Completed, "failed": v.RequestCounts.Failed}}
	if v.OutputFileID != "" {
		out["output_file_id"] = v.OutputFileID
	}
	if v.ErrorFileID != "" {
		out["error_file_id"] = v.ErrorFileID
	}
	if v.Status == openai.BatchStatusFailed {
		out["errors"] = map[string]any{"object": "list", "data": []any{map[string]any{"code": "token_limit_exceeded", "message": "too much is queued", "param": nil, "line": nil}}}
	}
	return out
}

func (b *batcher) list(w http.ResponseWriter, _ *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	data := []any{}
	for i := len(b.batches) - 1; i >= 0; i-- {
		data = append(data, batchJSON(b.batches[i]))
	}
	b.answer(w, map[string]any{"object": "list", "data": data, "has_more": false})
}

func (b *batcher) batch(id string) *openai.Batch {
	for _, v := range b.batches {
		if v.ID == id {
			return v
		}
	}
	return nil
}

func (b *batcher) get(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	v := b.batch(r.PathValue("id"))
	if v == nil {
		http.Error(w, `{"error":{"message":"no such batch","type":"invalid_request_error"}}`, 404)
		return
	}
	switch {
	case v.Status == openai.BatchStatusCancelling:
		b.carry(v, b.done, openai.BatchStatusCancelled)
	case b.hold && v.Status != openai.BatchStatusCompleted:
		v.Status = openai.BatchStatusInProgress
	case v.Status == openai.BatchStatusValidating && b.end == "failed":
		v.Status = openai.BatchStatusFailed
	case v.Status == openai.BatchStatusValidating:
		v.Status = openai.BatchStatusInProgress
	case v.Status == openai.BatchStatusInProgress && b.end == "expired":
		b.carry(v, b.done, openai.BatchStatusExpired)
	case v.Status == openai.BatchStatusInProgress:
		b.carry(v, 1<<30, openai.BatchStatusCompleted)
	}
	b.show(w, v)
}

func (b *batcher) cancel(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	v := b.batch(r.PathValue("id"))
	v.Status = openai.BatchStatusCancelling
	b.show(w, v)
}

// carry carries out up to most lines and ends the batch.
func (b *batcher) carry(v *openai.Batch, most int, end openai.BatchStatus) {
	var out, faulty bytes.Buffer
	lines := bufio.NewScanner(strings.NewReader(b.files[v.InputFileID]))
	lines.Buffer(nil, 1<<20)
	for n := 0; lines.Scan(); n++ {
		var q struct {
			ID   string                         `json:"custom_id"`
			URL  string                         `json:"url"`
			Body openai.ChatCompletionNewParams `json:"body"`
		}
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil || q.URL != v.Endpoint || q.Body.Model != "m" {
			b.t.Errorf("a line cannot be read by OpenAI's types, or is for something else: %v: %s", err, lines.Bytes())
			continue
		}
		v.RequestCounts.Total++
		if n >= most {
			fmt.Fprintf(&faulty, `{"id":"r%d","custom_id":%q,"response":null,"error":{"code":"batch_%s","message":"it was not executed"}}`+"\n", n, q.ID, end)
			continue
		}
		if strings.Contains(string(lines.Bytes()), "faulty") {
			v.RequestCounts.Failed++
			fmt.Fprintf(&faulty, `{"id":"r%d","custom_id":%q,"response":{"status_code":400,"request_id":"x","body":{"error":{"message":"bad","type":"invalid_request_error"}}},"error":null}`+"\n", n, q.ID)
			continue
		}
		v.RequestCounts.Completed++
		b.ids[q.ID]++
		b.billed += halfNano
		fmt.Fprintf(&out, `{"id":"r%d","custom_id":%q,"response":{"status_code":200,"request_id":"x","body":{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}],"usage":{"prompt_tokens":0,"completion_tokens":%d,"total_tokens":%d}}},"error":null}`+"\n",
			n, q.ID, answerTokens, answerTokens)
	}
	v.Status = end
	if out.Len() > 0 {
		v.OutputFileID = v.ID + "-out"
		b.files[v.OutputFileID] = out.String()
	}
	if faulty.Len() > 0 {
		v.ErrorFileID = v.ID + "-err"
		b.files[v.ErrorFileID] = faulty.String()
	}
}

func (b *batcher) free() {
	b.mu.Lock()
	b.hold = false
	b.mu.Unlock()
}

// count is how often the pattern was called.
func (b *batcher) count(pattern string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls[pattern]
}
