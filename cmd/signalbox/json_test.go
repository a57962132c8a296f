package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
)

// wordless are the commands that have no --json, with the reason.
var wordless = map[string]string{
	"signalbox serve":    "it runs until it is ended; log.format makes its log JSON",
	"signalbox mcp demo": "it speaks MCP, which is JSON",
}

// leaves are the commands that do something; those by which cobra completes
// shells print scripts.
func leaves(t *testing.T) (list []*cobra.Command) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			if sub.Name() != "help" && sub.Name() != "completion" {
				walk(sub)
			}
		}
		if !c.HasSubCommands() {
			list = append(list, c)
		}
	}
	walk(commands(t.Output(), t.Output()))
	return list
}

func TestEveryCommandHasJSON(t *testing.T) {
	left := len(wordless)
	for _, c := range leaves(t) {
		path := c.CommandPath()
		has := c.Flags().Lookup("json") != nil
		switch why, listed := wordless[path]; {
		case listed:
			left--
			if has {
				t.Errorf("%s has --json: take it from the list (%s)", path, why)
			}
		case !has:
			t.Errorf("%s has no --json: see shown, told and always", path)
		}
	}
	if left != 0 {
		t.Errorf("%d of the commands that have no --json are not there", left)
	}
}

// TestJSONIsPrintedInOnePlace: what a command prints as JSON looks like that of
// others, and in one line where it is read line by line.
func TestJSONIsPrintedInOnePlace(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no files: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if file != "show.go" && !strings.HasSuffix(file, "_test.go") && bytes.Contains(text, []byte("json.NewEncoder(")) {
			t.Errorf("%s writes JSON by itself: use printJSON or printLine", file)
		}
	}
	var out bytes.Buffer
	if err := printLine(&out, map[string]string{"a": "<b>"}); err != nil || out.String() != `{"a":"\u003cb\u003e"}`+"\n" {
		t.Errorf("a line is %q, %v", out.String(), err)
	}
}

// elsewhere are the commands that one answer for all does not do for: their
// own tests read what they print.
var elsewhere = map[string]string{
	"signalbox tail":             "it follows a stream",
	"signalbox top":              "it follows a stream",
	"signalbox audit list":       "it prints a line for each entry",
	"signalbox audit show":       "it prints an entry",
	"signalbox audit export":     "it prints a line for each entry",
	"signalbox ledger reconcile": "it prints a line for each day and model",
	"signalbox doctor":           "it finds that no gateway is here",
	"signalbox pipeline run":     "it asks as a caller does",
	"signalbox pipeline check":   "it asks nobody",
	"signalbox policy sign":      "it needs a private key",
}

// answered are the fields that a command's text is made of, in one answer for
// all: whoever asks finds what it needs.
const answered = `{"id": "k1", "name": "ci", "token": "sb-k1-secret", "label": "order@2", "version": 2, "revision": "r2", "scope": "team/core", "purged": 3, "fenced": "n1", "reloaded": true}`

// TestAdminCommandsAnswerInJSON runs the example of every command that asks the
// admin API, and reads what it prints with --json.
func TestAdminCommandsAnswerInJSON(t *testing.T) {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answered) }))
	t.Cleanup(api.Close)
	policies, err := filepath.Abs("../../policies")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	if err := os.CopyFS("policies", os.DirFS(policies)); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"new.wasm": "code", "bin/acme": "program", "slack.json": `{"slack": "https://hooks.example"}`,
		"texts.jsonl": `{"channel": "user", "text": "call 555 1234"}`} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ran := 0
	for _, c := range leaves(t) {
		if c.Flag("address") == nil || c.Flags().Lookup("json") == nil || elsewhere[c.CommandPath()] != "" {
			continue
		}
		example, _, _ := strings.Cut(c.Example, "\n")
		out := answerOf(t, example, api.URL)
		var v any
		if err := json.Unmarshal([]byte(out), &v); err != nil {
			t.Errorf("%s --json prints %q: %v", example, out, err)
		}
		ran++
	}
	if ran < 100 {
		t.Errorf("%d commands have run: the walk has missed some", ran)
	}
}

// answerOf is what an example prints with --json.
func answerOf(t *testing.T, example, address string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	root := commands(&stdout, &stderr)
	root.SetIn(strings.NewReader("sk-typed"))
	words := split(regexp.MustCompile(` [<>|] .*|   #.*`).ReplaceAllString(strings.TrimSpace(example), ""))
	words = slices.DeleteFunc(words, func(w string) bool { return w == "--json" || w == "--csv" })
	root.SetArgs(append(words[1:], "--json", "--address", strings.TrimPrefix(address, "http://"), "--token", "a-token-for-this-test"))
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Errorf("%s: %v", example, err)
	}
	return stdout.String()
}

// nameFlags are those that are called like secrets and are names or public.
var nameFlags = regexp.MustCompile(`^(of this key|name of the|public part of|the one under this key|name of the key|file with)`)

// TestSecretsNeedNoFlag looks at the flags that take a secret: each says what
// is better, as others can see flags, and no example uses it.
func TestSecretsNeedNoFlag(t *testing.T) {
	found := map[string]bool{}
	for _, c := range leaves(t) {
		for _, name := range []string{"key", "token", "secret", "password", "store", "signing-key"} {
			f := c.Flag(name)
			if f == nil || nameFlags.MatchString(f.Usage) {
				continue
			}
			found[name] = true
			if !strings.Contains(f.Usage, "$SIGNALBOX_") || !strings.Contains(f.Usage, "others can see flags") {
				t.Errorf("%s --%s: %q does not say what is better than a flag", c.CommandPath(), name, f.Usage)
			}
			if strings.Contains(c.Example, "--"+name) {
				t.Errorf("%s: an example gives a secret by --%s", c.CommandPath(), name)
			}
		}
	}
	for _, name := range []string{"key", "token", "store"} {
		if !found[name] {
			t.Errorf("no command takes a secret by --%s: the test looks at nothing", name)
		}
	}
}

// TestTokenOfTheEnvironment asks a gateway that no configuration tells of.
func TestTokenOfTheEnvironment(t *testing.T) {
	sent := make(chan string, 2)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent <- r.Header.Get("Authorization")
		fmt.Fprint(w, `{"reloaded": true}`)
	}))
	t.Cleanup(api.Close)
	t.Chdir(t.TempDir())
	// A configuration that cannot be read here, as its token is not there.
	if err := os.WriteFile(defaultFile, []byte(`admin: {token: "${env:NOT_SET_HERE}"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(want string, args ...string) {
		t.Helper()
		if err := run(t.Context(), append([]string{"reload", "--address", api.URL}, args...), io.Discard, io.Discard); err != nil {
			t.Fatal(err)
		}
		if got := <-sent; got != "Bearer "+want {
			t.Errorf("it sends %q; want %s", got, want)
		}
	}
	t.Setenv(adminTokenVar, "of-the-environment")
	f("of-the-environment")
	f("of-the-flag", "--token", "of-the-flag")
}

// readJSON is a command of scripts: "json PATH=REGEXP…" reads what the command
// before it has printed, all of which is one JSON value, and looks at fields of
// it, as keys.0.name; "json PATH" prints one.
func readJSON(ts *testscript.TestScript, neg bool, args []string) {
	dec := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	dec.UseNumber()
	var whole any
	ts.Check(dec.Decode(&whole))
	if _, err := dec.Token(); err != io.EOF {
		ts.Fatalf("there is more than one JSON value")
	}
	for _, arg := range args {
		path, want, check := strings.Cut(arg, "=")
		got, ok := field(whole, path)
		switch {
		case !check && ok:
			fmt.Fprintln(ts.Stdout(), got)
		case !ok, regexp.MustCompile("^("+want+")$").MatchString(got) == neg:
			ts.Fatalf("%s is %q", path, got)
		}
	}
}

// field is the text of a field, or the JSON of what is no text.
func field(v any, path string) (string, bool) {
	for _, name := range strings.Split(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			inner, ok := x[name]
			if !ok {
				return "", false
			}
			v = inner
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(x) {
				return "", false
			}
			v = x[i]
		default:
			return "", false
		}
	}
	if text, ok := v.(string); ok {
		return text, true
	}
	b, err := json.Marshal(v)
	return string(b), err == nil
}
