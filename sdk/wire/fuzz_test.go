package wire

import (
	"encoding/json"
	"slices"
	"testing"
)

// pairs are all translations, in the order of their codecs.
func pairs() (out []pair) {
	for _, from := range codecs {
		for _, to := range codecs {
			if _, ok := translations[pair{from.dialect, to.dialect}]; ok {
				out = append(out, pair{from.dialect, to.dialect})
			}
		}
	}
	return out
}

// seeds adds the sections called name of the golden files of a kind.
func seeds(f *testing.F, what, name string) {
	f.Helper()
	for _, g := range goldens(f) {
		if i := slices.Index(pairs(), pair{g.from, g.to}); g.what == what && i >= 0 {
			f.Add(uint8(i), []byte(g.section(name)))
		}
	}
}

func direction(t testing.TB, which uint8) (tr Translation, from, to Dialect) {
	all := pairs()
	p := all[int(which)%len(all)]
	return fixed(t, p.from, p.to), p.from, p.to
}

// FuzzRequest: a request either fails with an error that names a status, or
// comes out as JSON that the other direction reads.
func FuzzRequest(f *testing.F) {
	seeds(f, "request", "in.json")
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		tr, from, to := direction(t, which)
		for _, model := range [...]string{"claude-sonnet-4-5", "claude-opus-5", "gpt-5", "gemini-3-pro-preview", "other"} {
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
			if back, ok := Translate(to, from); ok {
				_, _, _ = back.Request(nil, out, model)
			}
		}
	})
}

func FuzzResponse(f *testing.F) {
	seeds(f, "response", "in.json")
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		tr, from, _ := direction(t, which)
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
	f.Fuzz(func(t *testing.T, which uint8, sse []byte) {
		tr, from, _ := direction(t, which)
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
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		tr, _, _ := direction(t, which)
		for _, status := range [...]int{0, 200, 400, 429, 529, 999} {
			if out := tr.Error(nil, status, body); !json.Valid(out) {
				t.Fatalf("%q: %s is not JSON", body, out)
			}
		}
	})
}
