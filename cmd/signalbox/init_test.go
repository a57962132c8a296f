package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/signalbox-ai/signalbox/host/config"
)

// TestTemplateIsGoodWithoutComments takes what init writes with every key that
// it only shows.
func TestTemplateIsGoodWithoutComments(t *testing.T) {
	shown := regexp.MustCompile(`(?m)^# (budgets|rates|alerts|oidc|retention): `)
	if n := len(shown.FindAll(initYAML, -1)); n != 5 {
		t.Errorf("the template shows %d keys; want 5", n)
	}
	file := filepath.Join(t.TempDir(), "signalbox.yaml")
	if err := os.WriteFile(file, shown.ReplaceAll(initYAML, []byte("$1: ")), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(config.Sources{File: file}); err != nil {
		t.Error(err)
	}
}
