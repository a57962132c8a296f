package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestStoreFolder(t *testing.T) {
	f := func(s Store, want string) {
		t.Helper()
		if got := s.Dir(); got != want {
			t.Errorf("the folder of %q, %q is %q; want %q", s.URL.Reveal(), s.Folder, got, want)
		}
	}
	f(Store{URL: "sqlite:signalbox.db"}, ".")
	f(Store{URL: "sqlite:/var/lib/x/signalbox.db"}, "/var/lib/x")
	f(Store{URL: "postgres://h/db"}, ".signalbox")
	f(Store{URL: "postgresql://h/db", Folder: "/var/lib/node"}, "/var/lib/node")
}

// TestStorePassword looks for the password of the database where it may not be.
func TestStorePassword(t *testing.T) {
	file := filepath.Join(t.TempDir(), "signalbox.yaml")
	text := "store: {url: \"postgres://u:${env:PGPASSWORD}@h/db\", dir: d}\nsecrets: {key: \"0123456789abcdef0123456789abcdef\"}\nproviders: {demo: {adapter: demo}}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(Sources{File: file, Env: []string{"PGPASSWORD=hunter2"}})
	if err != nil || c.Store.URL.Reveal() != "postgres://u:hunter2@h/db" {
		t.Fatalf("got %v", err)
	}
	if shown := fmt.Sprintf("%v %+v", c.Store, *c); strings.Contains(shown, "hunter2") {
		t.Error("the configuration shows the password")
	}
	if _, err = Load(Sources{File: file, Env: []string{"PGPASSWORD=hunter2%"}}); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
	// Clients of the running gateway need no password of the database.
	if c, err = LoadAdmin(Sources{File: file}); err != nil || c.Store.Dir() != "d" {
		t.Errorf("got %v", err)
	}
}
