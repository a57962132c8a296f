package policy

import (
	"strings"
	"testing"
)

func TestCheckNamesWhatIsNotRemembered(t *testing.T) {
	dir := files{"u": "deny contains {\"code\": \"x\"} if {\n\tinput.principal.team == \"a\"\n\tinput.call.est_input_tokens > 5\n}",
		"u_test.rego": "package signalbox.units.u_test\n\nimport data.signalbox.units.u\n\ntest_nothing if u.deny == set() with input as {\"principal\": {\"team\": \"b\"}}"}.folder(t)
	rep, err := Check(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	u := rep.Units[1]
	if u.Cached || len(u.Uncached) != 1 || u.Uncached[0].Line != 5 || !strings.HasSuffix(u.Uncached[0].File, "u.rego") {
		t.Errorf("got %+v", u)
	}
	if rep.Tests != 1 || rep.Coverage >= 100 || len(rep.Uncovered) == 0 {
		t.Errorf("got %+v", rep)
	}
}

func TestCheckFails(t *testing.T) {
	f := func(bundle files, want string) {
		t.Helper()
		_, err := Check(bundle.folder(t), Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f(files{"u_test.rego": "package a_test\n\ntest_it if 1 == 2"}, "test_it failed")
	f(files{"u_test.rego": "package a_test\n\ntodo_test_it if 1 == 1"}, "is skipped")
	f(files{"u_test.rego": "package a_test\n\ntest_it if data.nothing.at.all with input as 1 with"}, "rego_parse_error")
	f(files{"u_test.rego": "package a_test\n\ntest_it if regex.match(\"[\", \"a\")"}, "test_it failed")
	f(files{"probes.json": `[{"name": "p", "input": {}, "allow": false}]`}, `probe "p"`)
	f(files{"data.json": `{`}, "data.json")
	if _, err := Check("/nowhere", Options{}); err == nil {
		t.Error("a folder that is not there passed")
	}
}
