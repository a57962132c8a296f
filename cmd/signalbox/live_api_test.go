package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// liveAPI stands in for the admin API of a gateway: its answers by path, and
// what it tells those who watch.
type liveAPI struct {
	*httptest.Server
	answers map[string]string

	mu      sync.Mutex
	asked   []string // queries of those who watch
	streams chan chan string
}

// newLiveAPI serves answers. Each that watches gets the next of streams: what
// is sent to it is written, and its end ends the answer.
func newLiveAPI(t *testing.T, answers map[string]string) *liveAPI {
	t.Helper()
	api := &liveAPI{answers: answers, streams: make(chan chan string, 8)}
	api.Server = httptest.NewServer(http.HandlerFunc(api.serve))
	t.Cleanup(func() {
		api.CloseClientConnections()
		api.Close()
	})
	return api
}

func (api *liveAPI) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/admin/live" {
		body, ok := api.answers[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			body = `{"error":{"code":"not_found","message":"there is no such thing"}}`
		}
		fmt.Fprint(w, body)
		return
	}
	api.mu.Lock()
	api.asked = append(api.asked, r.URL.RawQuery)
	api.mu.Unlock()
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	var stream chan string
	select {
	case stream = <-api.streams:
	case <-r.Context().Done():
		return
	}
	for {
		select {
		case text, ok := <-stream:
			if !ok {
				return
			}
			fmt.Fprint(w, text)
			w.(http.Flusher).Flush()
		case <-r.Context().Done():
			return
		}
	}
}

// args are the flags that lead to it.
func (api *liveAPI) args(args ...string) []string {
	return append(args, "--address", api.URL, "--token", "a-token-of-an-admin")
}

// event writes one.
func event(name, data string) string { return "event: " + name + "\ndata: " + data + "\n\n" }

// passedJSON is a request as the gateway tells of it.
func passedJSON(n int, at time.Time, key, model, rest string) string {
	return fmt.Sprintf(`{"id":%q,"time":%q,"key_id":"gw_1","key":%q,"team":"core","op":"chat","asked":"fast","model":%q,`+rest+`}`,
		call.ID(n).String(), at.UTC().Format("2006-01-02T15:04:05.000Z07:00"), key, model)
}

// fields of passedJSON.
const (
	fine    = `"status":200,"duration_us":12000,"tokens":{"total":30},"cost_usd":0.00021`
	tooMany = `"status":429,"class":"rate_limit","code":"rate_limited","duration_us":900,"tokens":{"total":0},"cost_usd":0`
)

// liveAnswers are those that top polls.
func liveAnswers() map[string]string {
	return map[string]string{
		"/admin/status":      `{"providers":[{"provider":"demo","state":"running","in_flight":3,"restarts":0},{"provider":"openai","state":"running","in_flight":1,"restarts":2}]}`,
		"/admin/credentials": `{"credentials":[{"provider":"openai","name":"main","state":"usable","requests":{"left":4000,"limit":10000},"tokens":{"left":20000,"limit":200000}}]}`,
		"/admin/budgets": `{"budgets":[{"scope":"key/web","unit":"usd_nano","window":"1 day UTC","max":5000000000,"spent":1000000000,"reserved":500000000},` +
			`{"scope":"team/core","unit":"usd_nano","window":"1 month UTC","max":100000000000,"spent":99000000000,"reserved":0}]}`,
		"/metrics":      "# HELP x y\nsignalbox_breaker_state{target=\"openai/gpt-4o\"} 2\nsignalbox_breaker_state{target=\"openai/gpt-4o-mini\"} 0\n",
		"/admin/nodes":  `{"nodes":[{"name":"one","number":0,"self":true},{"name":"two","number":1}]}`,
		"/admin/ledger": "",
	}
}

// eventsText is a second, and what passed in it.
func liveEvents(at time.Time) string {
	var b strings.Builder
	for i := range 20 {
		b.WriteString(event("request", passedJSON(i, at, "web", "demo/echo", fine)))
	}
	b.WriteString(event("request", passedJSON(30, at, "batch", "openai/gpt-4o", `"status":200,"duration_us":2400000,"tokens":{"total":5200},"cost_usd":0.0413`)))
	b.WriteString(event("request", passedJSON(31, at, "batch", "openai/gpt-4o", tooMany)))
	b.WriteString(event("second", fmt.Sprintf(`{"time":%q,"requests":22,"errors":1,"tokens":5800,"cost_usd":0.0455,"p50_ms":12,"p95_ms":12,"running":4}`, at.UTC().Format(time.RFC3339))))
	return b.String()
}
