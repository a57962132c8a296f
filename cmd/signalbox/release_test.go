package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestReleaseHasAllPrograms compares what a release builds with the programs
// that are there: an adapter that is missing would show at a user's first.
func TestReleaseHasAllPrograms(t *testing.T) {
	text, err := os.ReadFile("../../.release/goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var release struct {
		Builds []struct{ Main, Binary string }
	}
	if err := yaml.Unmarshal(text, &release); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, b := range release.Builds {
		got = append(got, b.Main+" "+b.Binary)
	}
	want := []string{"./cmd/signalbox signalbox"}
	mains, err := filepath.Glob("../../plugins/providers/*/main.go")
	if err != nil || len(mains) == 0 {
		t.Fatalf("there are no adapters: %v", err)
	}
	for _, file := range mains {
		folder := "plugins/providers/" + filepath.Base(filepath.Dir(file))
		want = append(want, "./"+folder+" "+folder)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("a release builds\n%q\nthere are\n%q", got, want)
	}
}
