package policy

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const authorsPage = "../../docs/policy-authors.md"

// fences are the files that a part of the page shows, by name.
func fences(text string) files {
	out := files{}
	for _, m := range regexp.MustCompile("(?s)```(?:rego|json) ([a-z_]+\\.(?:rego|json))\n(.*?)```").FindAllStringSubmatch(text, -1) {
		out[m[1]] = m[2]
	}
	return out
}

// TestRecipes runs what the page for authors shows on the requests below it.
func TestRecipes(t *testing.T) {
	body, err := os.ReadFile(authorsPage)
	if err != nil {
		t.Fatal(err)
	}
	before, recipes, _ := strings.Cut(string(body), "\n## Eleven recipes\n")
	var catalogue Catalogue
	if err := json.Unmarshal([]byte(fences(before)["catalogue.json"]), &catalogue); err != nil {
		t.Fatal(err)
	}
	parts := regexp.MustCompile(`(?m)^### \d+\. `).Split(recipes, -1)[1:]
	if len(parts) != 11 {
		t.Fatalf("the page has %d recipes", len(parts))
	}
	for _, part := range parts {
		name, _, _ := strings.Cut(part, "\n")
		t.Run(name, func(t *testing.T) {
			o := Options{Filters: []string{"pii"}, Catalogue: catalogue}
			path := recipe(t, fences(part))
			if rep, err := Check(path, o); err != nil || rewrites(rep) > 0 {
				t.Fatalf("%v, %d rules to write otherwise", err, rewrites(rep))
			}
			trial, err := Load(path, o)
			if err != nil {
				t.Fatal(err)
			}
			allowed, denied := tryRequests(t, trial, part)
			if allowed == 0 || denied == 0 {
				t.Errorf("%d requests are allowed, %d denied", allowed, denied)
			}
		})
	}
}

func rewrites(rep Report) (n int) {
	for _, u := range rep.Units {
		for _, x := range u.NotIndexed {
			if x.Rewrite {
				n++
			}
		}
	}
	return n
}

// recipe is the default bundle with the files of f; its data is laid over the
// bundle's.
func recipe(t *testing.T, f files) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(defaultFolder)); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(dir + "/data.json")
	if err != nil {
		t.Fatal(err)
	}
	var data, over map[string]any
	if err := json.Unmarshal(raw, &data); err != nil {
		t.Fatal(err)
	}
	f = maps.Clone(f)
	if f["data.json"] != "" {
		if err := json.Unmarshal([]byte(f["data.json"]), &over); err != nil {
			t.Fatal(err)
		}
	}
	layOver(data["signalbox"].(map[string]any), over)
	if raw, err = json.Marshal(data); err != nil {
		t.Fatal(err)
	}
	f["data.json"] = string(raw)
	f.write(t, dir)
	return dir
}

func layOver(to, from map[string]any) {
	for k, v := range from {
		inner, ok := v.(map[string]any)
		have, both := to[k].(map[string]any)
		if ok && both {
			layOver(have, inner)
		} else {
			to[k] = v
		}
	}
}

func tryRequests(t *testing.T, trial *Trial, part string) (allowed, denied int) {
	t.Helper()
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\{.*?\\})` \\| (.*) \\|$").FindAllStringSubmatch(part, -1) {
		x, err := trial.EvalInput([]byte(row[1]))
		if err != nil {
			t.Fatalf("%s: %v", row[1], err)
		}
		var codes []string
		for _, r := range x.Decision.Reasons {
			codes = append(codes, "`"+r.Code+"`")
			if text := trial.Message(r); strings.HasPrefix(text, "Refused by policy") {
				t.Errorf("%s has no message", r.Code)
			}
		}
		slices.Sort(codes)
		got, want, obliged := strings.Join(codes, ", "), row[2], ""
		if x.Decision.Allow {
			allowed++
			got = "allowed"
			want, obliged, _ = strings.Cut(want, " with ")
		} else {
			denied++
		}
		if got != want {
			t.Errorf("%s: got %s, the page says %s %s", row[1], got, want, x.Error)
		}
		if obliged != "" {
			sameObligations(t, x, strings.Trim(obliged, "`"))
		}
	}
	return allowed, denied
}

// sameObligations compares those that the page names.
func sameObligations(t *testing.T, x *Evaluation, page string) {
	t.Helper()
	d := x.Decision
	var targets any
	if d.Restricted {
		targets = d.Targets
	}
	raw, err := json.Marshal(map[string]any{"max_tokens": d.MaxTokens, "targets": targets, "filters": d.Filters, "limits": d.Limits, "log": d.Log, "cache": d.Cache})
	if err != nil {
		t.Fatal(err)
	}
	var have, want map[string]any
	if err := json.Unmarshal(raw, &have); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(page), &want); err != nil {
		t.Fatalf("%s: %v", page, err)
	}
	for name, v := range want {
		if !reflect.DeepEqual(byText(have[name]), byText(v)) {
			t.Errorf("%s: got %s %v, the page says %v", x.Input, name, have[name], v)
		}
	}
}

// byText sorts a list, whose order is of no account.
func byText(v any) any {
	if list, ok := v.([]any); ok {
		slices.SortFunc(list, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	}
	return v
}

// TestFirstUnit runs the tests that the page shows of its first unit.
func TestFirstUnit(t *testing.T) {
	body, err := os.ReadFile(authorsPage)
	if err != nil {
		t.Fatal(err)
	}
	shown := fences(string(body))
	rep, err := Check(files{"first.rego": shown["first.rego"], "first_test.rego": shown["first_test.rego"]}.folder(t), Options{})
	if err != nil || rep.Tests != 2 || rewrites(rep) > 0 {
		t.Errorf("%d tests: %v", rep.Tests, err)
	}
}
