package config

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWatch(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "signalbox.yaml")
	write := func(path string) {
		t.Helper()
		if err := os.WriteFile(path, []byte("a: 1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(file)
	w, err := Watch(file)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	write(filepath.Join(dir, "other")) // no report of it may come before the next
	write(file)
	<-w.C
	write(file + ".tmp")
	if err := os.Rename(file+".tmp", file); err != nil {
		t.Fatal(err)
	}
	<-w.C
	key := filepath.Join(t.TempDir(), "key")
	if err := w.Follow(key, file, key); err != nil {
		t.Fatal(err)
	}
	write(key)
	<-w.C
	if err := w.Follow("/does/not/exist/key"); err == nil {
		t.Error("a folder that is not there is watched")
	}
	w.Close()
	w.Close()
	if len(w.C) != 0 {
		t.Error("one change is reported twice")
	}
}

func TestDetectOllama(t *testing.T) {
	f := func(answer string, want bool) {
		t.Helper()
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(answer)) }))
		defer s.Close()
		c, err := Load(Sources{Ollama: s.Listener.Addr().String()})
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := c.Providers["ollama"]; ok != want {
			t.Errorf("with answer %s an Ollama is found: %v; want %v", answer, ok, want)
		}
		if _, ok := c.Prices["ollama/*"]; ok != want {
			t.Errorf("with answer %s its price is known: %v; want %v", answer, ok, want)
		}
	}
	f(`{"version":"0.12.0"}`, true)
	f(`{}`, false)
	f(`<html>`, false)
}
