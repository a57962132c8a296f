package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// The matrix says what becomes of each parameter of a caller's dialect in each
// upstream's. It is not written by hand: testdata/probes has one request a
// parameter, the codecs translate it, and what changed is the entry.
// After a change: go test ./sdk/wire -run Matrix -update

const (
	matrixJSON = "../../docs/parameters.json"
	matrixText = "../../docs/parameters.md"
)

// probes are the requests of one dialect.
type probes struct {
	Base   object  `json:"base"`
	Probes []probe `json:"probes"`
}

// probe is one parameter: with is what it needs beside it, set the parameter itself.
type probe struct {
	Name    string `json:"name"`
	With    object `json:"with"`
	Set     object `json:"set"`
	Reasons bool   `json:"reasons"` // is asked of models that reason
}

// fate is what became of a parameter.
type fate struct {
	// Status is carried (the same values), changed (other values, or another
	// form), partly (some of it, the rest reported), dropped (reported), implied
	// (nothing to send, nothing to report) or refused (400).
	Status string   `json:"status"`
	As     []string `json:"as,omitempty"` // the members that it became
}

type matrixRow struct {
	From      string          `json:"from"`
	Parameter string          `json:"parameter"`
	To        map[string]fate `json:"to"`
}

// matrixModels are the models that the matrix is of: plain ones, and ones that reason.
var matrixModels = map[Dialect][2]string{
	OpenAIChat:        {"gpt-4.1", "gpt-5"},
	OpenAIResponses:   {"gpt-4.1", "gpt-5"},
	AnthropicMessages: {"claude-sonnet-4-5", "claude-sonnet-4-5"},
	GeminiGenerate:    {"gemini-2.5-flash", "gemini-2.5-flash"},
	BedrockConverse:   {"anthropic.claude-sonnet-4-5-20250929-v1:0", "anthropic.claude-sonnet-4-5-20250929-v1:0"},
	CohereChat:        {"command-a-03-2025", "command-a-reasoning-08-2025"},
}

// merged is a with the members of b put over it; objects are merged in turn.
func merged(a, b object) object {
	out := maps.Clone(a)
	if out == nil {
		out = object{}
	}
	for k, v := range b {
		inner, ok := v.(object)
		if old, both := out[k].(object); ok && both {
			v = merged(old, inner)
		}
		out[k] = v
	}
	return out
}

// leaves lists the scalars of v, and what is empty, by their paths; indexes
// are left out.
func leaves(path string, v any, out map[string][]any) map[string][]any {
	switch v := v.(type) {
	case object:
		if len(v) == 0 {
			out[path] = append(out[path], v)
		}
		for k, e := range v {
			leaves(path+"."+k, e, out)
		}
	case []any:
		for _, e := range v {
			leaves(path, e, out)
		}
	default:
		out[path] = append(out[path], v)
	}
	return out
}

func probeFate(t *testing.T, tr Translation, from object, p probe, model string) fate {
	t.Helper()
	translate := func(q object) (out any, dropped []string, err error) {
		body, _ := json.Marshal(q)
		b, dropped, err := tr.Request(nil, body, model)
		if err == nil {
			out = decode(t, b)
		}
		return out, dropped, err
	}
	with := merged(from, p.With)
	base, before, err := translate(with)
	if err != nil {
		t.Fatalf("%s: the request without it: %v", p.Name, err)
	}
	out, dropped, err := translate(merged(with, p.Set))
	if err != nil {
		return fate{Status: "refused"}
	}
	as, values, less := added(base, out)
	lost := slices.ContainsFunc(dropped, func(name string) bool { return !slices.Contains(before, name) })
	switch {
	case lost && len(as) > 0:
		return fate{"partly", as}
	case lost:
		return fate{Status: "dropped"}
	case len(as) == 0 && !less:
		return fate{Status: "implied"}
	}
	_, asked, _ := added(any(with), any(merged(with, p.Set)))
	for _, v := range asked {
		if !slices.Contains(values, v) {
			return fate{"changed", as}
		}
	}
	return fate{"carried", as}
}

// added are the paths and values that b has more than a, or has otherwise;
// less says that it lacks some.
func added(a, b any) (paths []string, values []string, less bool) {
	had, has := leaves("", a, map[string][]any{}), leaves("", b, map[string][]any{})
	for path, list := range has {
		old := had[path]
		for _, v := range list {
			if i := slices.IndexFunc(old, func(w any) bool { return fmt.Sprint(v) == fmt.Sprint(w) }); i >= 0 {
				old = slices.Delete(slices.Clone(old), i, i+1)
				continue
			}
			values = append(values, fmt.Sprint(v))
			if name := strings.TrimPrefix(path, "."); !slices.Contains(paths, name) {
				paths = append(paths, name)
			}
		}
		delete(had, path)
	}
	slices.Sort(paths)
	return paths, values, len(had) > 0
}

func matrix(t *testing.T) (rows []matrixRow) {
	t.Helper()
	for _, from := range codecs {
		if from.readRequest == nil {
			continue
		}
		text, err := os.ReadFile("testdata/probes/" + from.dialect.String() + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var all probes
		if err := json.Unmarshal(text, &all); err != nil {
			t.Fatalf("probes of %s: %v", from.dialect, err)
		}
		for _, p := range all.Probes {
			row := matrixRow{from.dialect.String(), p.Name, map[string]fate{}}
			for _, to := range codecs {
				tr, ok := Translate(from.dialect, to.dialect)
				if !ok {
					continue
				}
				model := matrixModels[to.dialect][0]
				if p.Reasons {
					model = matrixModels[to.dialect][1]
				}
				row.To[to.dialect.String()] = probeFate(t, tr, all.Base, p, model)
			}
			rows = append(rows, row)
		}
	}
	return rows
}

func TestMatrix(t *testing.T) {
	rows := matrix(t)
	list := []byte("[\n")
	for i, row := range rows {
		line, err := json.Marshal(row)
		if err != nil {
			t.Fatal(err)
		}
		list = append(append(list, "  "...), line...)
		if i < len(rows)-1 {
			list = append(list, ',')
		}
		list = append(list, '\n')
	}
	checkFile(t, matrixJSON, append(list, "]\n"...))
	checkFile(t, matrixText, matrixTable(rows))
}

func checkFile(t *testing.T, name string, want []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what the codecs do (%v): go test ./sdk/wire -run Matrix -update, and read the diff", name, err)
	}
}

const matrixHead = `# Parameters: what becomes of them

Where a model's API speaks the caller's dialect, a request passes untouched, with all of its parameters.
Elsewhere it is translated, and these tables say what becomes of each parameter. They are made by running the
translation over one request a parameter (` + "`sdk/wire/testdata/probes`" + `), never by hand; a test fails when they are stale.
The same as data: [parameters.json](parameters.json).

- **carried**: the same values arrive, in the members named.
- **changed**: it arrives in another form or with another value.
- **partly**: some of it arrives; the rest is named in ` + "`x-signalbox-dropped-params`" + `.
- **dropped**: it does not arrive and is named in ` + "`x-signalbox-dropped-params`" + `; strict requests are refused instead.
- **implied**: nothing has to be sent: it is what the upstream does anyway, or it matters to the answer alone.
- **refused**: 400, with the remedy in its message.

What a model takes depends on the model, too. The tables are of these:
`

// matrixTable is the matrix for people.
func matrixTable(rows []matrixRow) []byte {
	var b bytes.Buffer
	b.WriteString(matrixHead + "\n")
	for _, c := range codecs {
		models := matrixModels[c.dialect]
		fmt.Fprintf(&b, "- `%s`: %s", c.dialect, models[0])
		if models[1] != models[0] {
			fmt.Fprintf(&b, "; for reasoning %s", models[1])
		}
		b.WriteString("\n")
	}
	from := ""
	for _, row := range rows {
		if row.From != from {
			from = row.From
			tableHead(&b, row)
		}
		fmt.Fprintf(&b, "| %s |", row.Parameter)
		for _, c := range codecs {
			f, ok := row.To[c.dialect.String()]
			if !ok {
				continue
			}
			b.WriteString(" " + f.Status)
			if len(f.As) > 0 {
				b.WriteString(": `" + strings.Join(shown1(f.As), "`, `") + "`")
			}
			b.WriteString(" |")
		}
		b.WriteString("\n")
	}
	return b.Bytes()
}

func tableHead(b *bytes.Buffer, row matrixRow) {
	fmt.Fprintf(b, "\n## Callers of %s\n\n| parameter |", row.From)
	line := "|---|"
	for _, c := range codecs {
		if _, ok := row.To[c.dialect.String()]; ok {
			fmt.Fprintf(b, " %s |", c.dialect)
			line += "---|"
		}
	}
	b.WriteString("\n" + line + "\n")
}

// shown1 is a list of members with their common parents alone when it is long.
func shown1(paths []string) []string {
	if len(paths) <= 2 {
		return paths
	}
	var out []string
	for _, p := range paths {
		parts := strings.SplitN(p, ".", 3)
		short := strings.Join(parts[:min(len(parts), 2)], ".")
		if !slices.Contains(out, short) {
			out = append(out, short)
		}
	}
	if len(out) > 3 {
		out = append(out[:3], "…")
	}
	return out
}
