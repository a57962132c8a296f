package filter

import (
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func value(t *testing.T, s string) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(s))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSchemas(t *testing.T) {
	f := func(schema, answer, want string) {
		t.Helper()
		c, err := compileSchema([]byte(schema))
		if err == nil {
			err = c.check(value(t, answer))
		}
		got := ""
		if err != nil {
			got = c.mismatch(err)
		}
		if got != want {
			t.Errorf("%s for %s: got %q; want %q", answer, schema, got, want)
		}
	}
	f(`{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}`, `{"a":1}`, "")
	f(`{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}`, `{"a":"secret"}`, "at /a it does not follow the schema's type")
	f(`{"type":"OBJECT","properties":{"a":{"type":"STRING","nullable":true}}}`, `{"a":null}`, "")
	f(`{"$defs":{"n":{"type":"array","items":{"$ref":"#/$defs/n"}}},"$ref":"#/$defs/n"}`, `[[],[[]]]`, "")
	f(`{"additionalProperties":{"type":"integer"},"properties":{"a":{}}}`, `{"a":1,"joe@example.com":"x"}`, "at /* it does not follow the schema's type")
	f(`{"items":{"type":"integer"}}`, `[1,"x"]`, "at /1 it does not follow the schema's type")
	f(`{"pattern":"^[a-z]{2,40}@[a-z.]{1,60}$"}`, `"x"`, "at / it does not follow the schema's pattern")
	f(`{"pattern":"(a{1,500}b{1,500}){1,9}"}`, `"x"`, "it is not valid")
	f(`{"items":{"enum":[`+strings.Repeat(`"a",`, 5000)+`"b"]}}`, `[`+strings.Repeat(`"b",`, 1000)+`"b"]`, errSteps.Error())
	f(`{"$ref":"file:///etc/passwd"}`, `1`, "it is not valid")
	f(`{"type":"nothing"}`, `1`, "it is not valid")
	f(`[`, `1`, "it is no JSON")
}

// TestCostlySchema: work that doubles with each level of the answer ends.
func TestCostlySchema(t *testing.T) {
	c, err := compileSchema([]byte(`{"$defs":{"n":{"oneOf":[{"properties":{"x":{"$ref":"#/$defs/n"}}},{"properties":{"x":{"$ref":"#/$defs/n"}}}]}},"$ref":"#/$defs/n"}`))
	if err != nil {
		t.Fatal(err)
	}
	deep := value(t, strings.Repeat(`{"x":`, 80)+"1"+strings.Repeat("}", 80))
	if err := c.check(deep); err != errSteps {
		t.Errorf("got %v; want %v", err, errSteps)
	}
	if err := c.check(value(t, `{"x":1}`)); err == nil { // both of oneOf hold
		t.Error("the checker does not recover")
	}
}
