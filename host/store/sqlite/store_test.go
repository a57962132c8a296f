package sqlite

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/store"
)

func open(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(context.Background(), "sqlite:"+filepath.Join(dir, "signalbox.db"), Options{Node: store.Node{ID: "n", Name: "one"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

var noon = time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)

func TestOpenErrors(t *testing.T) {
	ctx := context.Background()
	f := func(url, want string) {
		t.Helper()
		s, err := Open(ctx, url, Options{})
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open(%q) gives %v; want an error with %q", url, err, want)
		}
	}
	f("postgres://x", "sqlite:")
	f("sqlite:", "sqlite:")
	dir := t.TempDir()
	url := "sqlite:" + filepath.Join(dir, "signalbox.db")
	s := open(t, dir)
	f(url, "already")
	if err := s.state.run("PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	s.Close()
	f(url, "newer")
	foreign := filepath.Join(t.TempDir(), "foreign.db")
	d, err := openDB(foreign, "FULL", "state")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.run("PRAGMA application_id = 1"); err != nil {
		t.Fatal(err)
	}
	d.close()
	f("sqlite:"+foreign, "not a Signalbox database")
	junk := filepath.Join(t.TempDir(), "junk.db")
	if err := os.WriteFile(junk, []byte(strings.Repeat("no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	f("sqlite:"+junk, "not a database")
}

func TestFilesArePrivate(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) < 6 {
		t.Fatalf("%d files, %v", len(entries), err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v, %v", e.Name(), info.Mode(), err)
		}
	}
}
