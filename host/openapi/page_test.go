package openapi_test

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/signalbox-ai/signalbox/host/openapi"
)

var update = flag.Bool("update", false, "write the table of docs/admin-api.md")

const (
	pageFile  = "../../docs/admin-api.md"
	madeBelow = "<!-- What follows is made from host/openapi: go test ./host/openapi -update -->\n"
)

// TestPage compares the page of the admin API with the document.
func TestPage(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(openapi.Admin())
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(pageFile)
	if err != nil {
		t.Fatal(err)
	}
	head, _, ok := strings.Cut(string(page), madeBelow)
	if !ok {
		t.Fatalf("%s lacks the line %q", pageFile, madeBelow)
	}
	want := head + madeBelow + tables(doc)
	if *update {
		if err := os.WriteFile(pageFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(page) {
		t.Errorf("%s is not what the document says: run go test ./host/openapi -update", pageFile)
	}
}

// tables has one table for each tag.
func tables(doc *openapi3.T) string {
	var out strings.Builder
	for _, tag := range doc.Tags {
		fmt.Fprintf(&out, "\n## %s\n\n%s.\n\n| | role | |\n|---|---|---|\n", strings.ToUpper(tag.Name[:1])+tag.Name[1:], tag.Description)
		for _, r := range rows(doc, tag.Name) {
			out.WriteString(r.text)
		}
	}
	return out.String()
}

type row struct{ path, text string }

func rows(doc *openapi3.T, tag string) (list []row) {
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			if slices.Contains(op.Tags, tag) {
				role, _ := op.Extensions["x-signalbox-role"].(string)
				what := op.Summary
				if op.Description != "" {
					what += ". " + strings.TrimSuffix(op.Description, ".")
				}
				list = append(list, row{path + " " + method, fmt.Sprintf("| `%s %s`%s | %s | %s |\n", method, path, asked(op), cmp.Or(role, "anybody"), what)})
			}
		}
	}
	slices.SortFunc(list, func(a, b row) int { return strings.Compare(a.path, b.path) })
	return list
}

// asked are the query parameters of op, but for plain filters.
func asked(op *openapi3.Operation) string {
	var names []string
	for _, p := range op.Parameters {
		filter := p.Value.Schema.Value.Type.Is("array") && p.Value.Description == ""
		if p.Value.In == "query" && !filter {
			names = append(names, "`"+p.Value.Name+"`")
		}
	}
	if len(names) == 0 {
		return ""
	}
	return " with " + strings.Join(names, ", ")
}
