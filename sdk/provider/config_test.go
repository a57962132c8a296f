package provider

import (
	"encoding/json"
	"strings"
	"testing"
)

type sample struct {
	BaseURL string            `json:"base_url" doc:"of the API"`
	Preset  string            `json:"preset" enum:"a,b"`
	Models  map[string]string `json:"models"`
	Limit   int               `json:"limit"`
	Nested  struct {
		On bool `json:"on"`
	} `json:"nested"`
	hidden int
}

func TestDecode(t *testing.T) {
	var s sample
	if err := (Config{JSON: json.RawMessage(`{"base_url":"u","nested":{"on":true},"limit":3}`)}).Decode(&s); err != nil {
		t.Fatal(err)
	}
	if s.BaseURL != "u" || !s.Nested.On || s.Limit != 3 || s.hidden != 0 {
		t.Errorf("got %+v", s)
	}
	if err := (Config{}).Decode(&s); err != nil {
		t.Error(err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	f := func(in, says string) {
		t.Helper()
		if err := (Config{JSON: json.RawMessage(in)}).Decode(&sample{}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v; want %q", in, err, says)
		}
	}
	f(`{"base_ulr":"u"}`, `did you mean "base_url"`)
	f(`{"Base_URL":"u"}`, `did you mean "base_url"`)
	f(`{"nested":{"off":true}}`, "off")
	f(`{"limit":"x"}`, "limit")
	f(`[]`, "object")
	f(`{} {}`, "object")
}

func TestSchema(t *testing.T) {
	const want = `{"additionalProperties":false,"properties":{"base_url":{"description":"of the API","type":"string"},"limit":{"type":"integer"},` +
		`"models":{"additionalProperties":{"type":"string"},"type":"object"},"nested":{"additionalProperties":false,"properties":{"on":{"type":"boolean"}},"type":"object"},` +
		`"preset":{"enum":["a","b"],"type":"string"}},"type":"object"}`
	if got := string(Schema(sample{})); got != want {
		t.Errorf("got %s", got)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(`{"base_url":"u","models":{"a":"b"}}`)
	f.Fuzz(func(t *testing.T, in string) { _ = Config{JSON: json.RawMessage(in)}.Decode(&sample{}) })
}
