package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Prices and sizes that make sums easy to see: an answer of the upstream costs
// exactly what the worst case of the request is.
const (
	answerTokens = 100 // of every whole answer, and the max_tokens asked for
	outputPrice  = 10  // dollars per million tokens; the prompt is free
	answerNano   = answerTokens * outputPrice * 1000
)

// upstream is an OpenAI-compatible service that keeps its own bill.
type upstream struct {
	*httptest.Server
	billed atomic.Int64 // nano-dollars
	calls  atomic.Int64
	gone   chan struct{} // a request's caller left before the answer
	block  chan struct{} // requests with "block" in them wait for it
	mu     sync.Mutex
	leaked []string // caller's credentials that arrived
	last   http.Header
}

func newUpstream(t *testing.T) *upstream {
	u := &upstream{gone: make(chan struct{}, 1000), block: make(chan struct{})}
	u.Server = httptest.NewServer(http.HandlerFunc(u.serve))
	t.Cleanup(func() {
		u.CloseClientConnections()
		u.Close()
		u.mu.Lock()
		defer u.mu.Unlock()
		for _, l := range u.leaked {
			t.Errorf("the upstream was sent a caller's credential: %s", l)
		}
	})
	return u
}

func (u *upstream) serve(w http.ResponseWriter, r *http.Request) {
	u.calls.Add(1)
	u.inspect(r)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	var req struct {
		Model    string
		Stream   bool
		Messages []struct{ Content string }
	}
	if err := json.Unmarshal(body, &req); err != nil || len(req.Messages) == 0 {
		http.Error(w, `{"error":{"message":"bad request","type":"invalid_request_error","param":null,"code":null}}`, 400)
		return
	}
	text := req.Messages[len(req.Messages)-1].Content
	if strings.Contains(text, "block") {
		select {
		case <-r.Context().Done():
			u.gone <- struct{}{}
			return
		case <-u.block:
		}
	}
	if strings.Contains(text, "slow") {
		time.Sleep(20 * time.Millisecond)
	}
	if req.Stream {
		u.stream(w, r, text)
		return
	}
	tokens := answerTokens
	if strings.Contains(text, "half") {
		tokens /= 2
	}
	u.billed.Add(int64(tokens) * outputPrice * 1000)
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"id":"c","object":"chat.completion","created":1,"model":%q,"choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}],"usage":{"prompt_tokens":0,"completion_tokens":%d,"total_tokens":%d}}`,
		req.Model, tokens, tokens)
}

func (u *upstream) stream(w http.ResponseWriter, r *http.Request, text string) {
	w.Header().Set("Content-Type", "text/event-stream")
	event := func(format string, args ...any) {
		fmt.Fprintf(w, "data: "+format+"\n\n", args...)
		w.(http.Flusher).Flush()
	}
	event(`{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"a"},"finish_reason":null}]}`)
	if strings.Contains(text, "endless") {
		for {
			select {
			case <-r.Context().Done():
				u.gone <- struct{}{}
				return
			case <-time.After(5 * time.Millisecond):
				event(`{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}]}`)
			}
		}
	}
	u.billed.Add(answerNano)
	event(`{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`)
	event(`{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":0,"completion_tokens":%d,"total_tokens":%d}}`, answerTokens, answerTokens)
	event(`[DONE]`)
}

// seen are the headers of the last request.
func (u *upstream) seen() http.Header {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.last
}

// inspect notes whatever of the caller's should have been stripped.
func (u *upstream) inspect(r *http.Request) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.last = r.Header.Clone()
	if got := r.Header.Get("Authorization"); got != "Bearer "+providerKey {
		u.leaked = append(u.leaked, "Authorization: "+got)
	}
	for _, name := range []string{"X-Api-Key", "X-Goog-Api-Key", "Cookie"} {
		if v := r.Header.Get(name); v != "" {
			u.leaked = append(u.leaked, name+": "+v)
		}
	}
	if r.URL.RawQuery != "" {
		u.leaked = append(u.leaked, "query "+r.URL.RawQuery)
	}
}
