package conform

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestTry(t *testing.T) {
	p := os.Getenv("TRY")
	if p == "" {
		return
	}
	bin := filepath.Join(t.TempDir(), "x")
	if out, err := exec.Command("go", "build", "-o", bin, p).CombinedOutput(); err != nil {
		t.Fatalf("%s", out)
	}
	r, err := Verify(t.Context(), bin, Options{})
	if err != nil {
		t.Fatal(err)
	}
	r.Print(os.Stdout)
}
