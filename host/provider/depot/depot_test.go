package depot

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func add(t *testing.T, d *Depot, name, version, sha string) error {
	t.Helper()
	dir, err := d.Incoming()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "x"), []byte(sha), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err = d.Add(Adapter{Name: name, Version: version, SHA256: sha, Entry: "x"}, dir)
	return err
}

func TestDepot(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "adapters")
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []string{"1.0.0", "1.1.0"} {
		if err := add(t, d, "acme", v, "sha"+v); err != nil {
			t.Fatal(err)
		}
	}
	if err := add(t, d, "acme", "1.0.0", "sha1.0.0"); err != nil {
		t.Errorf("the same once more: %v", err)
	}
	if err := add(t, d, "acme", "1.0.0", "other"); err == nil || !strings.Contains(err.Error(), "another version") {
		t.Errorf("another program of the same version: %v", err)
	}
	for _, bad := range [][2]string{{"../x", "1"}, {"x", "../1"}, {"X", "1"}, {"x", ""}} {
		if add(t, d, bad[0], bad[1], "s") == nil {
			t.Errorf("%q was added", bad)
		}
	}
	if _, ok := d.Find("acme", ""); ok {
		t.Error("one is in use that nobody chose")
	}
	d.Select("acme", "1.0.0")
	d.Select("acme", "1.1.0")
	if err := d.Save(); err != nil {
		t.Fatal(err)
	}
	if d, err = Open(dir); err != nil {
		t.Fatal(err)
	}
	a, ok := d.Find("acme", "")
	if raw, err := os.ReadFile(d.Path(a)); !ok || a.Version != "1.1.0" || !a.Current || err != nil || string(raw) != "sha1.1.0" {
		t.Errorf("got %+v, %q, %v", a, raw, err)
	}
	if err := d.Reject("acme", "sha1.1.0", "it crashes"); err != nil {
		t.Fatal(err)
	}
	if d, err = Open(dir); err != nil {
		t.Fatal(err)
	}
	if a, _ := d.Find("acme", ""); a.Version != "1.0.0" {
		t.Errorf("got %+v", a)
	}
	if a, _ := d.Newest("acme"); a.Version != "1.1.0" || a.Rejected != "it crashes" || len(d.List()) != 2 {
		t.Errorf("got %+v", a)
	}
}
