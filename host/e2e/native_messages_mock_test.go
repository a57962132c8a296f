package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
)

// messenger is Anthropic's batches of messages: it reads by the types of
// Anthropic's own client, and keeps its own bill, at half price.
type messenger struct {
	*batcher
	sent []*messageBatch
}

// messageBatch is one that was made.
type messageBatch struct {
	id        string
	made      time.Time
	status    anthropic.MessageBatchProcessingStatus
	cancelled bool
	requests  []anthropic.MessageBatchNewParamsRequest
	counts    map[string]int
	results   string
}

func newMessenger(t *testing.T) *messenger {
	m := &messenger{batcher: bareBatcher(t)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/messages/batches", m.wait(m.create))
	mux.HandleFunc("GET /v1/messages/batches", m.wait(m.list))
	mux.HandleFunc("GET /v1/messages/batches/{id}", m.wait(m.one(func(*messageBatch) {})))
	mux.HandleFunc("POST /v1/messages/batches/{id}/cancel", m.wait(m.one((*messageBatch).cancel)))
	mux.HandleFunc("GET /v1/messages/batches/{id}/results", m.wait(m.content))
	mux.HandleFunc("DELETE /v1/messages/batches/{id}", m.wait(m.one((*messageBatch).remove)))
	m.open(mux)
	return m
}

// config is the gateway's, with m as its provider.
func (m *messenger) config(budget string) string {
	return strings.Replace(config(m.door.URL, budget), fmt.Sprintf("adapter: openai, config: {base_url: %q}", m.door.URL+"/v1"),
		fmt.Sprintf("adapter: anthropic, config: {base_url: %q, batches: true}", m.door.URL), 1)
}

func (m *messenger) fault(w http.ResponseWriter, status int, kind, message string) {
	w.WriteHeader(status)
	m.answer(w, map[string]any{"type": "error", "error": map[string]any{"type": kind, "message": message}, "request_id": nil})
}

var messageID = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)

func (m *messenger) create(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil { // its sender is dead
		return
	}
	var q anthropic.MessageBatchNewParams
	if r.Header.Get("X-Api-Key") != providerKey || r.Header.Get("Content-Type") != "application/json" || json.Unmarshal(body, &q) != nil {
		m.t.Errorf("a batch cannot be read by Anthropic's types, or is nobody's: %v: %.1000s", r.Header, body)
		return
	}
	seen := map[string]bool{}
	for _, p := range q.Requests {
		if !messageID.MatchString(p.CustomID) || seen[p.CustomID] || p.Params.Model != "m" || p.Params.MaxTokens != answerTokens || len(p.Params.Messages) != 1 {
			m.t.Errorf("a request is not as it is to be: %+v", p)
		}
		seen[p.CustomID] = true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refuse != "" {
		m.fault(w, 400, m.refuse, "the service takes no batch")
		return
	}
	m.created++
	b := &messageBatch{id: fmt.Sprintf("msgbatch_%d", m.created), made: time.Now(), status: anthropic.MessageBatchProcessingStatusInProgress, requests: q.Requests,
		counts: map[string]int{"processing": len(q.Requests)}}
	m.sent = append(m.sent, b)
	m.answer(w, b.json())
}

func (b *messageBatch) json() map[string]any {
	counts := map[string]int{"processing": 0, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}
	for name, n := range b.counts {
		counts[name] = n
	}
	out := map[string]any{"id": b.id, "type": "message_batch", "processing_status": b.status, "request_counts": counts, "created_at": b.made.UTC().Format(time.RFC3339Nano),
		"expires_at": b.made.Add(24 * time.Hour).UTC().Format(time.RFC3339Nano), "ended_at": nil, "cancel_initiated_at": nil, "archived_at": nil, "results_url": nil}
	if b.cancelled {
		out["cancel_initiated_at"] = out["created_at"]
	}
	if b.status == anthropic.MessageBatchProcessingStatusEnded {
		out["ended_at"], out["results_url"] = out["created_at"], "https://api.anthropic.com/v1/messages/batches/"+b.id+"/results"
	}
	return out
}

func (b *messageBatch) cancel() {
	b.cancelled = true
	if b.status == anthropic.MessageBatchProcessingStatusInProgress {
		b.status = anthropic.MessageBatchProcessingStatusCanceling
	}
}

func (b *messageBatch) remove() { b.results = "" }

// goOn brings a batch as far as it gets by now.
func (m *messenger) goOn(b *messageBatch) {
	switch {
	case b.status == anthropic.MessageBatchProcessingStatusCanceling:
		m.carry(b, m.done, "canceled")
	case b.status == anthropic.MessageBatchProcessingStatusEnded || m.hold:
	case m.end == "expired":
		m.carry(b, m.done, "expired")
	default:
		m.carry(b, len(b.requests), "")
	}
}

func (m *messenger) list(w http.ResponseWriter, _ *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data := []any{}
	for i := len(m.sent) - 1; i >= 0; i-- {
		m.goOn(m.sent[i])
		data = append(data, m.sent[i].json())
	}
	m.answer(w, map[string]any{"data": data, "has_more": false, "first_id": nil, "last_id": nil})
}

// one serves requests about one batch, of which do is done.
func (m *messenger) one(do func(*messageBatch)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, b := range m.sent {
			if b.id == r.PathValue("id") {
				m.goOn(b)
				do(b)
				m.answer(w, b.json())
				return
			}
		}
		m.fault(w, 404, "not_found_error", "no such batch")
	}
}

func (m *messenger) content(w http.ResponseWriter, r *http.Request) {
	text := ""
	m.mu.Lock()
	for _, b := range m.sent {
		if b.id == r.PathValue("id") {
			text = b.results
		}
	}
	m.mu.Unlock()
	if text == "" {
		m.fault(w, 404, "not_found_error", "no results")
		return
	}
	w.Header().Set("Content-Type", "application/x-jsonl")
	m.halves(w, r, text)
}

// carry carries out up to most requests, the last ones first, and ends the
// batch with rest as the fate of the others.
func (m *messenger) carry(b *messageBatch, most int, rest string) {
	var out strings.Builder
	b.counts = map[string]int{}
	for i := len(b.requests) - 1; i >= 0; i-- {
		q := &b.requests[i]
		fate := "succeeded"
		result := fmt.Sprintf(`{"type":"succeeded","message":{"id":"msg_%d","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"ok"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":0,"output_tokens":%d,"service_tier":"batch"}}}`, i, answerTokens)
		switch text := q.Params.Messages[0].Content[0].OfText; {
		case text != nil && strings.Contains(text.Text, "faulty"):
			fate, result = "errored", `{"type":"errored","error":{"type":"error","error":{"type":"invalid_request_error","message":"bad, as it says"},"request_id":null}}`
		case most == 0:
			fate, result = rest, fmt.Sprintf(`{"type":%q}`, rest)
		default:
			most--
			m.ids[q.CustomID]++
			m.billed += halfNano
		}
		b.counts[fate]++
		fmt.Fprintf(&out, `{"custom_id":%q,"result":%s}`+"\n", q.CustomID, result)
	}
	b.results, b.status = out.String(), anthropic.MessageBatchProcessingStatusEnded
}
