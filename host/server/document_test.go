package server

import (
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/signalbox-ai/signalbox/host/openapi"
)

// TestDocumentHasWhatIsServed compares the document's paths and methods with
// the tables that requests are found by.
func TestDocumentHasWhatIsServed(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(openapi.Data())
	if err != nil {
		t.Fatal(err)
	}
	served := map[string][]string{documentPath: {"GET"}, realtimePath: {"GET"}}
	for path := range endpoints {
		served[path] = []string{"POST"}
	}
	for _, path := range modelFolders {
		if path != "/v1alpha/models" { // the document says that it is the same
			served[path] = []string{"GET"}
		}
	}
	served["/v1beta/models/{model}"] = []string{"POST"}
	served["/v1/pass/{provider}/{path}"] = []string{"DELETE", "GET", "PATCH", "POST", "PUT"}
	served[toolsPath] = []string{"DELETE", "GET", "POST"}
	for path, want := range served {
		item := doc.Paths.Value(path)
		if item == nil {
			t.Errorf("the document lacks %s", path)
			continue
		}
		got := []string{}
		for method := range item.Operations() {
			got = append(got, method)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("the document has %q of %s; want %q", got, path, want)
		}
	}
	inFolder := map[string]map[string]bool{}
	for path, item := range doc.Paths.Map() {
		if served[path] != nil {
			continue
		}
		at := slices.IndexFunc(folders, func(f folder) bool { return strings.HasPrefix(path+"/", f.prefix+"/") })
		if at < 0 {
			t.Errorf("the document has %s, which is not served", path)
			continue
		}
		f := folders[at]
		if inFolder[f.prefix] == nil {
			inFolder[f.prefix] = map[string]bool{}
		}
		for method := range item.Operations() {
			inFolder[f.prefix][method] = true
			if !slices.Contains(strings.Split(f.methods, " "), method) {
				t.Errorf("the document has %s %s, which is not served", method, path)
			}
		}
	}
	for _, f := range folders {
		for method := range strings.SplitSeq(f.methods, " ") {
			if !inFolder[f.prefix][method] {
				t.Errorf("the document has no %s below %s", method, f.prefix)
			}
		}
	}
}
