package wasmtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// BuildGo builds the Go guest in a package folder and returns the module.
func BuildGo(t testing.TB, folder string) []byte {
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
