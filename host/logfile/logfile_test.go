package logfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 13, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, opt Options) (*File, string) {
	t.Helper()
	dir := t.TempDir()
	opt.Path = filepath.Join(dir, "deep", "a.log")
	f, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = f.Close() })
	return f, opt.Path
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func put(t *testing.T, f *File, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if lost, err := f.Put([]byte(l)); lost != 0 || err != nil {
			t.Fatalf("%d lost: %v", lost, err)
		}
	}
}

func flush(t *testing.T, f *File, now time.Time) {
	t.Helper()
	if lost, err := f.Flush(now); lost != 0 || err != nil {
		t.Fatalf("%d lost: %v", lost, err)
	}
}

func TestPutsItselfAside(t *testing.T) {
	f, path := open(t, Options{Max: 30, Keep: 2})
	for i := range 12 {
		put(t, f, fmt.Sprintf("line %02d", i)) // three fit
	}
	flush(t, f, noon)
	for name, want := range map[string]string{path: "line 09\nline 10\nline 11\n", path + ".1": "line 06\nline 07\nline 08\n", path + ".2": "line 03\nline 04\nline 05\n"} {
		if got := read(t, name); got != want {
			t.Errorf("%s holds %q; want %q", name, got, want)
		}
	}
	if _, err := os.Stat(path + ".3"); err == nil {
		t.Error("more than two older ones are kept")
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 || f.Rotated != 3 {
		t.Errorf("mode %v, %d times put aside", info.Mode(), f.Rotated)
	}
}

// TestOthersPutItAside: what a program such as logrotate renames is opened anew
// under its name, and no line is lost or split.
func TestOthersPutItAside(t *testing.T) {
	f, path := open(t, Options{})
	put(t, f, "one")
	flush(t, f, noon)
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	put(t, f, "two")
	flush(t, f, noon.Add(every/2)) // not looked yet
	put(t, f, "three")
	flush(t, f, noon.Add(2*every))
	put(t, f, "four")
	if err := os.Remove(path); err != nil { // and removed altogether
		t.Fatal(err)
	}
	flush(t, f, noon.Add(4*every))
	if old, now := read(t, path+".old"), read(t, path); old != "one\ntwo\n" || now != "four\n" || f.Rotated != 2 {
		t.Errorf("the old one holds %q, the new one %q", old, now)
	}
}

func TestOldOnesGo(t *testing.T) {
	f, path := open(t, Options{Max: 8, Age: 24 * time.Hour})
	put(t, f, "first", "second", "third", "fourth")
	flush(t, f, noon)
	now := time.Now()
	for i, age := range []time.Duration{time.Hour, 25 * time.Hour, 50 * time.Hour} {
		at := now.Add(-age)
		if err := os.Chtimes(fmt.Sprintf("%s.%d", path, i+1), at, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Expire(now); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(path + "*")
	if err != nil || len(left) != 2 {
		t.Errorf("%q are left, %v; want the file and the youngest", left, err)
	}
}

func TestWhatCannotBeWrittenIsCounted(t *testing.T) {
	f, path := open(t, Options{})
	put(t, f, "one")
	flush(t, f, noon)
	if err := os.RemoveAll(filepath.Dir(path)); err != nil {
		t.Fatal(err)
	}
	put(t, f, "two", "three")
	if lost, err := f.Flush(noon.Add(2 * every)); lost != 2 || err == nil || !strings.Contains(err.Error(), "cannot open log") {
		t.Errorf("%d lost, %v", lost, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	put(t, f, "four")
	flush(t, f, noon.Add(4*every))
	if got := read(t, path); got != "four\n" {
		t.Errorf("it goes on with %q", got)
	}
	if _, err := Open(Options{Path: filepath.Join(path, "file-in-file")}); err == nil {
		t.Error("a folder that is none is no error")
	}
}

// TestOneGoesOnForAnother: two of one path, as where a log's settings have
// changed and requests still run, neither put each other's file aside nor cut
// each other's lines off.
func TestOneGoesOnForAnother(t *testing.T) {
	f, path := open(t, Options{Max: 30, Keep: 4})
	other, err := Open(f.opt)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	put(t, f, "line 01", "line 02", "line 03") // it is full
	flush(t, f, noon)
	flush(t, other, noon) // which it learns
	put(t, f, "line 04")
	flush(t, f, noon)
	put(t, other, "line 05") // not into the place of the file that has just been begun
	flush(t, other, noon)
	if old, now := read(t, path+".1"), read(t, path); old != "line 01\nline 02\nline 03\n" || now != "line 04\nline 05\n" {
		t.Errorf("the older one holds %q, the file %q", old, now)
	}
	if _, err := f.f.WriteString("half"); err != nil { // of a line, as the disk was full
		t.Fatal(err)
	}
	if err := f.takeBack(4); err != nil {
		t.Fatal(err)
	}
	if now := read(t, path); now != "line 04\nline 05\n" {
		t.Errorf("what the other has written is %q", now)
	}
}

// TestPipesAndDevices are no files that could be put aside, and nobody waits for
// who reads them.
func TestPipesAndDevices(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Path: path}); !errors.Is(err, syscall.ENXIO) {
		t.Errorf("a pipe that nobody reads: %v", err)
	}
	reader, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	f, err := Open(Options{Path: path, Max: 20})
	if err != nil {
		t.Fatal(err)
	}
	put(t, f, "line 01", "line 02", "line 03", "line 04")
	if _, err := f.Close(); err != nil {
		t.Error(err)
	}
	b := make([]byte, 64)
	if n, err := reader.Read(b); err != nil || !strings.HasPrefix(string(b[:n]), "line 01\nline 02\n") {
		t.Errorf("the pipe gave %q, %v", b[:n], err)
	}
	if left, _ := filepath.Glob(path + "*"); len(left) != 1 {
		t.Errorf("%q are there", left)
	}
	full, err := Open(Options{Path: "/dev/full"})
	if err != nil {
		t.Fatal(err)
	}
	put(t, full, "one", "two")
	if lost, err := full.Flush(noon); lost != 2 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%d lost: %v", lost, err)
	}
}
