package conform

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const root = "../../../"

// settings are what the kit must know of adapters that it cannot guess; an
// adapter that is not here is run as it is.
var settings = map[string]Options{
	"gemini": {Models: map[string]string{"images": "gemini-3.1-flash-image", "speech": "gemini-3.8-flash-tts"}, Answers: []Answer{
		{Path: `-image:generateContent$`, Body: geminiMade("image/png", "IMAGE")},
		{Path: `-tts:generateContent$`, Body: geminiMade("audio/L16;codec=pcm;rate=24000", "AUDIO")},
	}},
	"bedrock": {Credential: "AKIACONFORMCONFORM00:{secret}", Config: map[string]any{"region": "us-east-1"}},
	"huggingface": {
		Models: map[string]string{"images": "conform/painter", "transcription": "conform/ear"},
		Answers: []Answer{
			{Path: `/pipeline/feature-extraction$`, Body: `[[0.25,-0.5]]`},
			{Path: `/models/conform/painter$`, ContentType: "image/png", Body: "\x89PNG"},
			{Path: `/models/conform/ear$`, Body: `{"text":"conform says hello"}`},
		},
	},
}

// geminiMade is an answer of Gemini's that holds bytes.
func geminiMade(mime, modality string) string {
	return `{"candidates":[{"content":{"role":"model","parts":[{"inlineData":{"mimeType":"` + mime + `","data":"aGVsbG8="}}]},"finishReason":"STOP"}],` +
		`"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":7,"totalTokenCount":12,"candidatesTokensDetails":[{"modality":"` + modality + `","tokenCount":7}]}}`
}

// TestAdapters runs the kit on every adapter and example of this repository:
// a new one is found by its folder.
func TestAdapters(t *testing.T) {
	bin := t.TempDir()
	args := []string{"build", "-ldflags=-s -w", "-o", bin + "/", "./plugins/providers/...", "./examples/providers/..."}
	c := exec.CommandContext(t.Context(), "go", args...)
	c.Dir = root
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	for _, dir := range []string{"plugins/providers", "examples/providers"} {
		folders, err := os.ReadDir(root + dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range folders {
			program := script(t, root+dir+"/"+f.Name())
			if program == "" {
				program = filepath.Join(bin, f.Name())
			}
			if _, err := os.Stat(program); err != nil {
				t.Errorf("%s holds no adapter: %v", dir+"/"+f.Name(), err)
				continue
			}
			t.Run(f.Name(), func(t *testing.T) {
				t.Parallel()
				Run(t, program, settings[f.Name()])
			})
		}
	}
}

// script is the program of an adapter's folder that is not in Go, "" if it is.
func script(t *testing.T, dir string) string {
	t.Helper()
	for _, name := range []string{"main.py", "main.mjs"} {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err != nil {
			continue
		}
		if name == "main.mjs" {
			modules(t, dir)
		}
		sameSDK(t, dir)
		return path
	}
	return ""
}

// modules installs what package-lock.json pins, unless it is there.
func modules(t *testing.T, dir string) {
	t.Helper()
	lock, err := os.Stat(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	if done, err := os.Stat(filepath.Join(dir, "node_modules/.package-lock.json")); err == nil && !done.ModTime().Before(lock.ModTime()) {
		return
	}
	c := exec.CommandContext(t.Context(), "npm", "ci", "--no-audit", "--no-fund")
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
}

// sameSDK compares the SDK that a script carries with the one of this repository.
func sameSDK(t *testing.T, dir string) {
	t.Helper()
	for _, sdk := range []string{"sdk/python/signalbox_provider.py", "sdk/node/signalbox_provider.mjs"} {
		mine, err := os.ReadFile(filepath.Join(dir, filepath.Base(sdk)))
		if err != nil {
			continue // of the other language
		}
		want, err := os.ReadFile(root + sdk)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(mine, want) {
			t.Errorf("%s carries another %s than sdk has: copy it", dir, filepath.Base(sdk))
		}
	}
}

// TestExamplesAreShort: a complete provider in Go, with credentials, streaming
// and errors, has at most 50 lines and sees nothing of how it is connected.
func TestExamplesAreShort(t *testing.T) {
	files, err := filepath.Glob(root + "examples/providers/*/main.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no examples: %v", err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(raw, []byte("\n")); n > 50 {
			t.Errorf("%s has %d lines; want at most 50", file, n)
		}
		for _, unseen := range []string{"provider/proto", "google.golang.org", "go-plugin"} {
			if strings.Contains(string(raw), unseen) {
				t.Errorf("%s names %s, which authors do not see", file, unseen)
			}
		}
	}
}
