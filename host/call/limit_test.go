package call

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestLimitsAsPeopleWriteThem(t *testing.T) {
	f := func(text string, want Limit) {
		t.Helper()
		var got Limit
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != want {
			t.Errorf("%s: got %+v, %v; want %+v", text, got, err, want)
		}
		again, err := json.Marshal(got)
		if err != nil || string(again) != text {
			t.Errorf("written again %s, %v; want %s", again, err, text)
		}
	}
	day := Window{Unit: "day", Size: 1}
	f(`{"usd":0.5,"window":"day"}`, Limit{Max: 500_000_000, Window: day})
	f(`{"scope":"team/core","tokens":1000,"window":{"unit":"month","size":1,"tz":"Europe/Berlin"},"on_exceed":"warn"}`,
		Limit{Scope: "team/core", Unit: UnitTokens, Max: 1000, Window: Window{Unit: "month", Size: 1, TZ: "Europe/Berlin"}, OnExceed: OnWarn})
	f(`{"usd":5,"window":{"unit":"day","size":30,"rolling":true}}`, Limit{Max: 5_000_000_000, Window: Window{Unit: "day", Size: 30, Rolling: true}})
	f(`{"requests":60,"per":"minute"}`, Limit{Unit: UnitRequests, Max: 60, Rate: true, Window: Window{Unit: "minute", Size: 1}})
	f(`{"concurrent":4}`, Limit{Unit: UnitConcurrent, Max: 4, Rate: true})
}

func TestBadLimitsNameWhatIsWrong(t *testing.T) {
	f := func(text, want string, member ...string) {
		t.Helper()
		var l Limit
		err := json.Unmarshal([]byte(text), &l)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", text, err, want)
		}
		var m *MemberError
		if at := strings.Join(member, "."); at != "" && (!errors.As(err, &m) || m.Member != at) {
			t.Errorf("%s: %#v; want one of member %s", text, err, at)
		}
	}
	f(`{"tokens":"many","window":"day"}`, "tokens is of the wrong type, a JSON string: give a whole number", "tokens")
	f(`{"tokens":1,"window":5}`, `it is of the wrong type, a JSON number: give "day", or`, "window")
	f(`{"requests":1,"per":{"unit":"day","size":"x"}}`, "size is of the wrong type", "per", "size")
	f(`{"tokens":1,"window":{"unit":"day","zone":"x"}}`, `unknown field "zone"`, "window", "zone")
	f(`{"tokens":1,"window":{"unit":"day","size":-2}}`, "size is -2", "window")
	f(`{"requests":-1,"per":"day"}`, "must not be negative", "requests")
	f(`17`, "it is of the wrong type, a JSON number: give {")
	f(`{}`, "exactly one of usd")
	f(`{"usd":1,"tokens":1,"window":"day"}`, "exactly one of usd")
	f(`{"usd":1}`, "give window")
	f(`{"usd":1,"per":"minute"}`, "never a rate")
	f(`{"usd":"much","window":"day"}`, "usd is", "usd")
	f(`{"tokens":-1,"window":"day"}`, "negative")
	f(`{"tokens":1,"window":"day","per":"day"}`, "either window")
	f(`{"tokens":1,"window":"fortnight"}`, "unit is")
	f(`{"tokens":1,"window":{"unit":"day","tz":"Mars"}}`, "time zone")
	f(`{"tokens":1,"window":{"unit":"total","rolling":true}}`, "does not roll")
	f(`{"tokens":1,"window":"day","on_exceed":"pray"}`, "on_exceed", "on_exceed")
	f(`{"concurrent":1,"per":"day"}`, "no window")
	f(`{"tokens":1,"windows":"day"}`, "unknown field", "windows")
}
