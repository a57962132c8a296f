package provider

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestPins(t *testing.T) {
	s := newSupervisor(t, nil)
	spec := self(t, "fake", nil)
	raw, err := os.ReadFile(spec.Path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(raw)
	spec.SHA256 = "sha256:" + strings.ToUpper(hex.EncodeToString(sum[:]))
	set := mustApply(t, s, spec)
	if got := s.Stats()[0].SHA256; got != hex.EncodeToString(sum[:]) {
		t.Errorf("got %s", got)
	}
	set.Abort()
	spec.SHA256 = strings.Repeat("0", 64)
	if _, err := s.Apply(t.Context(), []Spec{spec}); err == nil || !strings.Contains(err.Error(), "pins 0000") {
		t.Errorf("got %v", err)
	}
	if n := len(s.images.bySHA); n != 0 {
		t.Errorf("%d images are still held", n)
	}
}

func TestSwappedFile(t *testing.T) {
	s := newSupervisor(t, nil)
	good, err := os.ReadFile(self(t, "fake", nil).Path)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "adapter")
	evil := append(append([]byte(nil), good...), "evil"...) // runs, but is not the same
	write := func(name string, content []byte) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, content, 0o700); err != nil {
			t.Fatal(err)
		}
		return p
	}
	files := [2]string{write("good", good), write("evil", evil)}
	swap := func(i int) {
		link := filepath.Join(dir, "link")
		if os.Link(files[i%2], link) == nil {
			_ = os.Rename(link, path)
		}
	}
	swap(0)
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 1; !stop.Load(); i++ {
			swap(i)
		}
	})
	defer wg.Wait()
	defer stop.Store(true)
	sum := sha256.Sum256(good)
	pin := hex.EncodeToString(sum[:])
	ran := 0
	for range 10 {
		set, err := s.Apply(t.Context(), []Spec{{Name: "fake", Path: path, SHA256: pin, Hosts: []string{"api.fake.example"}}})
		if err != nil {
			if !strings.Contains(err.Error(), "pins") {
				t.Fatal(err)
			}
			continue
		}
		ran++
		f, err := os.Open("/proc/" + strconv.Itoa(s.Stats()[0].PID) + "/exe")
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := hash(f); got != pin {
			t.Errorf("%s runs; want %s", got, pin)
		}
		f.Close()
		set.Abort()
	}
	t.Logf("ran %d of 10 times", ran)
}

func TestImageCannotBeChanged(t *testing.T) {
	im, err := seal(strings.NewReader("program"), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer im.close()
	if _, err := im.file.WriteAt([]byte("P"), 0); err == nil {
		t.Error("it was written to")
	}
	if err := im.file.Truncate(0); err == nil {
		t.Error("it was cut")
	}
}

func TestScript(t *testing.T) {
	s := newSupervisor(t, nil)
	self := self(t, "fake", nil)
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "lib"), 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "adapter.sh")
	for name, text := range map[string]string{path: "#!/bin/sh\nexec " + self.Path + "\n", filepath.Join(dir, "lib", "part"): "x"} {
		if err := os.WriteFile(name, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	sum := exec.Command("sh", "-c", `find . -type f -printf '%P\n' | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -c1-64`)
	sum.Dir = dir
	out, err := sum.Output()
	if err != nil {
		t.Fatal(err)
	}
	self.Isolation.Files = []string{filepath.Dir(self.Path)}
	self.Path, self.SHA256 = path, strings.TrimSpace(string(out))
	set := mustApply(t, s, self)
	set.Commit()
	ask(t, set.Provider("fake"), "")

	if err := os.WriteFile(filepath.Join(dir, "lib", "part"), []byte("y"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Apply(t.Context(), []Spec{self}); err == nil || !strings.Contains(err.Error(), "pins") {
		t.Errorf("a changed part of the folder: got %v", err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "lib", "link")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Apply(t.Context(), []Spec{self}); err == nil || !strings.Contains(err.Error(), "neither a file nor a folder") {
		t.Errorf("a link in the folder: got %v", err)
	}
}
