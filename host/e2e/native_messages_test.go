package e2e_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/openai/openai-go/v3"
)

// TestNativeMessages: a batch of chat completions that Anthropic can have is
// carried out there, at half price, and three sums agree; answers and errors
// are the caller's dialect's.
func TestNativeMessages(t *testing.T) {
	t.Parallel()
	up := newMessenger(t)
	g := newGateway(t, up.config("1000")+"budget: {unbounded_usd: 5}\n") // which is for what callers make of a provider, not for this
	const lines = 300
	a := g.over(g.native(g.upload(strings.Replace(batchInput(lines), `line 7"`, `faulty"`, 1))).ID)
	up.check(g, a, lines, map[string]int{"": lines - 1, "400": 1})
	up.agree(g, a.ID)
	if r := g.row(a.ID); a.Status != "completed" || r.Mode != "native" || r.Provider != "up" || r.ProviderStatus != "completed" {
		t.Errorf("the batch ended as %+v, %+v", a, r)
	}
	if up.created != 1 || up.count("POST /v1/messages") != 0 || up.billed != (lines-1)*halfNano || up.count("DELETE /v1/messages/batches/{id}") != 1 {
		t.Errorf("%d batches were made, %d requests, for %d; %d were removed", up.created, up.count("POST /v1/messages"), up.billed, up.count("DELETE /v1/messages/batches/{id}"))
	}
	type result struct {
		Response struct{ Body json.RawMessage }
	}
	first := func(file string) (r result) {
		text := g.well("GET", "/v1/files/"+file+"/content", "", nil, nil)
		line, _, _ := bytes.Cut(text, []byte("\n"))
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	var done openai.ChatCompletion
	if r := first(a.Output); json.Unmarshal(r.Response.Body, &done) != nil || len(done.Choices) != 1 || done.Choices[0].Message.Content != "ok" || done.Usage.CompletionTokens != answerTokens || done.Model != "m" {
		t.Errorf("an answer is %s", r.Response.Body)
	}
	if r := first(a.Faulty); !strings.HasPrefix(string(r.Response.Body), `{"error":{"message":"bad, as it says"`) {
		t.Errorf("an error is %s", r.Response.Body)
	}
}

// TestNativeMessagesSurviveKills: whatever it was at when the gateway was
// killed, Anthropic carries out every line once, though its batches say nothing
// of whose they are until they have ended, and the sums agree.
func TestNativeMessagesSurviveKills(t *testing.T) {
	t.Parallel()
	up := newMessenger(t)
	made := func() {
		eventually(t, "the batch is made", func() bool {
			up.mu.Lock()
			defer up.mu.Unlock()
			return up.created == 1
		})
	}
	up.survives(newGateway(t, up.config("1000")), []kill{
		{pattern: "POST /v1/messages/batches", after: made},                 // nobody hears of it
		{pattern: "GET /v1/messages/batches"},                               // while it is looked for
		{pattern: "GET /v1/messages/batches/{id}/results", before: up.free}, // while it is looked whether it is the one
		{pattern: "GET /v1/messages/batches/{id}"},                          // once it is known
		{pattern: "half GET /v1/messages/batches/{id}/results"},             // amid the answers
	})
}

// TestNativeMessagesAreCancelled: at Anthropic too, and what it had carried out
// by then is paid for.
func TestNativeMessagesAreCancelled(t *testing.T) {
	t.Parallel()
	up := newMessenger(t)
	up.cancelled(newGateway(t, up.config("1000")), "POST /v1/messages/batches/{id}/cancel")
}

// TestNativeMessagesOfAnthropicsClients: what they make comes back as Anthropic
// itself would say it, a batch that has expired there included.
func TestNativeMessagesOfAnthropicsClients(t *testing.T) {
	t.Parallel()
	up := newMessenger(t)
	g := newGateway(t, up.config("1000"))
	up.end, up.done = "expired", 3
	var requests []string
	for i := range 6 {
		text := map[bool]string{true: "faulty", false: "hello"}[i == 2]
		requests = append(requests, fmt.Sprintf(`{"custom_id":"mine-%d","params":{"model":"fast","max_tokens":%d,"messages":[{"role":"user","content":[{"type":"text","text":%q}]}]}}`, i, answerTokens, text))
	}
	var b anthropic.MessageBatch
	g.well("POST", "/v1/messages/batches", "application/json", []byte(`{"requests":[`+strings.Join(requests, ",")+`]}`), &b)
	for end := time.Now().Add(time.Minute); b.ProcessingStatus != anthropic.MessageBatchProcessingStatusEnded; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the batch is not over: %+v\n%s", b, g.output())
		}
		g.well("GET", "/v1/messages/batches/"+b.ID, "", nil, &b)
	}
	if b.RequestCounts.Succeeded != 3 || b.RequestCounts.Errored != 1 || b.RequestCounts.Expired != 2 {
		t.Errorf("its counts are %+v", b.RequestCounts)
	}
	got := map[string]int{}
	lines := bufio.NewScanner(bytes.NewReader(g.well("GET", "/v1/messages/batches/"+b.ID+"/results", "", nil, nil)))
	for lines.Scan() {
		var l anthropic.MessageBatchIndividualResponse
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil || !strings.HasPrefix(l.CustomID, "mine-") {
			t.Errorf("%v: %s", err, lines.Text())
		}
		what := l.Result.Type
		switch what {
		case "succeeded":
			what += " " + l.Result.Message.Content[0].Text
		case "errored":
			what += " " + l.Result.Error.Error.Message
		}
		got[what]++
	}
	if want := map[string]int{"succeeded ok": 3, "errored bad, as it says": 1, "expired": 2}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("its results are %v; want %v", got, want)
	}
	if r := g.row(b.ID); r.Mode != "native" || r.ProviderStatus != "expired" {
		t.Errorf("it was carried out as %+v", r)
	}
	up.agree(g, b.ID)
}

// TestNativeMessagesAreRefused: what Anthropic does not take fails where the
// caller has asked for it alone, at no cost.
func TestNativeMessagesAreRefused(t *testing.T) {
	t.Parallel()
	up := newMessenger(t)
	g := newGateway(t, up.config("1000")+"batches: {mode: native}\n")
	up.refuse = "invalid_request_error"
	a := g.over(g.native(g.upload(batchInput(3))).ID)
	if a.Status != "failed" || a.Errors == nil || len(a.Errors.Data) == 0 || up.created != 0 {
		t.Errorf("it ended as %+v", a)
	}
	if spent, reserved := g.money(); spent != 0 || reserved != 0 {
		t.Errorf("%d is spent, %d reserved; want nothing", spent, reserved)
	}
}
