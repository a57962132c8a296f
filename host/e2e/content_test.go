package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestContentLog: what is asked and answered is written down for the models that
// are named, redacted, and nowhere else.
func TestContentLog(t *testing.T) {
	up := newUpstream(t)
	path := filepath.Join(t.TempDir(), "content.jsonl")
	g := newGateway(t, caching(up, "{exact: {}}", "")+fmt.Sprintf("telemetry: {content: {path: %q, models: [fast]}, access_log: {path: %q}}\n", path, path+".access"))
	const private = "ann.private@example.com"
	g.told(nil, request("own", "of another model "+private, false))
	g.told(nil, request("fast", "mail "+private+" with "+callerKey, false))
	g.told(nil, request("fast", "a second one", true))
	if _, h := g.told(nil, request("fast", "a second one", true)); cached(h) != "exact" {
		t.Errorf("the third is answered from %q", cached(h))
	}
	read := func(path string, n int) string {
		t.Helper()
		for until := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
			text, _ := os.ReadFile(path) // not there yet
			if strings.Count(string(text), "\n") >= n {
				return string(text)
			}
			if time.Now().After(until) {
				t.Fatalf("%s holds %q", path, text)
			}
		}
	}
	text := read(path, 3)
	lines := strings.Split(text, "\n")
	if !strings.Contains(lines[0], `"input":[{"role":"user","text":"mail [email] with [key]"}],"output":[{"role":"assistant","text":"ok"}]`) {
		t.Errorf("the plain one: %s", lines[0])
	}
	if !strings.Contains(lines[1], `"text":"a second one"`) || !strings.Contains(lines[1], `"output":[{"role":"assistant","text":"a"}]`) {
		t.Errorf("the stream: %s", lines[1])
	}
	if !strings.Contains(lines[2], `"output":[{"role":"assistant","text":"a"}]`) {
		t.Errorf("the stream that the cache has kept: %s", lines[2])
	}
	access := read(path+".access", 4)
	for where, text := range map[string]string{"the log of content": text, "the access log": access, "the gateway's log": g.output()} {
		search(t, where, []byte(text), map[string]string{"a private address": private, "the caller's key": callerKey, "the provider's credential": providerKey})
		if where != "the log of content" && strings.Contains(text, "second one") {
			t.Errorf("%s holds a prompt", where)
		}
	}
}
