package scan_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

func TestOperationFacts(t *testing.T) {
	f := func(op wire.Op, d wire.Dialect, body, want string) {
		t.Helper()
		var facts scan.Facts
		if err := scan.Operation(&facts, op, d, []byte(body)); err != nil {
			t.Errorf("%s %s: %v", d, body, err)
			return
		}
		got := fmt.Sprintf("%s stream=%t max=%d n=%d tools=%s in=%d msgs=%d unbounded=%t chars=%d size=%s quality=%s",
			facts.Model, facts.Stream, facts.MaxTokens, facts.N, facts.Tools, facts.In, facts.Messages,
			facts.Unbounded, facts.Characters, facts.ImageSize, facts.Quality)
		if got != want {
			t.Errorf("%s %s\n got %s\nwant %s", d, body, got, want)
		}
	}
	r := func(body, want string) { t.Helper(); f(wire.OpChat, wire.OpenAIResponses, body, want) }
	r(`{"model":"m","input":"hi","stream":true,"max_output_tokens":9,"instructions":"be brief"}`,
		"m stream=true max=9 n=1 tools=[] in=1 msgs=1 unbounded=false chars=0 size= quality=")
	r(`{"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":"x"},{"type":"input_image","image_url":"data:image/png;base64,AA"}]},{"type":"function_call_output","call_id":"c","output":[{"type":"input_file","file_data":"AA"}]}],"tools":[{"type":"function","name":"f","parameters":{"type":"object"}}],"background":false}`,
		"m stream=false max=0 n=1 tools=[f] in=11 msgs=2 unbounded=false chars=0 size= quality=")
	const far = "m stream=false max=0 n=1 tools=[] in=%d msgs=%d unbounded=true chars=0 size= quality="
	r(`{"model":"m","input":"x","previous_response_id":"resp_1"}`, fmt.Sprintf(far, 1, 1))
	r(`{"model":"m","input":"x","conversation":"conv_1"}`, fmt.Sprintf(far, 1, 1))
	r(`{"model":"m","input":"x","conversation":{"id":"conv_1"}}`, fmt.Sprintf(far, 1, 1))
	r(`{"model":"m","input":"x","background":true}`, fmt.Sprintf(far, 1, 1))
	r(`{"model":"m","input":"x","prompt":{"id":"p"}}`, fmt.Sprintf(far, 1, 1))
	r(`{"model":"m","input":"x","tools":[{"type":"web_search"}]}`, fmt.Sprintf(far, 1, 1))
	r(`{"model":"m","input":[{"type":"item_reference","id":"msg_1"}]}`, fmt.Sprintf(far, 0, 1))
	r(`{"model":"m","input":[{"content":[{"type":"input_image","file_id":"file-1"}]}]}`, fmt.Sprintf(far, 2, 1))
	r(`{"model":"m","input":[{"content":[{"type":"input_file","file_url":"https://x"}]}]}`, fmt.Sprintf(far, 8, 1))
	r(`{"model":"m","input":[{"type":"computer_call_output","output":{"type":"computer_screenshot","file_id":"f"}}]}`, fmt.Sprintf(far, 2, 1))

	g := func(body, want string) { t.Helper(); f(wire.OpChat, wire.GeminiGenerate, body, want) }
	g(`{"contents":[{"role":"user","parts":[{"text":"hi"},{"inlineData":{"mimeType":"image/png","data":"AA"}}]}],"systemInstruction":{"parts":[{"text":"x"}]},"generationConfig":{"maxOutputTokens":7,"candidateCount":2,"temperature":1},"tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"OBJECT","properties":{"name":{"type":"STRING"}}}}]}]}`,
		" stream=false max=7 n=2 tools=[f] in=3 msgs=1 unbounded=false chars=0 size= quality=")
	g(`{"contents":{"parts":{"text":"hi"}},"system_instruction":{"parts":{"text":"x"}},"generation_config":{"max_output_tokens":7,"candidate_count":2},"tools":{"function_declarations":{"name":"f"}}}`,
		" stream=false max=7 n=2 tools=[f] in=1 msgs=0 unbounded=false chars=0 size= quality=")
	const gemFar = " stream=false max=0 n=1 tools=[] in=%d msgs=%d unbounded=%t chars=0 size= quality="
	g(`{"contents":[{"parts":[{"inline_data":{"mime_type":"audio/wav","data":"AA"}}]}]}`, fmt.Sprintf(gemFar, 4, 1, false))
	g(`{"contents":[{"parts":[{"inlineData":{"data":"AA"}}]}]}`, fmt.Sprintf(gemFar, 8, 1, false))
	g(`{"contents":[{"parts":[{"fileData":{"fileUri":"https://x"}}]}]}`, fmt.Sprintf(gemFar, 0, 1, true))
	g(`{"contents":[{"parts":[{"functionResponse":{"name":"f","parts":[{"fileData":{"mimeType":"image/png"}}]}}]}]}`, fmt.Sprintf(gemFar, 2, 1, true))
	for _, tool := range []string{"googleSearch", "google_search", "codeExecution", "urlContext", "whatever_comes"} {
		g(`{"contents":[],"tools":[{"`+tool+`":{}}]}`, fmt.Sprintf(gemFar, 0, 0, true))
	}
	g(`{"contents":[],"tools":[{"computerUse":{}}]}`, fmt.Sprintf(gemFar, 0, 0, false))
	g(`{"contents":[],"cachedContent":"cachedContents/1"}`, fmt.Sprintf(gemFar, 0, 0, true))

	f(wire.OpCompletions, wire.OpenAICompletions, `{"model":"m","prompt":["a","b"],"n":2,"best_of":3,"max_tokens":5}`,
		"m stream=false max=5 n=6 tools=[] in=1 msgs=2 unbounded=false chars=0 size= quality=")
	f(wire.OpSpeech, wire.OpenAISpeech, `{"model":"m","input":"né\u00e9 \ud83d\ude00","voice":"alloy","stream_format":"sse"}`,
		"m stream=true max=0 n=1 tools=[] in=1 msgs=0 unbounded=false chars=5 size= quality=")
	f(wire.OpImages, wire.OpenAIImages, `{"model":"m","prompt":"a cat","n":3,"size":"1024x1024","quality":"hd"}`,
		"m stream=false max=0 n=3 tools=[] in=1 msgs=0 unbounded=false chars=0 size=1024x1024 quality=hd")
	f(wire.OpModeration, wire.OpenAIModeration, `{"model":"m","input":[{"type":"text","text":"x"},{"type":"image_url","image_url":{"url":"https://x"}}]}`,
		"m stream=false max=0 n=1 tools=[] in=3 msgs=2 unbounded=true chars=0 size= quality=")
	f(wire.OpRerank, wire.CohereRerank, `{"model":"m","query":"q","documents":["a",{"Type":"x","type":"y","Text":"b"}]}`,
		"m stream=false max=0 n=1 tools=[] in=1 msgs=2 unbounded=false chars=0 size= quality=")
	f(wire.OpBatches, wire.OpenAIBatches, `{"input_file_id":"f","Model":1}`,
		" stream=false max=0 n=1 tools=[] in=0 msgs=0 unbounded=true chars=0 size= quality=")
}

func TestOperationRefuses(t *testing.T) {
	f := func(d wire.Dialect, body, code string) {
		t.Helper()
		var facts scan.Facts
		if err := scan.Operation(&facts, wire.OpChat, d, []byte(body)); err == nil || err.Code != code || err.Status != 400 {
			t.Errorf("%s %s: %v, want code %s", d, body, err, code)
		}
	}
	f(wire.OpenAIResponses, `{"model":"m","max_output_tokens":1,"max_output_tokens":2}`, "duplicate_member")
	f(wire.OpenAIResponses, `{"model":"m","Previous_Response_Id":"x"}`, "lookalike_member")
	f(wire.OpenAIResponses, `{"model":"m","max_output_tokens":"9"}`, "invalid_type")
	f(wire.OpenAIResponses, `{"model":"m","models":["x"]}`, "unsupported_member")
	f(wire.OpenAISpeech, `{"model":"m","input":1}`, "invalid_type")
	f(wire.OpenAIImages, `{"model":"m","n":0}`, "invalid_type")
	f(wire.CohereRerank, `{"model":"m","documents":"x"}`, "invalid_type")
	g := func(body, code string) { t.Helper(); f(wire.GeminiGenerate, body, code) }
	g(`{"generationConfig":{},"generation_config":{}}`, "duplicate_member")
	g(`{"generationConfig":{"maxOutputTokens":1,"max_output_tokens":2}}`, "duplicate_member")
	g(`{"generationConfig":{"maxoutputtokens":1}}`, "lookalike_member")
	g(`{"generationConfig":{"max\u004futputTokens":1}}`, "lookalike_member")
	g(`{"generationConfig":{"Max_output_tokens":1}}`, "lookalike_member")
	g(`{"generationConfig":[]}`, "invalid_type")
	g(`{"contents":[{"parts":[{"inlineData":{},"inline_data":{}}]}]}`, "duplicate_member")
	g(`{"contents":[{"parts":[{"filedata":{}}]}]}`, "lookalike_member")
	g(`{"contents":[{"Parts":[]}]}`, "lookalike_member")
	g(`{"tools":[{"functionDeclarations":[],"function_declarations":[]}]}`, "duplicate_member")
	g(`{"contents":[`, "invalid_json")
}

func TestOperationAllocatesNothing(t *testing.T) {
	f := func(d wire.Dialect, body string) {
		t.Helper()
		var facts scan.Facts
		if n := testing.AllocsPerRun(100, func() {
			if err := scan.Operation(&facts, wire.OpChat, d, []byte(body)); err != nil {
				t.Fatal(err)
			}
		}); n > 1 { // the conversion of body
			t.Errorf("%s allocates %v times, want 1", d, n)
		}
	}
	f(wire.OpenAIResponses, `{"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":"`+strings.Repeat("x", 900)+`"}]}],"max_output_tokens":5}`)
	f(wire.GeminiGenerate, `{"contents":[{"role":"user","parts":[{"text":"`+strings.Repeat("x", 900)+`"}]}],"generationConfig":{"maxOutputTokens":5,"topP":1}}`)
}

// FuzzOperation: no dialect accepts what is not JSON, and where one says that
// it has found something, it lies within the body.
func FuzzOperation(f *testing.F) {
	f.Add(uint8(wire.GeminiGenerate), []byte(`{"contents":{"parts":[{"inline_data":{"mimeType":"x"}}]},"generationConfig":{"maxOutputTokens":5}}`))
	f.Add(uint8(wire.OpenAIResponses), []byte(`{"model":"m","input":[{"type":"message","content":"x"}]}`))
	f.Add(uint8(wire.OpenAISpeech), []byte(`{"model":"m","input":"\ud83d\ude00"}`))
	f.Fuzz(func(t *testing.T, d uint8, body []byte) {
		var facts scan.Facts
		if err := scan.Operation(&facts, wire.OpChat, wire.Dialect(d%uint8(wire.NumDialects)), body); err != nil {
			return
		}
		if !json.Valid(body) {
			t.Fatalf("accepted %q", body)
		}
		for _, at := range append(facts.MaxTokensAt[:], facts.ModelAt, facts.ConfigAt) {
			if at.From < 0 || at.To > len(body) || at.From > at.To {
				t.Fatalf("span %v of %d bytes", at, len(body))
			}
		}
		if facts.N < 1 || facts.Characters < 0 {
			t.Fatalf("n %d, characters %d", facts.N, facts.Characters)
		}
	})
}
