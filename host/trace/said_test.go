package trace

import (
	"reflect"
	"strings"
	"testing"
)

func TestSaidOfRequests(t *testing.T) {
	f := func(body string, want map[string]float64) {
		t.Helper()
		var s Said
		s.Request([]byte(body))
		got := map[string]float64{}
		for name, n := range map[string]*Number{"temperature": &s.Temperature, "top_p": &s.TopP, "top_k": &s.TopK, "frequency": &s.Frequency, "presence": &s.Presence, "seed": &s.Seed} {
			if v, ok := n.Real(); ok {
				got[name] = v
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v; want %v", body, got, want)
		}
	}
	none := map[string]float64{}
	f(`{"model":"m","messages":[{"role":"user","content":"say \"temperature\": 2"}],"temperature":0.5,"top_p":1,"seed":-7,"frequency_penalty":-1e-1,"presence_penalty":2}`,
		map[string]float64{"temperature": .5, "top_p": 1, "seed": -7, "frequency": -.1, "presence": 2})
	f(` { "top_k" : 40 , "metadata" : { "temperature" : 1 } , "temperature" : 0 } `, map[string]float64{"top_k": 40, "temperature": 0})
	f(`{"contents":[],"generationConfig":{"temperature":0.1,"topP":0.2,"topK":3,"generationConfig":{"seed":1}}}`, map[string]float64{"temperature": .1, "top_p": .2, "top_k": 3})
	f(`{"temperature":"0.5","top_p":null,"seed":1234567890123456789012345}`, none) // no number, none, more than is kept
	f(`{"temperature":`, none)
	f(`--boundary`, none)
	f(``, none)
	f(`{"temperature":1,"pad":"`+strings.Repeat("x", maxRead)+`"}`, none)
}

func TestSaidOfAnswers(t *testing.T) {
	f := func(id, model string, finish []string, data ...string) {
		t.Helper()
		var s Said
		for _, d := range data {
			s.Answer([]byte(d))
		}
		if s.ID != id || s.Model != model || !reflect.DeepEqual(s.Finish, finish) {
			t.Errorf("%s: got %q, %q, %q", data, s.ID, s.Model, s.Finish)
		}
	}
	f("c1", "m-2", []string{"stop", "length"}, `{"id":"c1","model":"m-2","choices":[{"index":0,"message":{"id":"no"},"finish_reason":"stop"},{"finish_reason":"length"}]}`)
	f("c1", "m", []string{"stop"}, `{"id":"c1","model":"m","choices":[{"delta":{"content":"a"},"finish_reason":null}]}`, `{"id":"c2","model":"m","choices":[{"delta":{},"finish_reason":"stop"}]}`, `[DONE]`)
	f("msg_1", "claude", []string{"end_turn"}, `{"id":"msg_1","model":"claude","content":[{"type":"tool_use","id":"t"}],"stop_reason":"end_turn"}`)
	f("msg_1", "claude", []string{"tool_use"}, `{"type":"message_start","message":{"id":"msg_1","model":"claude","stop_reason":null}}`,
		`{"type":"content_block_start","content_block":{"id":"t"}}`, `{"type":"message_delta","delta":{"stop_reason":"tool_use"}}`)
	f("resp_1", "m", []string{"completed"}, `{"type":"response.created","response":{"id":"resp_1","model":"m","status":"in_progress"}}`,
		`{"type":"response.output_text.delta","delta":"\"status\":\"failed\""}`, `{"type":"response.completed","response":{"id":"resp_1","status":"completed"}}`)
	f("r", "gemini-x", []string{"STOP"}, `{"candidates":[{"content":{"parts":[]},"finishReason":"STOP"}],"modelVersion":"gemini-x","responseId":"r"}`)
	f("", "", nil, `{"id":"a\nb","model":7,"choices":{"finish_reason":[]}}`)
	f("", "", nil, `{"id":"`+strings.Repeat("x", maxName)+`"}`)
	f("", "", nil, `{"id"`, `{"id":`, `{"id":"x`, `{`, `[[`, `{"a" "id"}`, `{:}`)
}

func FuzzSaid(f *testing.F) {
	f.Add([]byte(`{"id":"c1","choices":[{"finish_reason":"stop"}],"generationConfig":{"seed":1}}`))
	f.Add([]byte(`{"a\"":["\\",{}],"delta":{"stop_reason":"x"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var s Said
		s.Request(body)
		s.Answer(body)
		if len(s.ID) > maxName || len(s.Model) > maxName || len(s.Finish) > maxFinish {
			t.Fatalf("got %+v", s)
		}
	})
}
