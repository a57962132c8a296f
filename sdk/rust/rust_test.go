package rust

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestCrate runs the crate's own tests, on this machine instead of in a guest.
func TestCrate(t *testing.T) {
	tests := filepath.Join(t.TempDir(), "tests")
	build := exec.CommandContext(t.Context(), cmp.Or(os.Getenv("RUSTC"), "/usr/bin/rustc"), "--edition", "2021", "--test", "-O", "-o", tests, "src/lib.rs")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("cannot build the crate's tests: %v\n%s", err, out)
	}
	if out, err := exec.CommandContext(t.Context(), tests).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
