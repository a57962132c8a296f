package policy

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// awkward are units that try to hide what they read. needs names fields that
// their verdict really depends on; other rules stand in package lib.x.
var awkward = []awkwardUnit{
	{name: "plain", unit: `deny contains {"code": "x"} if input.principal.team == "a"`, needs: []string{"principal.team"}},
	{name: "else", unit: "deny contains {\"code\": c} if c := pick\npick := \"one\" if input.principal.team == \"a\" else := \"two\" if input.net.tls\n", needs: []string{"principal.team", "net.tls"}},
	{name: "default", unit: "default permit := false\npermit if input.request.stream", needs: []string{"request.stream"}},
	{name: "negation", unit: `deny contains {"code": "x"} if not input.request.op == "chat"`, needs: []string{"request.op"}},
	{name: "every", unit: "deny contains {\"code\": \"x\"} if every t in input.request.tools { startswith(t, \"web\") }", needs: []string{"request.tools"}},
	{name: "comprehension", unit: `deny contains {"code": "x"} if count({t | some t in input.request.tools; endswith(t, "x")}) > 1`, needs: []string{"request.tools"}},
	{name: "dynamic section", unit: "deny contains {\"code\": \"x\"} if {\n some k in [\"team\", \"user\"]\n input.principal[k] == \"b\"\n}", needs: []string{"principal.team", "principal.user"}},
	{name: "dynamic root", unit: "deny contains {\"code\": \"x\"} if {\n some s in [\"net\", \"request\"]\n some k, v in input[s]\n v == true\n}", needs: []string{"net.tls", "request.stream"}},
	{name: "computed key", unit: `deny contains {"code": "x"} if input.principal[concat("", ["te", "am"])] == "a"`, needs: []string{"principal.team"}},
	{name: "key from input", unit: `deny contains {"code": "x"} if input.principal.attrs[input.principal.user] == "1"`, needs: []string{"principal.attrs", "principal.user"}},
	{name: "walk", unit: "deny contains {\"code\": \"x\"} if {\n walk(input, [path, value])\n path[count(path) - 1] == \"hour\"\n value > 12\n}", needs: []string{"time.hour"}},
	{name: "walk a section", unit: "deny contains {\"code\": \"x\"} if {\n walk(input.principal, [_, \"b\"])\n}", needs: []string{"principal.team", "principal.user"}},
	{name: "json.filter", unit: `deny contains {"code": "x"} if json.filter(input, ["net/tls"]).net.tls`, needs: []string{"net.tls"}},
	{name: "object.get", unit: `deny contains {"code": "x"} if object.get(input, ["request", "model"], "") == "m1"`, needs: []string{"request.model"}},
	{name: "json.marshal", unit: `deny contains {"code": "x"} if contains(json.marshal(input.request), "tool-x")`, needs: []string{"request.tools"}},
	{name: "alias", unit: "deny contains {\"code\": \"x\"} if {\n r := input.request\n s := r\n s.max_tokens > 100\n}", needs: []string{"request.max_tokens"}},
	{name: "whole input alias", unit: "deny contains {\"code\": \"x\"} if {\n i := input\n i.request.stream\n}", needs: []string{"request.stream"}},
	{name: "to a function", unit: "deny contains {\"code\": \"x\"} if f(input.request)\nf(r) if r.model == \"m1\"", needs: []string{"request.model"}},
	{name: "whole to a function", unit: "deny contains {\"code\": \"x\"} if f(input)\nf(i) if i.principal.env == \"prod\"", needs: []string{"principal.env"}},
	{name: "function pattern", unit: "deny contains {\"code\": \"x\"} if f(input.principal.team, input.request.op)\nf(\"a\", \"chat\")\nf(\"b\", _)", needs: []string{"principal.team", "request.op"}},
	{name: "with input", unit: "deny contains {\"code\": \"x\"} if inner with input as {\"principal\": {\"team\": input.principal.user}}\ninner if input.principal.team == \"a\"", needs: []string{"principal.user"}},
	{name: "with part of input", unit: "deny contains {\"code\": \"x\"} if inner with input.principal.team as input.principal.env\ninner if {\n input.principal.team == \"prod\"\n input.net.tls\n}", needs: []string{"principal.env", "net.tls"}},
	{name: "with data", unit: "deny contains {\"code\": \"x\"} if inner with data.cfg.team as input.principal.team\ninner if data.cfg.team == \"a\"", needs: []string{"principal.team"}},
	{name: "function mock", unit: "deny contains {\"code\": \"x\"} if inner with f as g\ninner if f(1)\nf(x) if x == 2\ng(_) if input.principal.team == \"a\"", needs: []string{"principal.team"}},
	{name: "function mock elsewhere", unit: "deny contains {\"code\": \"x\"} if inner with data.lib.x.f as data.lib.x.g\ninner if data.lib.x.f(1)",
		lib: "f(x) if x == 2\ng(_) if input.net.tls", needs: []string{"net.tls"}},
	{name: "builtin mock", unit: "deny contains {\"code\": \"x\"} if inner with count as g\ninner if count([]) == 7\ng(_) := 7 if input.principal.user == \"b\"", needs: []string{"principal.user"}},
	{name: "rule mock", unit: "deny contains {\"code\": \"x\"} if inner with data.lib.x.flag as input.request.stream\ninner if data.lib.x.flag",
		lib: "flag := false", needs: []string{"request.stream"}},
	{name: "dynamic rule", unit: "deny contains {\"code\": \"x\"} if {\n some name in [\"p\", \"q\"]\n data.lib.x[name]\n}",
		lib: "p if input.principal.team == \"a\"\nq if input.request.stream", needs: []string{"principal.team", "request.stream"}},
	{name: "dynamic package", unit: "deny contains {\"code\": \"x\"} if {\n some pkg in [\"x\"]\n data.lib[pkg].p\n}", lib: "p if input.net.tls", needs: []string{"net.tls"}},
	{name: "package as a value", unit: `deny contains {"code": "x"} if data.lib.x == {"p": true}`, lib: "p if input.net.tls", needs: []string{"net.tls"}},
	{name: "partial object", unit: `deny contains {"code": "x"} if data.lib.x.obj.a == 1`, lib: "obj[k] := v if {\n some k in [\"a\", \"b\"]\n v := count(input.request.tools)\n}", needs: []string{"request.tools"}},
	{name: "nested partial object", unit: `deny contains {"code": "x"} if data.lib.x.obj.a.b`, lib: "obj[input.principal.team][input.principal.user] := true", needs: []string{"principal.team", "principal.user"}},
	{name: "partial set of input", unit: `deny contains {"code": "x"} if "b" in data.lib.x.s`, lib: "s contains input.principal.team\ns contains input.principal.user", needs: []string{"principal.team", "principal.user"}},
	{name: "value in the head", unit: `deny contains {"code": "x", "v": input.request.max_tokens} if input.request.max_tokens > 100`, needs: []string{"request.max_tokens"}},
	{name: "obligation value", unit: `obligations["max_tokens"] := input.time.hour + 1`, needs: []string{"time.hour"}},
	{name: "obligation key", unit: "obligations[k] := 5 if {\n k := {true: \"max_tokens\"}[input.net.tls]\n}", needs: []string{"net.tls"}},
	{name: "string template", unit: "deny contains {\"code\": c} if {\n c := sprintf(\"c_%s\", [replace(input.principal.team, \"-\", \"\")])\n}", needs: []string{"principal.team"}},
	{name: "template", unit: "deny contains {\"code\": c} if {\n input.net.tls\n c := $\"c_{replace(input.principal.team, \"-\", \"\")}\"\n}", needs: []string{"principal.team", "net.tls"}},
	{name: "negated block", unit: "import future.keywords.not\n\ndeny contains {\"code\": \"x\"} if {\n not {\n  input.principal.team == \"a\"\n  input.net.tls\n }\n}", needs: []string{"principal.team", "net.tls"}},
	{name: "logical", unit: "import future.keywords.and\nimport future.keywords.or\n\ndeny contains {\"code\": \"x\"} if (input.principal.team == \"a\" and input.net.tls) or input.request.stream", needs: []string{"principal.team", "net.tls", "request.stream"}},
	{name: "nested calls", unit: `deny contains {"code": "x"} if abs(count(concat("", array.concat(input.request.tools, [input.principal.user]))) - 3) > 1`, needs: []string{"request.tools", "principal.user"}},
	{name: "index into data by input", unit: `deny contains {"code": "x"} if data.tbl[input.principal.team][input.request.op] == 1`, needs: []string{"principal.team", "request.op"}},
	{name: "input in a set literal", unit: `deny contains {"code": "x"} if {input.principal.team, input.principal.user} == {"a"}`, needs: []string{"principal.team", "principal.user"}},
	{name: "input as an object key", unit: `deny contains {"code": "x"} if {input.principal.team: 1}.a == 1`, needs: []string{"principal.team"}},
	{name: "destructuring", unit: "deny contains {\"code\": \"x\"} if {\n {\"in\": i, \"out\": _} = input.request.modalities\n \"image\" in i\n}", needs: []string{"request.modalities.in"}},
	{name: "array position", unit: `deny contains {"code": "x"} if input.net.zones[0] == "private"`, needs: []string{"net.zones"}},
	{name: "beyond a leaf", unit: `deny contains {"code": "x"} if input.principal.roles[_] == "admin"`, needs: []string{"principal.roles"}},
	{name: "one attribute", unit: `deny contains {"code": "x"} if input.principal.attrs.a == "1"`, needs: []string{"principal.attrs.a"}},
	{name: "absent attribute", unit: `deny contains {"code": "x"} if not input.principal.attrs.a`, needs: []string{"principal.attrs.a"}},
	{name: "all attributes", unit: `deny contains {"code": "x"} if object.get(input.principal.attrs, "a", "none") == "none"`, needs: []string{"principal.attrs"}},
	{name: "time parts", unit: "deny contains {\"code\": \"x\"} if {\n input.time.weekday in {\"sat\", \"sun\"}\n}\ndeny contains {\"code\": \"y\"} if input.time.minute > 30", needs: []string{"time.weekday", "time.minute"}},
	{name: "size bucket", unit: `deny contains {"code": "x"} if input.request.input_size in {"2k", "4k"}`, needs: []string{"request.input_size"}},
	{name: "address", unit: `deny contains {"code": "x"} if net.cidr_contains("10.0.0.0/9", input.net.ip)`, needs: []string{"net.ip"}},
}

func init() { awkward = append(awkward, more...) }

// more are of what OPA has learnt since, and of what authors do with it.
var more = []awkwardUnit{
	{name: "function with a default", unit: "deny contains {\"code\": \"x\"} if f(input.principal.team) == 2\ndefault f(_) := 1\nf(t) := 2 if {\n t == \"a\"\n input.net.tls\n}", needs: []string{"principal.team", "net.tls"}},
	{name: "captured by a comprehension", unit: "deny contains {\"code\": \"x\"} if {\n t := input.principal.team\n count([u | some u in [input.principal.user, \"z\"]; u == t]) > 0\n}", needs: []string{"principal.team", "principal.user"}},
	{name: "nested comprehensions", unit: "deny contains {\"code\": \"x\"} if count({a | a := {b | some b in input.request.tools; b != input.principal.user}[_]}) == 2", needs: []string{"request.tools"}},
	{name: "else in a function", unit: "deny contains {\"code\": c} if c := f(input.request.op)\nf(op) := \"one\" if {\n op == \"chat\"\n input.net.tls\n} else := \"two\" if input.request.stream\n", needs: []string{"request.op", "net.tls", "request.stream"}},
	{name: "json.patch", unit: `deny contains {"code": "x"} if json.patch(input.principal, [{"op": "replace", "path": "/env", "value": input.request.op}]).team == "a"`, needs: []string{"principal.team"}},
	{name: "object.union", unit: `deny contains {"code": "x"} if object.union({"team": "b"}, {k: v | some k, v in input.principal; k != "user"}).team == "a"`, needs: []string{"principal.team"}},
	{name: "object.remove", unit: `deny contains {"code": "x"} if object.remove(input.net, ["ip"]) == {"tls": true, "zones": []}`, needs: []string{"net.tls"}},
	{name: "set operations", unit: `deny contains {"code": "x"} if count({input.principal.team, input.principal.env} & {"a", "prod"}) == 2`, needs: []string{"principal.team", "principal.env"}},
	{name: "set difference by rule", unit: "deny contains {\"code\": \"x\"} if count(want - have) > 0\nwant contains input.principal.team\nhave contains input.principal.user", needs: []string{"principal.team", "principal.user"}},
	{name: "graph.reachable", unit: `deny contains {"code": "x"} if "z" in graph.reachable({"a": [input.principal.team], "b": ["z"], "z": []}, ["a"])`, needs: []string{"principal.team"}},
	{name: "with in a negation", unit: "deny contains {\"code\": \"x\"} if not inner with input.principal.team as input.principal.user\ninner if input.principal.team == \"a\"", needs: []string{"principal.user"}},
	{name: "partial rule over input keys", unit: "deny contains {\"code\": \"x\"} if picked.team == \"a\"\npicked[k] := v if some k, v in input.principal", needs: []string{"principal.team"}},
	{name: "head reference", unit: "deny contains {\"code\": \"x\"} if tree.a.b\ntree[input.principal.team][k] := true if some k in [input.principal.user]", needs: []string{"principal.team", "principal.user"}},
	{name: "conditional alias", unit: "deny contains {\"code\": \"x\"} if {\n s := pick\n s.stream == true\n}\npick := input.request if input.net.tls\npick := {\"stream\": false} if not input.net.tls", needs: []string{"request.stream", "net.tls"}},
	{name: "array of sections", unit: "deny contains {\"code\": \"x\"} if {\n some s in [input.net, input.request]\n some v in s\n v == \"m1\"\n}", needs: []string{"request.model"}},
}

func (a *awkwardUnit) bundle() files {
	f := files{"u": a.unit, "data.json": `{"signalbox": {"zones": {"private": ["10.0.0.0/8"], "lab": ["10.128.0.0/9", "2001:db8::/32"]}},
		"cfg": {"team": ""}, "tbl": {"a": {"chat": 1}, "b": {"embeddings": 1}}}`}
	if a.lib != "" {
		f["lib.rego"] = "package lib.x\n\n" + a.lib
	}
	return f
}

type awkwardUnit struct {
	name, unit, lib string
	needs           []string
}

// randomCall draws every field from a few values, so that calls often differ in
// one field alone and often not at all.
func randomCall(r *rand.Rand) *call.Call {
	pick := func(s ...string) string { return s[r.IntN(len(s))] }
	c := &call.Call{
		ID: call.ID(r.Int64N(1 << 40)), Op: wire.OpChat, TLS: r.IntN(2) == 0,
		Received: time.Date(2026, 5, 1+r.IntN(4), r.IntN(24), r.IntN(60), 0, 0, time.UTC),
		Remote:   netip.MustParseAddr(pick("10.1.2.3", "10.200.0.1", "192.0.2.1", "2001:db8::1", "::ffff:10.1.2.3")),
		Principal: &call.Principal{KeyID: pick("k-1", "k-2"), KeyName: pick("dev", "ci"), Org: "acme", Project: "p",
			Team: pick("", "a", "b", "boom"), User: pick("a", "b", "cc"), Env: pick("prod", "dev")},
		Model: &call.Model{Name: pick("m1", "m2", "fast")},
		Facts: scan.Facts{Stream: r.IntN(2) == 0, In: scan.Modality(r.IntN(16)), Size: r.IntN(6000), MaxTokens: int64(r.IntN(4) * 90)},
	}
	if r.IntN(3) == 0 {
		c.Op = wire.OpEmbeddings
	}
	for _, tool := range []string{"web.fetch", "tool-x", "web.x"} {
		if r.IntN(2) == 0 {
			c.Facts.Tools = append(c.Facts.Tools, []byte(tool))
		}
	}
	if r.IntN(2) == 0 {
		slices.Reverse(c.Facts.Tools)
		c.Principal.Roles = []string{"admin", "developer"}
		c.Principal.Attrs = map[string]string{pick("a", "b", "cc"): pick("1", "2"), "z": "3"}
	}
	return c
}

// mutations copy one field each from another call.
var mutations = []func(to, from *call.Call){
	func(to, from *call.Call) { to.ID = from.ID },
	func(to, from *call.Call) { to.Op = from.Op },
	func(to, from *call.Call) { to.TLS = from.TLS },
	func(to, from *call.Call) { to.Received = from.Received },
	func(to, from *call.Call) { to.Received = to.Received.Truncate(time.Hour).Add(59 * time.Minute) },
	func(to, from *call.Call) {
		to.Received = to.Received.Add(time.Duration(from.Received.Hour()-to.Received.Hour()) * time.Hour)
	},
	func(to, from *call.Call) { to.Remote = from.Remote },
	func(to, from *call.Call) { to.Model = from.Model },
	func(to, from *call.Call) { to.Facts.Stream = from.Facts.Stream },
	func(to, from *call.Call) { to.Facts.In = from.Facts.In },
	func(to, from *call.Call) { to.Facts.Size = from.Facts.Size },
	func(to, from *call.Call) { to.Facts.MaxTokens = from.Facts.MaxTokens },
	func(to, from *call.Call) { to.Facts.Tools = from.Facts.Tools },
	func(to, from *call.Call) { to.Principal.KeyID = from.Principal.KeyID },
	func(to, from *call.Call) { to.Principal.KeyName = from.Principal.KeyName },
	func(to, from *call.Call) { to.Principal.Team = from.Principal.Team },
	func(to, from *call.Call) { to.Principal.User = from.Principal.User },
	func(to, from *call.Call) { to.Principal.Env = from.Principal.Env },
	func(to, from *call.Call) { to.Principal.Roles = from.Principal.Roles },
	func(to, from *call.Call) { to.Principal.Attrs = from.Principal.Attrs },
}

// differ compares what u remembers with fresh evaluations, on n random calls and
// on each with one field changed. It stops at the first that differ. hits is the
// part that came from memory.
func differ(s *snapshot, u *unit, n int) (differs bool, hits float64) {
	rnd := rand.New(rand.NewPCG(1, 2))
	before := u.stats.hits.Load()
	same := func(c *call.Call) bool {
		r := getReader(c, &s.env)
		defer putReader(r)
		got, gotErr := u.ask(r)
		if r.input != nil {
			return true // it has just been evaluated
		}
		want, wantErr := u.eval(r.document(), newDeadline(slack))
		return (gotErr == nil) == (wantErr == nil) && got == want // equal verdicts are one
	}
	for range n {
		c := randomCall(rnd)
		if !same(c) {
			return true, 0
		}
		mutations[rnd.IntN(len(mutations))](c, randomCall(rnd))
		if !same(c) {
			return true, 0
		}
	}
	return false, float64(u.stats.hits.Load()-before) / float64(2*n)
}

// TestImpureUnitsAreNotRemembered compiles without the restriction of builtins,
// as a host with functions of its own would.
func TestImpureUnitsAreNotRemembered(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		c := ast.MustCompileModules(map[string]string{"u.rego": "package signalbox.units.u\n\n" + body})
		r := analyse(c, []ast.Ref{unitsRef.Append(ast.StringTerm("u")).Append(ast.StringTerm("deny"))})
		if len(r.uncached) == 0 || r.uncached[0].What != want {
			t.Errorf("%s\ngave %v, want %q", body, r.uncached, want)
		}
	}
	f(`deny contains {"code": "x"} if time.now_ns() > 1`, "time.now_ns does not always answer the same")
	f(`deny contains {"code": "x"} if http.send({"url": "a", "method": "get"}).status_code == 1`, "http.send does not always answer the same")
	f(`deny contains {"code": "x"} if count([rand.intn("a", 5)]) == 1`, "rand.intn does not always answer the same")
	f(`deny contains {"code": "x"} if crypto.x509.parse_and_verify_certificates("a")[0]`, "crypto.x509.parse_and_verify_certificates does not always answer the same")
	f("deny contains {\"code\": \"x\"} if inner with f as rand.intn\ninner if f(\"a\", 5) > 1\nf(_, _) := 2", "rand.intn does not always answer the same")
	f("deny contains {\"code\": \"x\"} if inner with count as f\ninner if count([1]) > 1\nf(_) := opa.runtime().x", "opa.runtime does not always answer the same")
	f("deny contains {\"code\": \"x\"} if every n in [\"a\"] { uuid.rfc4122(n) != \"\" }", "uuid.rfc4122 does not always answer the same")
	f(`deny contains {"code": "x"} if input.call.unix_ms > 1`, "input.call.unix_ms differs in every request")
	f("deny contains {\"code\": \"x\"} if f(input)\nf(i) if i.call.id == \"a\"", "input.call.id differs in every request")
}

func TestUnknownBuiltinIsNotRemembered(t *testing.T) {
	caps := ast.CapabilitiesForThisVersion()
	caps.Builtins = append(caps.Builtins, &ast.Builtin{Name: "acme.lookup", Decl: ast.Plus.Decl})
	c := ast.NewCompiler().WithCapabilities(caps)
	c.Compile(map[string]*ast.Module{"u.rego": ast.MustParseModule("package signalbox.units.u\n\ndeny contains {\"code\": \"x\"} if acme.lookup(1, 2) == 3")})
	if c.Failed() {
		t.Fatal(c.Errors)
	}
	r := analyse(c, []ast.Ref{ast.MustParseRef("data.signalbox.units.u.deny")})
	if len(r.uncached) != 1 || r.uncached[0].What != "acme.lookup is not a builtin of OPA" || r.uncached[0].Line != 3 {
		t.Errorf("got %v", r.uncached)
	}
}

// TestConcurrentEvaluations shares one snapshot's data, compiled patterns and
// memory between goroutines.
func TestConcurrentEvaluations(t *testing.T) {
	e := files{"u": `deny contains {"code": "x"} if regex.match(data.patterns[input.principal.team], input.request.model)
deny contains {"code": "y"} if {
	some pattern in data.globs[input.request.op]
	glob.match(pattern, ["/"], input.principal.user)
}
obligations["max_tokens"] := data.caps[input.net.zones[0]]
obligations["log"] := "none"
`, "data.json": `{"signalbox": {"zones": {"private": ["10.0.0.0/8"]}}, "caps": {"private": 7},
		"patterns": {"a": "^m[0-9]$", "b": "x+"}, "globs": {"chat": ["a*", "cc"], "embeddings": ["b"]}}`}.open(t)
	s := e.snap.Load()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if differs, _ := differ(s, s.units[1], 50); differs {
				t.Error("a remembered decision differs from a fresh one")
			}
		})
	}
	wg.Wait()
}
