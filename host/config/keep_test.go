package config

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestKeep(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "admin.token")
	first, isNew, err := Keep(path, func() string { return "one" })
	if err != nil || !isNew || first.Reveal() != "one" {
		t.Fatalf("got %q, %v, %v; want a new secret", first.Reveal(), isNew, err)
	}
	second, isNew, err := Keep(path, func() string { return "two" })
	if err != nil || isNew || second.Reveal() != "one" {
		t.Errorf("got %q, %v, %v; want the kept secret", second.Reveal(), isNew, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("file has mode %v, %v; want 0600", info.Mode(), err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Keep(path, func() string { return "x" }); err == nil {
		t.Error("an emptied file is taken for a secret")
	}
}

func TestKeepOnceUnderRace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dev.key")
	var wg sync.WaitGroup
	got := make([]string, 8)
	for i := range got {
		wg.Go(func() {
			s, _, err := Keep(path, func() string { return string(rune('a' + i)) })
			if err != nil {
				t.Error(err)
			}
			got[i] = s.Reveal()
		})
	}
	wg.Wait()
	for _, s := range got {
		if s != got[0] {
			t.Fatalf("starters disagree: %q", got)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".new-*")); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}
