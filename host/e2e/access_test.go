package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// accessLines reads the access log once it has n lines.
func accessLines(t *testing.T, path string, n int) (list []map[string]any) {
	t.Helper()
	for until := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		text, _ := os.ReadFile(path) // not there yet
		if lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n"); len(lines) >= n && len(text) > 0 {
			for _, line := range lines {
				var m map[string]any
				if err := json.Unmarshal([]byte(line), &m); err != nil {
					t.Fatalf("%s: %v", line, err)
				}
				list = append(list, m)
			}
			return list
		}
		if time.Now().After(until) {
			t.Fatalf("%s holds %q; want %d lines", path, text, n)
		}
	}
}

// TestAccessLog: one line for each request, also of those that are refused and
// those that stream; after the file was put aside and a reload it goes on anew.
func TestAccessLog(t *testing.T) {
	up := newUpstream(t)
	path := filepath.Join(t.TempDir(), "access.log")
	g := newGateway(t, config(up.URL, "100")+"telemetry: {access_log: {path: "+path+"}}\n")
	_, told := g.told(nil, request("fast", "hi", false))
	g.told(nil, request("fast", "hi", true))
	g.chat(`{"model":"nosuch","messages":[]}`)
	got := accessLines(t, path, 3)
	if got[0]["request_id"] != told.Get("X-Signalbox-Request-Id") || got[0]["status"] != 200. || got[0]["model"] != "fast" || got[0]["target"] != "up/m" || got[0]["team"] != "core" ||
		got[0]["output_tokens"] != float64(answerTokens) || got[0]["cost_usd"] != .001 || got[0]["remote"] != "127.0.0.1" || got[0]["bytes_out"].(float64) < 100 {
		t.Errorf("the plain one: %v", got[0])
	}
	if got[1]["stream"] != true || got[1]["first_byte_ms"] == nil || got[1]["bytes_out"].(float64) < 100 {
		t.Errorf("the stream: %v", got[1])
	}
	if got[2]["status"] != 404. || got[2]["code"] != "model_not_found" {
		t.Errorf("the refused one: %v", got[2])
	}
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := g.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) { // what comes within the second still goes to the old one
		g.told(nil, request("fast", "hi", false))
		if _, err := os.Stat(path); err == nil {
			break
		}
		if time.Now().After(until) {
			t.Fatal("the file is not opened anew")
		}
	}
	accessLines(t, path, 1)
	for _, p := range []string{path, path + ".1"} {
		text, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		search(t, p, text, map[string]string{"the caller's key": callerKey, "the provider's credential": providerKey, "the admin token": adminToken})
	}
}
