package policy

import (
	"context"
	"strings"
	"testing"
)

// Ways in which a denial can vanish without anybody noticing. Each must end in
// a refused bundle or a refused request, never in an allowed one.

func TestBundleRefused(t *testing.T) {
	f := func(name string, bundle files, want string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			_, err := Open(context.Background(), Options{Path: bundle.folder(t)})
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Fatalf("got error %v, want one that says %q", err, want)
			}
		})
	}
	data := func(body string) files { return files{"data.json": body} }
	f("syntax", files{"u": `deny contains`}, "rego_parse_error")
	f("misspelt input field", files{"u": `deny contains {"code": "x"} if input.principal.taem == "a"`}, "undefined ref")
	f("number compared with text", files{"u": `deny contains {"code": "x"} if input.request.max_tokens == "3"`}, "match error")
	f("misspelt data", files{"u": `deny contains {"code": "x"} if data.lists.blocked[input.principal.team]`, "data.json": `{"lists": {"blokced": {}}}`},
		"neither in the bundle's data nor a rule")
	f("misspelt rule", files{"u": "deny contains {\"code\": \"y\"} if input.net.tls == false\ndenny contains {\"code\": \"x\"} if true"},
		"has no part in deny, permit or obligations")
	f("undefined function", files{"u": `deny contains {"code": "x"} if lowr(input.principal.team) == "a"`}, "undefined function")
	f("network", files{"u": `deny contains {"code": "x"} if http.send({"method": "get", "url": "http://a"}).status_code == 200`}, "undefined function http.send")
	f("clock", files{"u": `deny contains {"code": "x"} if time.now_ns() > 5`}, "undefined function time.now_ns")
	f("randomness", files{"u": `deny contains {"code": "x"} if rand.intn("a", 2) == 1`}, "undefined function rand.intn")
	f("wall clock of certificates", files{"u": `deny contains {"code": "x"} if crypto.x509.parse_and_verify_certificates(input.principal.user)[0]`}, "undefined function crypto.x509")
	f("environment", files{"u": `deny contains {"code": "x"} if opa.runtime().env.HOME`}, "undefined function opa.runtime")
	f("template that loops", files{"u": `deny contains {"code": "x"} if strings.render_template("{{.}}", input.principal) == "a"`}, "undefined function strings.render_template")
	f("denial with a text that may be undefined", files{"u": `deny contains {"code": "x", "v": data.t[input.principal.team].name} if input.net.tls == false`, "data.json": `{"t": {}}`},
		"the denial would vanish")
	f("denial with a rendered message", files{"u": `deny contains {"code": "x", "v": sprintf("%s", [input.principal.team])} if input.net.tls == false`},
		"the denial would vanish")
	f("denial with an optional attribute", files{"u": `deny contains {"code": "x", "v": input.principal.attrs.a} if input.net.tls == false`}, "the denial would vanish")
	table := `{"t": {"a": ["m"]}, "caps": {"a": 1}}`
	f("negated call of what may be undefined", files{"u": `deny contains {"code": "x"} if not startswith(data.t[input.principal.team], "a")`, "data.json": table}, "the denial would vanish")
	f("negated comparison of what may be undefined", files{"u": `deny contains {"code": "x"} if not data.caps[input.principal.team] <= 3`, "data.json": table}, "the denial would vanish")
	f("negated membership in what may be undefined", files{"u": `deny contains {"code": "x"} if not input.request.model in data.t[input.principal.team]`, "data.json": table}, "the denial would vanish")
	f("negated call within a call", files{"u": `deny contains {"code": "x"} if not count(data.t[input.principal.team]) > 3`, "data.json": table}, "the denial would vanish")
	undefinedCall := "\ng(t) := 1 if t == \"a\""
	f("negated comparison of a function that may be undefined", files{"u": `deny contains {"code": "x"} if not g(input.principal.team) == 1` + undefinedCall}, "the denial would vanish")
	f("negated function of one that may be undefined", files{"u": `deny contains {"code": "x"} if not abs(g(input.principal.team))` + undefinedCall}, "the denial would vanish")
	f("negated function of what may be undefined", files{"u": `deny contains {"code": "x"} if not g(data.t[input.principal.team])` + undefinedCall, "data.json": table}, "the denial would vanish")
	f("negated reference by what may be undefined", files{"u": `deny contains {"code": "x"} if not data.caps[g(input.principal.team)]` + undefinedCall, "data.json": table}, "the denial would vanish")
	f("negation in a rule that a denial goes by", files{"u": `deny contains {"code": "x"} if strange
strange if not startswith(data.t[input.principal.team], "a")`, "data.json": table}, "the denial would vanish")
	f("negation in a function of another package", files{"u": `deny contains {"code": "x"} if data.lib.strange(input.principal.team)`,
		"lib.rego": "package lib\n\nstrange(team) if not startswith(data.t[team], \"a\")\n", "data.json": table}, "the denial would vanish")
	f("negation after else", files{"u": `deny contains {"code": "x"} if strange == 2
strange := 1 if {
	input.net.tls
} else := 2 if not startswith(data.t[input.principal.team], "a")`, "data.json": table}, "the denial would vanish")
	f("negation in every", files{"u": `deny contains {"code": "x"} if {
	every tool in input.request.tools { not startswith(data.t[tool], "a") }
}`, "data.json": table}, "the denial would vanish")
	f("negation in a comprehension", files{"u": `deny contains {"code": "x"} if count({tool | some tool in input.request.tools; not startswith(data.t[tool], "a")}) > 0`, "data.json": table}, "the denial would vanish")
	f("deny that is not a set", files{"u": `deny if input.net.tls == false`}, "deny must be a set")
	f("deny below the rule", files{"u": `deny.a contains {"code": "x"} if input.net.tls == false`}, "deny must be a set")
	f("unit that is too deep", files{"a/b.rego": "package signalbox.units.a.b\n\ndeny contains {\"code\": \"x\"} if input.net.tls == false"}, "is not a unit")
	f("deny outside the units", files{"a.rego": "package signalbox.unit.a\n\ndeny contains {\"code\": \"x\"} if input.net.tls == false"}, "never asked for")
	f("unit that decides nothing", files{"u": `x := input.net.tls`}, "decides nothing")
	f("data under another name", files{"u": `deny contains {"code": "x"} if input.net.tls == false`, "lists.json": `{}`}, "would not be read")
	f("data in the way of rules", files{"u": `deny contains {"code": "x"} if input.net.tls == false`, "data.json": `{"signalbox": {"units": {"u": {"deny": []}}}}`}, "conflict")
	f("zone that is no network", data(`{"signalbox": {"zones": {"a": ["10.0.0.0/33"]}}}`), "cannot read zone")
	f("zones of the wrong type", data(`{"signalbox": {"zones": ["10.0.0.0/8"]}}`), "cannot read data.signalbox.zones")
	f("time zone", data(`{"signalbox": {"tz": "Mars/Phobos"}}`), "data.signalbox.tz")
	f("messages", data(`{"signalbox": {"messages": {"x": 1}}}`), "data.signalbox.messages")
	f("contradiction", files{"u": "obligations := {\"max_tokens\": 1} if input.v == 1\nobligations := {\"max_tokens\": 2} if input.principal.key_id != \"\""}, "eval_conflict_error")
	f("permit for everybody", files{"base.rego": "package signalbox.units.base\n\npermit if true"}, "empty input is allowed")
	f("probe that fails", files{"probes.json": `[{"name": "p", "input": {"principal": {"key_id": ""}}, "allow": true}]`}, `probe "p"`)
	f("probe with a misspelt field", files{"probes.json": `[{"name": "p", "input": {"principal": {"keyid": ""}}, "allow": true}]`}, "there is no input.principal.keyid")
	f("probe without an answer", files{"probes.json": `[{"name": "p", "input": {}}]`}, "allow: true or false")
	f("data against its schema", files{"schemas/data.json": `{"type": "object", "additionalProperties": false}`, "data.json": `{"a": 1}`}, "schemas/data.json")
	f("headers as a whole", files{"u": `deny contains {"code": "x"} if count(input.call.headers) > 3`}, "constant name")
	f("a secret header", files{"u": `deny contains {"code": "x"} if input.call.headers.authorization == "a"`}, "may hold a secret")
	f("Rego v0", files{".manifest": `{"rego_version": 0}`, "base.rego": strings.Replace(permitAll, "\n\n", "\n\nimport rego.v1\n\n", 1)}, "only Rego v1")
}

func TestNoPermitAnywhere(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(context.Background(), Options{Path: dir}); err == nil || !strings.Contains(err.Error(), "no unit defines permit") {
		t.Errorf("an empty folder gave %v", err)
	}
	files{"u": `deny contains {"code": "x"} if input.net.tls == false`}.write(t, dir)
	if _, err := Open(context.Background(), Options{Path: dir}); err == nil || !strings.Contains(err.Error(), "no unit defines permit") {
		t.Errorf("a bundle without permit gave %v", err)
	}
}

// TestRequestRefused holds what only a request can bring to light. The sweep
// at activation does not see it: the team "boom" is not among its samples.
func TestRequestRefused(t *testing.T) {
	f := func(name string, bundle files, codes string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			e := bundle.open(t)
			ok := sampleCall()
			wantAllowed(t, e.Decide(ok))
			bad := sampleCall()
			bad.Principal.Team = "boom"
			for range 2 {
				wantDenied(t, e.Decide(bad), codes)
			}
			if codes == CodePolicyError {
				st := e.Stats()
				if st.Failures != 2 || st.Units[1].Errors != 2 {
					t.Errorf("an error was remembered: %+v", st)
				}
			}
		})
	}
	unit := func(body string) files {
		return files{"u": body, "data.json": `{"bad": {"boom": "["}, "cidr": {"boom": "10.0.0.0/99"}, "caps": {"t-1": 5, "core": 5, "boom": "5"}}`}
	}
	f("bad pattern in the data", unit(`deny contains {"code": "x"} if regex.match(data.bad[input.principal.team], "a")`), CodePolicyError)
	f("bad network in the data", unit(`deny contains {"code": "x"} if net.cidr_contains(data.cidr[input.principal.team], input.net.ip)`), CodePolicyError)
	f("undefined permit", unit(`permit if input.principal.team != "boom"`), CodePolicyError)
	f("permit that is false", unit("default permit := false\npermit if input.principal.team != \"boom\""), CodeNotPermitted)
	f("undefined obligations", unit(`obligations := {"max_tokens": 9} if input.principal.team != "boom"`), CodePolicyError)
	f("obligation of the wrong type", unit(`obligations["max_tokens"] := data.caps[input.principal.team]`), CodePolicyError)
	f("contradicting rules", unit("permit := true\npermit := false if input.principal.team == \"boom\""), CodePolicyError)
	f("several denials", unit("deny contains {\"code\": \"b\"} if input.principal.team == \"boom\"\ndeny contains {\"code\": \"a\", \"v\": input.principal.team} if input.principal.team == \"boom\""), "a,b")
}

// TestNegationsThatHold are those that may stand in a denial: they hold where a
// part is undefined.
func TestNegationsThatHold(t *testing.T) {
	f := func(body string) {
		t.Helper()
		e := files{"u": "deny contains {\"code\": \"x\"} if not " + body,
			"data.json": `{"t": {"core": true}, "caps": {"core": 1}, "list": ["core"]}`}.open(t)
		wantAllowed(t, e.Decide(sampleCall()))
		bad := sampleCall()
		bad.Principal.Team = "boom"
		wantDenied(t, e.Decide(bad), "x")
	}
	f(`data.t[input.principal.team]`)
	f(`data.caps[input.principal.team] == 1`)
	f("fits(input.principal.team, 1)\nfits(n, most) if data.caps[n] <= most")
	f(`input.principal.team in data.list`)
	f(`count([1 | data.caps[input.principal.team] > 0]) > 0`)
}

// TestVerdictRefused gives units that answer what they must not.
func TestVerdictRefused(t *testing.T) {
	f := func(rule string) {
		t.Helper()
		body := "default permit := true\n" + strings.ReplaceAll(rule, "WHEN", `input.principal.team == "boom"`)
		e := files{"u": body}.open(t)
		wantAllowed(t, e.Decide(sampleCall()))
		bad := sampleCall()
		bad.Principal.Team = "boom"
		d := e.Decide(bad)
		if d.Allow || codesOf(d) != CodePolicyError {
			t.Errorf("%s\ngave allow %v, %v", rule, d.Allow, d.Reasons)
		}
	}
	f(`deny contains "no" if WHEN`)
	f(`deny contains {"v": "no code"} if WHEN`)
	f(`deny contains {"code": "Not A Code"} if WHEN`)
	f(`deny contains {"code": "x", "message": "hi"} if WHEN`)
	f(`deny contains {"code": 7} if WHEN`)
	f("deny contains {\"code\": \"x\", \"v\": v} if {\n WHEN\n v := [1]\n}")
	f(`permit := "yes" if WHEN`)
	f(`obligations["max_token"] := 5 if WHEN`)
	f(`obligations["max_tokens"] := 0 if WHEN`)
	f(`obligations["max_tokens"] := -1 if WHEN`)
	f(`obligations["max_tokens"] := 1.5 if WHEN`)
	f(`obligations["max_tokens"] := 1e30 if WHEN`)
	f(`obligations["targets"] := "openai/x" if WHEN`)
	f(`obligations["targets"] := [7] if WHEN`)
	f(`obligations["targets"] := [""] if WHEN`)
	f(`obligations["filters"] := ["unheard-of"] if WHEN`)
	f(`obligations["log"] := "some" if WHEN`)
	f(`obligations["cache"] := true if WHEN`)
	f(`obligations["limits"] := [{"scope": "team/a", "unit": "usd_nano", "max": 5}] if WHEN`)
	f(`obligations["limits"] := [{"scope": "team/", "unit": "usd_nano", "max": 5, "window": {"unit": "day"}}] if WHEN`)
	f(`obligations["limits"] := [{"scope": "planet/x", "unit": "usd_nano", "max": 5, "window": {"unit": "day"}}] if WHEN`)
	f(`obligations["limits"] := [{"scope": "team/a", "unit": "usd", "max": 5, "window": {"unit": "day"}}] if WHEN`)
	f(`obligations["limits"] := [{"scope": "team/a", "unit": "usd_nano", "max": 0.5, "window": {"unit": "day"}}] if WHEN`)
	f(`obligations["limits"] := [{"scope": "team/a", "unit": "usd_nano", "max": -1, "window": {"unit": "day"}}] if WHEN`)
	f(`obligations["limits"] := [{"scope": "team/a", "unit": "usd_nano", "max": 5, "window": {"unit": "year"}}] if WHEN`)
	f(`obligations["limits"] := [{"scope": "team/a", "unit": "usd_nano", "max": 5, "window": {"unit": "day", "tz": "Local"}}] if WHEN`)
	f(`obligations["limits"] := [{"scope": "team/a", "unit": "usd_nano", "max": 5, "window": {"unit": "day", "tz": "Mars/X"}}] if WHEN`)
	f(`obligations["limits"] := [{"scope": "team/a", "unit": "usd_nano", "max": 5, "window": {"size": 1}}] if WHEN`)
	f(`obligations["limits"] := [{"scope": "team/a", "unit": "usd_nano", "max": 5, "window": {"unit": "day", "size": 0}}] if WHEN`)
	f(`obligations["limits"] := [{"scope": "team/a", "unit": "usd_nano", "max": 5, "window": {"unit": "day", "size": 20000}}] if WHEN`)
	f(`obligations["limits"] := [{"scope": "team/a", "unit": "usd_nano", "max": 5, "window": {"unit": "total", "rolling": true}}] if WHEN`)
	f(`obligations["limits"] := [{"scope": "team/a", "unit": "usd_nano", "max": 5, "window": {"unit": "day", "rolling": 1}}] if WHEN`)
	f(`obligations["limits"] := [{"scope": "team/a", "unit": "usd_nano", "max": 5, "window": {"unit": "day"}, "on_exceed": "shrug"}] if WHEN`)
	f(`obligations["limits"] := [{"scope": "team/a", "unit": "usd_nano", "max": 5, "window": {"unit": "day"}, "rate": true}] if WHEN`)
	f(`obligations["limits"] := [{"scope": "team/a", "unit": "requests", "max": 5, "window": {"unit": "day"}, "rate": 1}] if WHEN`)
	f(`obligations["limits"] := [{"scope": "team/a", "unit": "concurrent", "max": 5, "window": {"unit": "day"}}] if WHEN`)
	f(`obligations["limits"] := [{"scope": "team/a", "unit": "concurrent", "max": 5, "rate": false}] if WHEN`)
	f(`obligations["limits"] := [{"scope": "team/a", "unit": "concurrent"}] if WHEN`)
}
