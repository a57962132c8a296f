package config

import (
	"os"
	"regexp"
	"testing"
)

// TestDocumentedConfigurationLoads takes the reference that operators read.
func TestDocumentedConfigurationLoads(t *testing.T) {
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	filters, err := os.ReadFile("../../docs/filters.md")
	if err != nil {
		t.Fatal(err)
	}
	identity, err := os.ReadFile("../../docs/identity.md")
	if err != nil {
		t.Fatal(err)
	}
	text = append(append(text, filters...), identity...)
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(text, -1)
	if len(blocks) == 0 {
		t.Fatal("the document shows no configuration")
	}
	for _, b := range blocks {
		c := mustLoad(t, string(b[1]))
		if len(c.Warnings) != 0 {
			t.Errorf("warnings: %q", c.Warnings)
		}
	}
}
