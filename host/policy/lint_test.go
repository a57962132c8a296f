package policy

import (
	"strings"
	"testing"
)

func lintOf(t *testing.T, bundle files) []NotIndexed {
	t.Helper()
	rep, err := Check(bundle.folder(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return rep.Units[len(rep.Units)-1].NotIndexed
}

func TestLint(t *testing.T) {
	table := `{"list": [{"team": "a"}], "tbl": {"a": {"team": "a"}}}`
	f := func(condition, want string) {
		t.Helper()
		got := lintOf(t, files{"u": "deny contains {\"code\": \"x\"} if {\n\t" + condition + "\n}", "data.json": table})
		if len(got) != 1 || !got[0].Rewrite || got[0].Line != 4 || !strings.Contains(got[0].What, want) {
			t.Errorf("%s\ngot %v, want %q", condition, got, want)
		}
	}
	f(`lower(input.principal.team) == "a"`, "lower(input.principal.team) is computed")
	f(`"a" == lower(input.principal.team)`, "is computed")
	f(`not input.principal.team == "a"`, "is negated")
	f(`input.principal.team != "a"`, "is compared by !=")
	f(`input.principal.attrs[lower(input.principal.team)] == "a"`, "computed reference")
	f(`regex.match("^a", input.principal.team)`, "regex.match is not indexed")
	f(`glob.match("a*", null, input.principal.team)`, "glob.match without separators")
	f("some r in data.list\n\tr.team == input.principal.team", "it loops over data.list, a list of objects")
}

func TestLintOfWhatCannotBeIndexed(t *testing.T) {
	got := lintOf(t, files{"u": "deny contains {\"code\": \"x\"} if {\n\tsome name, r in data.tbl\n\tr.team == input.principal.team\n}\n\n" +
		"deny contains {\"code\": \"y\"} if data.tbl[input.principal.team]", "data.json": `{"tbl": {"a": {"team": "a"}}}`})
	if len(got) != 2 || got[0].Rewrite || got[1].Rewrite || got[0].Line != 3 || !strings.Contains(got[0].What, "loops over data.tbl") ||
		!strings.Contains(got[1].What, "compares no field") {
		t.Errorf("got %v", got)
	}
}

func TestLintIsSilentWhereRulesAreIndexed(t *testing.T) {
	for _, condition := range []string{`input.principal.team == "a"`, `"a" == input.principal.team`, `startswith(input.request.model, "openai/")`,
		`input.principal.team in {"a", "b"}`, `glob.match("a:*", [":"], input.principal.team)`, "f(input.principal.team)\n}\n\nf(team) if {\n\tteam == \"a\"",
		"input.request.op == \"chat\"\n\tlower(input.principal.team) == \"a\""} {
		got := lintOf(t, files{"u": "deny contains {\"code\": \"x\"} if {\n\t" + condition + "\n}"})
		for _, n := range got {
			if n.Rewrite {
				t.Errorf("%s\ngot %v", condition, n)
			}
		}
	}
}
