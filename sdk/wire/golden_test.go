package wire

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Golden files are testdata/<caller>_<upstream>/<what>_<name>.txtar. After a
// deliberate change: go test ./sdk/wire -run Golden -update, and read the diff.
var update = flag.Bool("update", false, "rewrite the golden files")

// fixed is a translation whose clock stands still.
func fixed(t testing.TB, from, to Dialect) Translation {
	t.Helper()
	tr, ok := Translate(from, to)
	if !ok {
		t.Fatalf("no translation from %s to %s", from, to)
	}
	f := *tr.(*translation)
	f.now = func() time.Time { return time.Unix(1_700_000_000, 0) }
	return &f
}

// golden is one file in the txtar form: a comment, then sections that each
// begin with a line "-- name --".
type golden struct {
	file     string
	comment  string
	sections map[string]string
	from, to Dialect
	what     string
}

func goldens(t testing.TB) (out []golden) {
	t.Helper()
	files, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		comment, sections := parseSections(string(text))
		from, to, _ := strings.Cut(filepath.Base(filepath.Dir(file)), "_")
		what, _, _ := strings.Cut(filepath.Base(file), "_")
		out = append(out, golden{file, comment, sections, ParseDialect(from), ParseDialect(to), what})
	}
	return out
}

func parseSections(text string) (comment string, sections map[string]string) {
	sections = map[string]string{}
	name := ""
	for _, line := range strings.SplitAfter(text, "\n") {
		if rest, ok := strings.CutPrefix(line, "-- "); ok && strings.HasSuffix(rest, " --\n") {
			name = strings.TrimSuffix(rest, " --\n")
		} else if name == "" {
			comment += line
		} else {
			sections[name] += line
		}
	}
	return comment, sections
}

func (g *golden) section(name string) string { return g.sections[name] }

func (g *golden) setting(name, otherwise string) string {
	for _, line := range strings.Split(g.comment, "\n") {
		if v, ok := strings.CutPrefix(line, name+": "); ok {
			return strings.TrimSpace(v)
		}
	}
	return otherwise
}

// wanted are the sections that hold what a translation gives.
var wanted = []string{"want.json", "want.sse", "dropped", "usage", "error"}

func (g *golden) check(t *testing.T, in string, want map[string]string) {
	t.Helper()
	if *update {
		text := g.comment + "-- " + in + " --\n" + g.section(in)
		for _, name := range wanted {
			if want[name] != "" {
				text += "-- " + name + " --\n" + want[name]
			}
		}
		if err := os.WriteFile(g.file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, name := range wanted {
		if got := g.section(name); got != want[name] {
			t.Errorf("%s: %s is now:\n%s\nwant:\n%s", g.file, name, want[name], got)
		}
	}
}

func TestGolden(t *testing.T) {
	for _, g := range goldens(t) {
		t.Run(strings.TrimPrefix(g.file, "testdata/"), func(t *testing.T) {
			tr := fixed(t, g.from, g.to)
			switch g.what {
			case "request":
				g.check(t, "in.json", translateRequest(t, tr, g))
			case "response":
				g.check(t, "in.json", translateResponse(t, tr, g))
			case "stream":
				g.check(t, "in.sse", translateStream(t, tr, g))
			case "error":
				var status int
				_, _ = fmt.Sscan(g.setting("status", "400"), &status)
				g.check(t, "in.json", map[string]string{"want.json": indent(t, tr.Error(nil, status, []byte(g.section("in.json"))))})
			default:
				t.Fatalf("unknown kind %q", g.what)
			}
		})
	}
}

func translateRequest(t *testing.T, tr Translation, g golden) map[string]string {
	out, dropped, err := tr.Request(nil, []byte(g.section("in.json")), g.setting("model", "model-1"))
	want := map[string]string{"error": errorText(err)}
	if err == nil {
		want["want.json"] = indent(t, out)
		want["dropped"] = lines(dropped)
	}
	return want
}

func translateResponse(t *testing.T, tr Translation, g golden) map[string]string {
	out, usage, err := tr.Response(nil, []byte(g.section("in.json")), "alias")
	want := map[string]string{"error": errorText(err)}
	if err == nil {
		want["want.json"] = indent(t, out)
		want["usage"] = usageText(usage)
	}
	return want
}

func translateStream(t *testing.T, tr Translation, g golden) map[string]string {
	st := tr.Stream("alias", g.setting("include_usage", "true") == "true")
	var out []byte
	var err error
	for _, e := range events(g.section("in.sse")) {
		if out, err = st.Event(out, e.name, []byte(e.data)); err != nil {
			break
		}
	}
	if err == nil {
		out, err = st.Finish(out)
	}
	want := map[string]string{"error": errorText(err), "want.sse": string(out)}
	if u, ok := st.Usage(); ok {
		want["usage"] = usageText(u)
	}
	return want
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	e := err.(*Error)
	return fmt.Sprintf("%d %s %s param=%q\n%s\n", e.Status, e.Class, e.Code, e.Param, e.Message)
}

func lines(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return strings.Join(words, "\n") + "\n"
}

func indent(t testing.TB, b []byte) string {
	t.Helper()
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", "  "); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return out.String() + "\n"
}

type sseEvent struct{ name, data string }

// events splits a server-sent event stream.
func events(text string) (out []sseEvent) {
	for _, block := range strings.Split(text, "\n\n") {
		var e sseEvent
		for _, line := range strings.Split(block, "\n") {
			if v, ok := strings.CutPrefix(line, "event: "); ok {
				e.name = v
			} else if v, ok := strings.CutPrefix(line, "data: "); ok {
				e.data += v
			}
		}
		if e.data != "" {
			out = append(out, e)
		}
	}
	return out
}

// bucket matches one that is empty.
var bucket = regexp.MustCompile(` (\w+):0\b`)

// common are the buckets that are shown even when they are empty.
var common = regexp.MustCompile(`^ (Input|CacheRead|CacheWrite5m|CacheWrite1h|Output|Reasoning):`)

func usageText(u Usage) string {
	return bucket.ReplaceAllStringFunc(fmt.Sprintf("%+v\n", u), func(s string) string {
		if common.MatchString(s) {
			return s
		}
		return ""
	})
}
