package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	sdk "github.com/cohere-ai/cohere-go/v2"
	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/egress"
	"github.com/signalbox-ai/signalbox/sdk/provider/providertest"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

const key = "co-secret"

// upstream is Cohere's API as the vendor's own types describe it. A request
// that those types do not know in full is refused.
type upstream struct {
	t      *testing.T
	answer func(w http.ResponseWriter)
	chat   sdk.V2ChatRequest
	embeds []sdk.V2EmbedRequest
	body   []byte
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.body, _ = io.ReadAll(r.Body)
	if r.Method != http.MethodPost || r.Header.Get("Authorization") != "Bearer "+key || r.Header.Get("User-Agent") != "" {
		u.t.Errorf("got %s %s %v", r.Method, r.URL, r.Header)
	}
	switch r.URL.Path {
	case "/v2/chat":
		u.chat = sdk.V2ChatRequest{}
		u.known(&u.chat)
	case "/v2/embed":
		u.embeds = append(u.embeds, sdk.V2EmbedRequest{})
		u.known(&u.embeds[len(u.embeds)-1])
	default:
		u.t.Errorf("got %s", r.URL)
	}
	u.answer(w)
}

// known decodes the request with the vendor's type, and encodes it again.
func (u *upstream) known(v any) {
	if err := json.Unmarshal(u.body, v); err != nil {
		u.t.Errorf("cannot decode %s: %v", u.body, err)
	}
	back, err := json.Marshal(v)
	if err != nil {
		u.t.Error(err)
	}
	var sent, again map[string]any
	_ = json.Unmarshal(u.body, &sent)
	_ = json.Unmarshal(back, &again)
	delete(sent, "stream") // a matter of the vendor's method
	delete(again, "stream")
	if !reflect.DeepEqual(sent, again) {
		u.t.Errorf("the vendor's type knows %s\nof %s", back, u.body)
	}
}

func start(t *testing.T, u *upstream, config string) *providertest.Adapter {
	t.Helper()
	up := httptest.NewServer(u)
	t.Cleanup(up.Close)
	host, err := egress.OfURL(up.URL)
	if err != nil {
		t.Fatal(err)
	}
	return providertest.Start(t, cohere{}, fmt.Sprintf(`{"base_url":%q%s}`, up.URL, config), host)
}

func says(status int, body string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Trial-Endpoint-Call-Limit", "20")
		w.Header().Set("X-Trial-Endpoint-Call-Remaining", "19")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// written is an answer by the vendor's types.
func written(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestChat(t *testing.T) {
	text := "Hello \"you\""
	answer := sdk.V2ChatResponse{Id: "a1", FinishReason: sdk.ChatFinishReasonToolCall,
		Message: &sdk.AssistantMessageResponse{
			Content:   []*sdk.AssistantMessageResponseContentItem{{Type: "text", Text: &sdk.ChatTextContent{Text: text}}},
			ToolPlan:  sdk.String("I will look."),
			ToolCalls: []*sdk.ToolCallV2{{Id: sdk.String("f_1"), Function: &sdk.ToolCallV2Function{Name: sdk.String("f"), Arguments: sdk.String(`{"a":1}`)}}},
		},
		Usage: &sdk.Usage{BilledUnits: &sdk.UsageBilledUnits{InputTokens: sdk.Float64(5), OutputTokens: sdk.Float64(7)},
			Tokens: &sdk.UsageTokens{InputTokens: sdk.Float64(71), OutputTokens: sdk.Float64(9)}}}
	u := &upstream{t: t, answer: says(200, written(t, answer))}
	a := start(t, u, "")
	for dialect, body := range map[wire.Dialect]string{
		wire.OpenAIChat: `{"model":"m","max_tokens":9,"messages":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"q"},{"type":"image_url","image_url":{"url":"data:image/png;base64,aGk=","detail":"low"}}]},
			{"role":"assistant","reasoning_content":"p","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"r"}],
			"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"},"strict":true}}],"tool_choice":"required","seed":3,
			"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object","properties":{"a":{"type":"string"}}}}}}`,
		wire.AnthropicMessages: `{"model":"m","max_tokens":9,"system":"s","messages":[{"role":"user","content":[{"type":"document","title":"d","source":{"type":"text","media_type":"text/plain","data":"1"}},{"type":"text","text":"q"}]}]}`,
		wire.OpenAIResponses:   `{"model":"m","input":"q"}`,
		wire.GeminiGenerate:    `{"contents":[{"role":"user","parts":[{"text":"q"}]}]}`,
	} {
		got := a.Do(t, providertest.Request{Op: wire.OpChat, Dialect: dialect, Model: "command-a-03-2025", Credential: key, Body: body})
		if got.Status != 200 || !strings.Contains(got.Body, `Hello \"you\"`) || got.Usage != (wire.Usage{Input: 5, Output: 7}) || got.Header.Get("X-Signalbox-Rate") != "requests-limit=20;requests-remaining=19" {
			t.Errorf("%s: %d %s, usage %+v, %v", dialect, got.Status, got.Body, got.Usage, got.Header)
		}
		if u.chat.Model != "command-a-03-2025" {
			t.Errorf("%s: asked %s", dialect, u.body)
		}
		if d := got.Header.Get("X-Signalbox-Dropped-Params"); d != "" {
			t.Errorf("%s: dropped %s", dialect, d)
		}
	}
}

func TestStrict(t *testing.T) {
	u := &upstream{t: t, answer: func(http.ResponseWriter) { t.Error("the upstream was asked") }}
	r := providertest.Request{Op: wire.OpChat, Dialect: wire.OpenAIChat, Model: "command-a-03-2025", Credential: key, Header: http.Header{"X-Signalbox-Strict": {"1"}},
		Body: `{"model":"m","logprobs":true,"user":"u","messages":[{"role":"user","content":"q"}]}`}
	a := start(t, u, "").Do(t, r)
	if a.Status != 400 || !strings.Contains(a.Body, "unsupported_params") || !strings.Contains(a.Body, "user, logprobs") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

func event(b *bytes.Buffer, typ string, v any) {
	raw, _ := json.Marshal(v)
	fmt.Fprintf(b, "event: %s\ndata: %s\n\n", typ, raw)
}

func TestStream(t *testing.T) {
	var sse bytes.Buffer
	event(&sse, "message-start", sdk.V2ChatStreamResponse{Type: "message-start", MessageStart: &sdk.ChatMessageStartEvent{Id: sdk.String("a1")}})
	for _, s := range []string{"Hel", "lo"} {
		event(&sse, "content-delta", sdk.V2ChatStreamResponse{Type: "content-delta", ContentDelta: &sdk.ChatContentDeltaEvent{Index: sdk.Int(0),
			Delta: &sdk.ChatContentDeltaEventDelta{Message: &sdk.ChatContentDeltaEventDeltaMessage{Content: &sdk.ChatContentDeltaEventDeltaMessageContent{Text: sdk.String(s)}}}}})
	}
	reason := sdk.ChatFinishReasonComplete
	cut := sse.Len()
	event(&sse, "message-end", sdk.V2ChatStreamResponse{Type: "message-end", MessageEnd: &sdk.ChatMessageEndEvent{Delta: &sdk.ChatMessageEndEventDelta{FinishReason: &reason,
		Usage: &sdk.Usage{BilledUnits: &sdk.UsageBilledUnits{InputTokens: sdk.Float64(5), OutputTokens: sdk.Float64(7)}}}}})
	f := func(body string, whole bool) {
		t.Helper()
		u := &upstream{t: t, answer: func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, body)
		}}
		r := providertest.Request{Op: wire.OpChat, Dialect: wire.OpenAIChat, Model: "command-a-03-2025", Credential: key,
			Body: `{"model":"m","stream":true,"messages":[{"role":"user","content":"q"}]}`}
		resp, err := start(t, u, "").Client.Do(r.HTTP(t))
		if err != nil && !whole {
			return // cut before anything was sent
		} else if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		raw, err := io.ReadAll(resp.Body)
		if done := strings.Contains(string(raw), "[DONE]"); done != whole || (err == nil) != whole {
			t.Errorf("%q came as %q, %v", body, raw, err)
		}
	}
	f(sse.String(), true)
	f(sse.String()[:cut], false)
	f("data: {\"message\":\"oops\"}\n\n", false)
}

func TestEmbeddings(t *testing.T) {
	u := &upstream{t: t, answer: says(200, `{"id":"e","embeddings":{"float":[[0.5,-1]]},"texts":["a"],"meta":{"api_version":{"version":"2"},"billed_units":{"input_tokens":3}}}`)}
	a := start(t, u, `,"input_type":"search_query"`)
	f := func(body string, inputType sdk.EmbedInputType, want string) {
		t.Helper()
		got := a.Do(t, providertest.Request{Op: wire.OpEmbeddings, Dialect: wire.OpenAIEmbeddings, Model: "embed-v4.0", Credential: key, Body: body})
		if got.Status != 200 || !strings.Contains(got.Body, want) || got.Usage != (wire.Usage{Input: 3}) || got.Header.Get("X-Signalbox-Rate") == "" {
			t.Errorf("%d %s, usage %+v", got.Status, got.Body, got.Usage)
		}
		if q := u.embeds[len(u.embeds)-1]; q.InputType != inputType || q.Model != "embed-v4.0" || !slices.Equal(q.Texts, []string{"a"}) {
			t.Errorf("asked %s", u.body)
		}
	}
	f(`{"model":"m","input":"a"}`, "search_query", `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,-1]}],"model":"m","usage":{"prompt_tokens":3,"total_tokens":3}}`)
	f(`{"model":"m","input":["a"],"input_type":"clustering","dimensions":256,"encoding_format":"base64"}`, "clustering", `"embedding":"AAAAPwAAgL8="`)
	if d := u.embeds[1].OutputDimension; d == nil || *d != 256 {
		t.Errorf("asked %s", u.body)
	}
}

func TestEmbeddingsInParts(t *testing.T) {
	u := &upstream{t: t}
	u.answer = func(w http.ResponseWriter) {
		n := len(u.embeds[len(u.embeds)-1].Texts)
		says(200, `{"embeddings":{"float":[[1]`+strings.Repeat(",[1]", n-1)+`]},"meta":{"billed_units":{"input_tokens":`+fmt.Sprint(n)+`}}}`)(w)
	}
	body := `{"model":"m","input":["x"` + strings.Repeat(`,"x"`, 199) + `]}`
	got := start(t, u, "").Do(t, providertest.Request{Op: wire.OpEmbeddings, Dialect: wire.OpenAIEmbeddings, Model: "embed-v4.0", Credential: key, Body: body})
	if got.Status != 200 || len(u.embeds) != 3 || got.Usage.Input != 200 || strings.Count(got.Body, `"index"`) != 200 {
		t.Errorf("%d in %d requests, usage %+v", got.Status, len(u.embeds), got.Usage)
	}
}

func TestClasses(t *testing.T) {
	f := func(status int, text string, want wire.Class) {
		t.Helper()
		body, _ := json.Marshal(map[string]string{"id": "x", "message": text})
		for _, r := range []providertest.Request{
			{Op: wire.OpChat, Dialect: wire.OpenAIChat, Body: `{"model":"m","messages":[{"role":"user","content":"q"}]}`},
			{Op: wire.OpEmbeddings, Dialect: wire.OpenAIEmbeddings, Body: `{"model":"m","input":"a"}`},
		} {
			r.Model, r.Credential = "m", key
			a := start(t, &upstream{t: t, answer: says(status, string(body))}, "").Do(t, r)
			if got := a.Header.Get("X-Signalbox-Error-Class"); got != want.String() || a.Status != status || !strings.Contains(a.Body, text) || a.Header.Get("X-Signalbox-Rate") == "" {
				t.Errorf("%d %s: status %d, class %q, %s; want %s", status, text, a.Status, got, a.Body, want)
			}
		}
	}
	f(400, "invalid request: message must be at least 1 token long", wire.ClassInvalid)
	f(400, "too many tokens: size limit exceeded by 11326 tokens", wire.ClassContextLength)
	f(401, "invalid api token", wire.ClassAuth)
	f(402, "Please add or update your payment method", wire.ClassQuota)
	f(404, "model 'm' not found, make sure the correct model ID was used", wire.ClassModelNotFound)
	f(422, "json: cannot unmarshal", wire.ClassInvalid)
	f(429, "You are using a Trial key, which is limited to 10 API calls / minute.", wire.ClassRateLimit)
	f(429, "You are using a Trial key, which is limited to 1000 API calls / month.", wire.ClassQuota)
	f(498, "blocked input", wire.ClassContentFilter)
	f(500, "internal server error", wire.ClassServer)
	f(503, "busy", wire.ClassOverloaded)
	f(504, "late", wire.ClassTimeout)
}

func TestSetup(t *testing.T) {
	f := func(config, base string, models bool) {
		t.Helper()
		setup, err := cohere{}.Configure(provider.Config{JSON: json.RawMessage(config)})
		if err != nil {
			t.Fatal(err)
		}
		want := map[wire.Dialect]string{wire.CohereChat: base + "/v2/chat", wire.CohereRerank: base + "/v2/rerank", wire.Raw: base + "/v1/models?page_size=1"}
		for _, l := range setup.Leases {
			if l.URL != want[l.Dialect] || l.Headers[0] != provider.Bearer() {
				t.Errorf("%s: %+v", config, l)
			}
		}
		if (setup.Models == nil) != models || len(setup.Leases) != 3 {
			t.Errorf("%s: %+v", config, setup)
		}
	}
	f(``, "https://api.cohere.com", true)
	f(`{"base_url":"https://vault.example/v2/"}`, "https://vault.example", false)
	refused := func(config, want string) {
		t.Helper()
		if _, err := (cohere{}).Configure(provider.Config{JSON: json.RawMessage(config)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", config, err)
		}
	}
	refused(`{"base_url":"api.cohere.com"}`, "base_url")
	refused(`{"input_type":"image"}`, "input_type")
	refused(`{"imput_type":"image"}`, `did you mean "input_type"`)
	for _, m := range (cohere{}).Manifest().Models {
		if m.Name == "" || m.Context < m.MaxOutput {
			t.Errorf("model %+v", m)
		}
	}
}
