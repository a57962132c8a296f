package wire

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"google.golang.org/genai"
	"pgregory.net/rapid"
)

func TestGeminiOf(t *testing.T) {
	f := func(model string, thinks geminiThinking, always, minimal, medium bool) {
		t.Helper()
		if g := geminiOf(model); g.thinks != thinks || g.minimal != minimal || g.medium != medium || thinks != geminiNoThinking && g.always != always {
			t.Errorf("geminiOf(%q) = %+v", model, g)
		}
	}
	f("gemini-1.5-pro", geminiNoThinking, true, false, false)
	f("gemini-2.0-flash", geminiNoThinking, false, false, false)
	f("gemini-2.5-flash", geminiBudget, false, false, false)
	f("google/gemini-2.5-pro", geminiBudget, true, false, false)
	f("gemini-2.5-flash-image", geminiNoThinking, false, false, false)
	f("gemini-2.5-flash-preview-tts", geminiNoThinking, false, false, false)
	f("gemini-3-pro-preview", geminiLevel, true, false, false)
	f("gemini-3.1-pro-preview", geminiLevel, true, false, true)
	f("gemini-3-flash-preview", geminiLevel, false, true, true)
	f("gemini-4-argon", geminiLevel, true, false, true)
	f("gemini-flash-latest", geminiLevel, false, true, true)
	f("gemma-3-27b-it", geminiNoThinking, false, false, false)
}

func TestGeminiSubset(t *testing.T) {
	f := func(schema string, want bool) {
		t.Helper()
		if got := geminiSubset([]byte(schema)); got != want {
			t.Errorf("geminiSubset(%s) = %v; want %v", schema, got, want)
		}
	}
	f(`{"type":"string"}`, true)
	f(`{"type":"object","properties":{"type":{"type":"array","items":{"anyOf":[{"type":"number"},{"type":"string","format":"date-time"}]}}},"required":["type"]}`, true)
	f(`{"type":"string","enum":["a"],"nullable":true,"description":"d"}`, true)
	f(`{"type":"integer","enum":[1]}`, false)
	f(`{"type":["string","null"]}`, false)
	f(`{"type":"string","format":"uri"}`, false)
	f(`{"type":"array"}`, false)
	f(`{"type":"object"}`, false)
	f(`{"type":"object","properties":{"a":{"$ref":"#/$defs/a"}}}`, false)
	f(`{"type":"object","properties":{"a":true}}`, false)
	f(`{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}`, false)
}

func TestJSONSchema(t *testing.T) {
	f := func(schema, want string) {
		t.Helper()
		if got := string(jsonSchema([]byte(schema))); got != want {
			t.Errorf("jsonSchema(%s) = %s; want %s", schema, got, want)
		}
	}
	f(`{"type":"STRING","format":"enum","enum":["a"]}`, `{"type":"string","enum":["a"]}`)
	f(`{"type":"OBJECT","properties":{"type":{"type":"NUMBER"}},"property_ordering":["type"]}`,
		`{"type":"object","properties":{"type":{"type":"number"}},"additionalProperties":false}`)
	f(`{"nullable":true,"type":"ARRAY","min_items":"2","items":{"type":"STRING"}}`, `{"type":["array","null"],"minItems":2,"items":{"type":"string"}}`)
	f(`{"any_of":[{"type":"STRING"}],"nullable":true,"example":1}`, `{"anyOf":[{"type":"string"},{"type":"null"}],"examples":[1]}`)
	f(`{"type":"TYPE_UNSPECIFIED","maxItems":"x"}`, `{}`)
	f(`{"type":"OBJECT","properties":{},"additionalProperties":true}`, `{"type":"object","properties":{},"additionalProperties":true}`)
}

// TestGeminiSignatures: signatures of other makers survive what a client does
// to bytes, and Gemini's own stay as they are.
func TestGeminiSignatures(t *testing.T) {
	f := func(s seal, mark string) {
		t.Helper()
		text := appendGeminiSignature([]byte{'"'}, s, mark)
		var signature []byte
		if err := json.Unmarshal(append(text, '"'), &signature); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		again, err := json.Marshal(signature)
		if err != nil {
			t.Fatal(err)
		}
		got, sealed := parseGeminiSignature(again[1 : len(again)-1])
		if string(got.format) != string(s.format) || string(got.id) != string(s.id) || string(got.value) != string(s.value) || sealed != (mark == sealedMark) {
			t.Errorf("%q came back as %q, sealed %v", s, got, sealed)
		}
	}
	f(seal{format: sealAnthropic, value: raw("EqQB")}, openMark)
	f(seal{format: sealAnthropic, value: raw("enc")}, sealedMark)
	f(seal{format: sealResponses, id: raw("rs_1"), value: raw(`a:b\n\"`)}, sealedMark)
	f(seal{format: sealGemini, value: raw("AAEC")}, openMark)
	if s, _ := parseGeminiSignature(raw("c2IxOiJ4")); string(s.format) != string(sealGemini) { // sb1:"x
		t.Errorf("a foreign quote came through: %q", s)
	}
}

// TestGeminiUsageAfterTheEnd: what comes after a finish reason still counts,
// and the last usage wins.
func TestGeminiUsageAfterTheEnd(t *testing.T) {
	st := fixed(t, OpenAIChat, GeminiGenerate).Stream("alias", true)
	var out []byte
	var err error
	for _, e := range []string{
		`{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1,"totalTokenCount":1}}`,
		`{"candidates":[{"groundingMetadata":{}}]}`,
		`{"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":4,"totalTokenCount":7}}`,
	} {
		if out, err = st.Event(out, "", []byte(e)); err != nil {
			t.Fatal(err)
		}
	}
	if strings.Contains(string(out), "finish_reason\":\"stop") {
		t.Errorf("ended too early: %s", out)
	}
	if out, err = st.Finish(out); err != nil || !strings.HasSuffix(string(out), "data: [DONE]\n\n") || !strings.Contains(string(out), `"total_tokens":7`) {
		t.Errorf("%v: %s", err, out)
	}
}

func TestRetryDelay(t *testing.T) {
	f := func(body string, want time.Duration) {
		t.Helper()
		if got := RetryDelay([]byte(body)); got != want {
			t.Errorf("RetryDelay(%s) = %v; want %v", body, got, want)
		}
	}
	f(`{"error":{"code":429,"details":[{"@type":"type.googleapis.com/google.rpc.Help"},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"25.5s"}]}}`, 25500*time.Millisecond)
	f(`[{"error":{"details":[{"retryDelay":"7s"}]}}]`, 7*time.Second)
	f(`{"error":{"details":[{"retryDelay":"9999999s"}]}}`, maxRetryDelay)
	f(`{"error":{"details":[{"retryDelay":"-7s"}]}}`, 0)
	f(`{"error":{"message":"\"retryDelay\": \"7s\""}}`, 0)
	f(`{"retryDelay"`, 0)
	f(``, 0)
}

// TestGoogleErrorsComeBack: an error written for Google's clients reads as the
// class that it was, and their own type knows it.
func TestGoogleErrorsComeBack(t *testing.T) {
	f := func(e Error, status string) {
		t.Helper()
		body := AppendError(nil, GeminiGenerate, &e, "req_1")
		var outer struct{ Error genai.APIError }
		if err := json.Unmarshal(body, &outer); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if got := outer.Error; got.Code != e.Status || got.Message != e.Message || got.Status != status || len(got.Details) == 0 {
			t.Errorf("%s reads as %+v", body, got)
		}
		back, ok := ReadError(body)
		if class := back.Class(e.Status); !ok || class != e.Class {
			t.Errorf("%s: class %s; want %s", body, class, e.Class)
		}
		if got := RetryDelay(body); got != e.RetryAfter {
			t.Errorf("%s: retry after %v; want %v", body, got, e.RetryAfter)
		}
	}
	f(Error{Status: 400, Class: ClassInvalid, Message: "a \"b\"", Param: "contents"}, "INVALID_ARGUMENT")
	f(Error{Status: 400, Class: ClassContextLength}, "INVALID_ARGUMENT")
	f(Error{Status: 401, Class: ClassAuth}, "UNAUTHENTICATED")
	f(Error{Status: 402, Class: ClassQuota}, "RESOURCE_EXHAUSTED")
	f(Error{Status: 404, Class: ClassModelNotFound}, "NOT_FOUND")
	f(Error{Status: 429, Class: ClassRateLimit, RetryAfter: 3 * time.Second}, "RESOURCE_EXHAUSTED")
	f(Error{Status: 429, Class: ClassQuota}, "RESOURCE_EXHAUSTED")
	f(Error{Status: 503, Class: ClassOverloaded}, "UNAVAILABLE")
	f(Error{Status: 504, Class: ClassTimeout}, "DEADLINE_EXCEEDED")
	f(Error{Status: 500, Class: ClassServer}, "INTERNAL")
}

// TestGeminiRequestsThereAndBack: what has a form in both dialects is the same
// after it has gone there and back, and there again.
func TestGeminiRequestsThereAndBack(t *testing.T) {
	there, back := fixed(t, OpenAIChat, GeminiGenerate), fixed(t, GeminiGenerate, OpenAIChat)
	rapid.Check(t, func(t *rapid.T) {
		q := drawConversation(t)
		delete(q, "user") // has no form there
		body, err := json.Marshal(q)
		if err != nil {
			t.Fatal(err)
		}
		first := request1(t, there, body, "gemini-2.5-flash")
		again := request1(t, there, request1(t, back, first, "gpt-4o"), "gemini-2.5-flash")
		// Parameters are closed on the way, which the narrower form has no word for.
		wide := strings.NewReplacer(`"parametersJsonSchema"`, `"parameters"`, `,"additionalProperties":false`, "")
		if !sameJSON([]byte(wide.Replace(string(first))), []byte(wide.Replace(string(again)))) {
			t.Fatalf("%s\nthere: %s\nagain: %s", body, first, again)
		}
	})
}

// TestGeminiStreamsAddUp: however an answer is cut into chunks, the vendors'
// accumulators get the whole of it, in every caller's dialect.
func TestGeminiStreamsAddUp(t *testing.T) {
	openAI, claude := fixed(t, OpenAIChat, GeminiGenerate), fixed(t, AnthropicMessages, GeminiGenerate)
	rapid.Check(t, func(t *rapid.T) {
		thought, text := drawText(t, "thought"), drawText(t, "text")
		args := object{"q": drawText(t, "argument")}
		calls := rapid.IntRange(0, 3).Draw(t, "calls")
		chunk := func(finish any, parts ...any) string {
			c := object{"content": object{"role": "model", "parts": parts}}
			if finish != nil {
				c["finishReason"] = finish
			}
			return sseOf(t, "", object{"candidates": []any{c}, "responseId": "r"})
		}
		var sse string
		for _, p := range cut(t, thought) {
			sse += chunk(nil, object{"text": p, "thought": true})
		}
		for _, p := range cut(t, text) {
			sse += chunk(nil, object{"text": p})
		}
		var parts []any
		for range calls {
			parts = append(parts, object{"functionCall": object{"name": "f", "args": args}, "thoughtSignature": "c2ln"})
		}
		sse += chunk("STOP", parts...)
		want, _ := json.Marshal(args)
		c := accumulateOpenAI(t, runStream(t, openAI, sse)).Choices[0]
		if c.Message.Content != text || len(c.Message.ToolCalls) != calls {
			t.Fatalf("%q and %d calls came as %+v", text, calls, c)
		}
		m := accumulateAnthropic(t, runStream(t, claude, sse))
		if len(m.Content) != 2+2*calls || m.Content[0].Thinking != thought || m.Content[1].Text != text {
			t.Fatalf("%q %q and %d calls came as %+v", thought, text, calls, m.Content)
		}
		for i := range calls {
			if !sameJSON([]byte(c.Message.ToolCalls[i].Function.Arguments), want) || !sameJSON(m.Content[3+2*i].Input, want) {
				t.Fatalf("%s came as %s and %s", want, c.Message.ToolCalls[i].Function.Arguments, m.Content[3+2*i].Input)
			}
		}
	})
}

// TestStreamsAddUpForGemini: Google's types get the whole of an answer whose
// arguments come in pieces.
func TestStreamsAddUpForGemini(t *testing.T) {
	tr := fixed(t, GeminiGenerate, OpenAIChat)
	rapid.Check(t, func(t *rapid.T) {
		text, args := drawText(t, "text"), object{"q": drawText(t, "argument")}
		calls := rapid.IntRange(0, 3).Draw(t, "calls")
		want, _ := json.Marshal(args)
		chunk := func(d object, finish any) string {
			return sseOf(t, "", object{"id": "c", "choices": []any{object{"index": 0, "delta": d, "finish_reason": finish}}})
		}
		sse := chunk(object{"role": "assistant", "content": ""}, nil)
		for _, p := range cut(t, text) {
			sse += chunk(object{"content": p}, nil)
		}
		sse += drawCalls(t, chunk, calls, string(want))
		sse += chunk(object{}, "stop") + "data: [DONE]\n\n"
		r := accumulateGemini(t, runStream(t, tr, sse))
		var got strings.Builder
		n := 0
		for _, p := range r.Candidates[0].Content.Parts {
			got.WriteString(p.Text)
			if p.FunctionCall == nil {
				continue
			}
			n++
			if back, _ := json.Marshal(p.FunctionCall.Args); !sameJSON(back, want) || p.FunctionCall.ID == "" {
				t.Fatalf("%s came as %s", want, back)
			}
		}
		if got.String() != text || n != calls {
			t.Fatalf("%q and %d calls came as %q and %d", text, calls, got.String(), n)
		}
	})
}
