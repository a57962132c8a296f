package wire

import (
	"encoding/json"
	"testing"
)

// seeds adds the sections called name of the golden files of a kind.
func seeds(f *testing.F, what, name string) {
	f.Helper()
	for _, g := range goldens(f) {
		if g.what == what {
			f.Add(g.from == AnthropicMessages, []byte(g.section(name)))
		}
	}
}

func direction(t testing.TB, anthropicCaller bool) (tr Translation, from, to Dialect) {
	from, to = OpenAIChat, AnthropicMessages
	if anthropicCaller {
		from, to = to, from
	}
	return fixed(t, from, to), from, to
}

// FuzzRequest: a request either fails with an error that names a status, or
// comes out as JSON that the other direction reads.
func FuzzRequest(f *testing.F) {
	seeds(f, "request", "in.json")
	f.Fuzz(func(t *testing.T, anthropicCaller bool, body []byte) {
		tr, from, to := direction(t, anthropicCaller)
		for _, model := range [...]string{"claude-sonnet-4-5", "claude-opus-5", "gpt-5", "other"} {
			out, _, err := tr.Request(nil, body, model)
			if err != nil {
				if e := err.(*Error); e.Status != 400 || e.Message == "" || !json.Valid(AppendError(nil, from, e, "")) {
					t.Fatalf("%q: %+v", body, e)
				}
				continue
			}
			if !json.Valid(body) {
				t.Fatalf("%q is not JSON, yet translated", body)
			}
			if !json.Valid(out) {
				t.Fatalf("%q: %s is not JSON", body, out)
			}
			back, _ := Translate(to, from)
			_, _, _ = back.Request(nil, out, model)
		}
	})
}

func FuzzResponse(f *testing.F) {
	seeds(f, "response", "in.json")
	f.Fuzz(func(t *testing.T, anthropicCaller bool, body []byte) {
		tr, from, _ := direction(t, anthropicCaller)
		out, u, err := tr.Response(nil, body, "alias")
		if err != nil {
			return
		}
		if !json.Valid(out) {
			t.Fatalf("%q: %s is not JSON", body, out)
		}
		if got, ok := ReadUsage(from, out); !ok || got.Total() != u.Total() {
			t.Fatalf("%q: reads as %+v; want %+v", body, got, u)
		}
	})
}

// FuzzStream feeds any bytes, split into events, to a stream: whatever comes
// out is events of JSON, and only a stream that ended is finished.
func FuzzStream(f *testing.F) {
	seeds(f, "stream", "in.sse")
	f.Fuzz(func(t *testing.T, anthropicCaller bool, sse []byte) {
		tr, from, _ := direction(t, anthropicCaller)
		st := tr.Stream("alias", true)
		var out []byte
		var err error
		ended := false
		for _, e := range events(string(sse)) {
			if out, err = st.Event(out, e.name, []byte(e.data)); err != nil {
				break
			}
			ended = ended || e.data == "[DONE]" || json.Valid([]byte(e.data))
		}
		out, finish := st.Finish(out)
		if finish == nil && (err != nil || !ended) {
			t.Fatalf("%q: finished after %v", sse, err)
		}
		for _, e := range events(string(out)) {
			if e.data != "[DONE]" && !json.Valid([]byte(e.data)) {
				t.Fatalf("%q: event %q is not JSON", sse, e.data)
			}
			var u Usage
			ReadUsageEvent(from, []byte(e.data), &u)
		}
	})
}

func FuzzError(f *testing.F) {
	seeds(f, "error", "in.json")
	f.Fuzz(func(t *testing.T, anthropicCaller bool, body []byte) {
		tr, _, _ := direction(t, anthropicCaller)
		for _, status := range [...]int{0, 200, 400, 429, 529, 999} {
			if out := tr.Error(nil, status, body); !json.Valid(out) {
				t.Fatalf("%q: %s is not JSON", body, out)
			}
		}
	})
}
