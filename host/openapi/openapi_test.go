package openapi_test

import (
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/signalbox-ai/signalbox/host/openapi"
)

// TestDocumentsAreSound checks the documents by the rules of OpenAPI, with all
// that they refer to.
func TestDocumentsAreSound(t *testing.T) {
	f := func(name string, doc []byte) {
		t.Helper()
		loaded, err := openapi3.NewLoader().LoadFromData(doc)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := loaded.Validate(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if loaded.Paths.Len() == 0 {
			t.Errorf("%s has no paths", name)
		}
	}
	f("data", openapi.Data())
	f("admin", openapi.Admin())
}
