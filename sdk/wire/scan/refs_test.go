package scan_test

import (
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

func TestWhatRequestsName(t *testing.T) {
	kinds := [...]string{"file", "response", "item", "conversation", "container"}
	f := func(op wire.Op, d wire.Dialect, body, want string) {
		t.Helper()
		var facts scan.Facts
		err := scan.Operation(&facts, op, d, []byte(body))
		var got []string
		for _, r := range facts.Refs {
			got = append(got, kinds[r.Kind]+" "+string(r.ID))
		}
		if facts.Unstored {
			got = append(got, "unstored")
		}
		if err != nil {
			got = []string{err.Code + " " + err.Param}
		}
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("%s names %s, want %s", body, s, want)
		}
		if err == nil && len(facts.Refs) > 0 && !facts.Unbounded {
			t.Errorf("%s is taken to be bounded", body)
		}
	}
	chat := func(part, want string) {
		t.Helper()
		f(wire.OpChat, wire.OpenAIChat, `{"model":"m","messages":[{"role":"user","content":[`+part+`]}]}`, want)
	}
	chat(`{"type":"file","file":{"file_id":"f\u0031"}},{"type":"file","file":{"file_id":null,"file_data":"x"}}`, "file f1")
	chat(`{"type":"file","file":{"file_id":7}}`, "invalid_type file_id")
	chat(`{"type":"file","file":{"File_ID":"f"}}`, "lookalike_member file_id")
	chat(`{"type":"file","file":{"file_id":"f","file_id":"g"}}`, "duplicate_member file_id")
	f(wire.OpChat, wire.AnthropicMessages, `{"model":"m","messages":[{"content":[{"type":"document","source":{"type":"file","file_id":"f"}},
		{"type":"tool_result","content":[{"type":"image","source":{"type":"file","file_id":"g"}}]}]}]}`, "file f, file g")
	f(wire.OpCountTokens, wire.AnthropicMessages, `{"model":"m","messages":[{"content":[{"type":"image","source":{"type":"file","file_id":"f"}}]}]}`, "file f")
	f(wire.OpBatches, wire.OpenAIBatches, `{"input_file_id":"f","metadata":{"input_file_id":"g"}}`, "file f")
	f(wire.OpBatches, wire.OpenAIBatches, `{"input_file_id":["f"]}`, "invalid_type file_id")

	resp := func(more, want string) {
		t.Helper()
		f(wire.OpChat, wire.OpenAIResponses, `{"model":"m",`+more+`}`, want)
	}
	resp(`"previous_response_id":"r","store":false`, "response r, unstored")
	resp(`"previous_response_id":null,"store":null,"conversation":null`, "")
	resp(`"previous_response_id":"","store":true`, "")
	resp(`"previous_response_id":1`, "invalid_type previous_response_id")
	resp(`"previous_response_id":{"id":"r"}`, "invalid_type previous_response_id")
	resp(`"store":"no"`, "invalid_type store")
	resp(`"conversation":"c"`, "conversation c")
	resp(`"conversation":{"id":"c"}`, "conversation c")
	resp(`"conversation":["c"]`, "invalid_type conversation")
	resp(`"input":[{"role":"user","content":[{"type":"input_file","file_id":"f"},{"type":"input_image","file_id":"g"}]}]`, "file f, file g")
	resp(`"input":[{"type":"function_call_output","output":[{"type":"input_file","file_id":"f"}]},{"type":"computer_call_output","output":{"type":"computer_screenshot","file_id":"g"}}]`, "file f, file g")
	resp(`"input":[{"id":"i","type":"item_reference"},{"id":"j"},{"type":"image_generation_call","id":"k"}]`, "item i, item j, item k")
	resp(`"input":[{"type":"image_generation_call","id":"k","result":"aGk="},{"id":"m","role":"user","content":"x"},{"type":"function_call","id":"fc"}]`, "")
	resp(`"input":[{"id":"m","content":null}]`, "item m")
	resp(`"tools":[{"type":"code_interpreter","container":"k"}]`, "container k")
	resp(`"tools":[{"type":"code_interpreter","container":{"type":"auto","file_ids":["f","g"]}}]`, "file f, file g")
	resp(`"tools":[{"type":"image_generation","input_image_mask":{"file_id":"f"}}]`, "file f")
}

// TestNamingReusesItsRoom: facts are pooled.
func TestNamingReusesItsRoom(t *testing.T) {
	body := []byte(`{"model":"m","previous_response_id":"r","input":[{"content":[{"type":"input_file","file_id":"f"}]}]}`)
	var facts scan.Facts
	if n := testing.AllocsPerRun(100, func() {
		if err := scan.Operation(&facts, wire.OpChat, wire.OpenAIResponses, body); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
	many := []byte(`{"model":"m","input":[{"content":[` + strings.Repeat(`{"file_id":"f"},`, 1000) + `{}]}]}`)
	if err := scan.Operation(&facts, wire.OpChat, wire.OpenAIResponses, many); err != nil || len(facts.Refs) != 1000 {
		t.Fatalf("%d references, %v", len(facts.Refs), err)
	}
	if facts.Reset(); cap(facts.Refs) > 64 {
		t.Errorf("room for %d references is kept", cap(facts.Refs))
	}
}
