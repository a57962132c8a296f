package wasmtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

var (
	mu    sync.Mutex
	built = map[string][]byte{}
)

// BuildGo returns the Go guest in a package folder, built once per test binary.
func BuildGo(t testing.TB, folder string) []byte {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	if built[folder] == nil {
		built[folder] = buildGo(t, folder)
	}
	return built[folder]
}

func buildGo(t testing.TB, folder string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "guest.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o", out, ".")
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=-buildvcs=false")
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cannot build guest %q: %v\n%s", folder, err, msg)
	}
	wasm, err := os.ReadFile(out)
	if err != nil {
		t.Fatalf("cannot read guest: %v", err)
	}
	return wasm
}
