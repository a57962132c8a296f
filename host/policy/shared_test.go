package policy

import "testing"

// TestGivenUpHalfWay: what a unit in a dry run leaves behind when a builtin
// fails is no answer for the next one, which shares its rules.
func TestGivenUpHalfWay(t *testing.T) {
	bundle := files{
		"a":         `deny contains {"code": "a"} if data.lib.x.f(input.principal.team) == 3`,
		"b":         `deny contains {"code": "b"} if data.lib.x.f(input.principal.team) == 2`,
		"lib.rego":  "package lib.x\n\nf(t) := 2 if {\n\tt == \"boom\"\n}\n\nf(t) := 3 if {\n\tregex.match(data.bad[t], \"a\")\n}",
		"data.json": `{"bad": {"boom": "["}}`,
	}
	e := openWith(t, Options{Path: bundle.folder(t), Deadline: slack, DryRun: []string{"a"}})
	bad := sampleCall()
	bad.Principal.Team = "boom"
	for range 2 {
		wantDenied(t, e.Decide(bad), CodePolicyError)
	}
	wantAllowed(t, e.Decide(sampleCall()))
}
