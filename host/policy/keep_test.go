package policy

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// accepted opens a bundle that denies with code, kept in a new folder.
func accepted(t *testing.T, code string) Options {
	t.Helper()
	o := Options{Deadline: slack, Keep: filepath.Join(t.TempDir(), "kept.tar.gz"), Path: files{
		"u":           `deny contains {"code": "` + code + `"} if data.known[input.principal.team]`,
		"data.json":   `{"known": {"core": true}}`,
		".manifest":   `{"revision": "r7", "roots": [""]}`,
		"probes.json": `[{"name": "others", "input": {"principal": {"team": "x"}}, "allow": true}]`,
		"u_test.rego": "package u_test\n\ntest_it if true\n",
		"sub/l.rego":  "package lib\n\nx := 1\n",
	}.folder(t)}
	openWith(t, o)
	return o
}

func spoil(t *testing.T, o Options) {
	t.Helper()
	files{"u": "deny contains"}.write(t, o.Path)
}

func TestKeptBundleIsServed(t *testing.T) {
	f := func(name string, spoil func(o Options) error) {
		t.Run(name, func(t *testing.T) {
			o := accepted(t, "kept")
			revision := openWith(t, o).Revision()
			if err := spoil(o); err != nil {
				t.Fatal(err)
			}
			logged := make(chan string, 16)
			o.Log, o.Catalogue = slog.New(&tap{events: logged}), sampleCatalogue
			e := openWith(t, o)
			wantDenied(t, e.Decide(sampleCall()), "kept")
			st := e.Stats()
			if !st.Kept || st.LastError == nil || st.ReloadErrors != 1 || st.Revision != revision {
				t.Errorf("got %+v, want the kept %s", st, revision)
			}
			for {
				select {
				case line := <-logged:
					if strings.Contains(line, "accepted last is served") {
						return
					}
				default:
					t.Fatal("nothing was logged")
				}
			}
		})
	}
	f("a bundle that does not parse", func(o Options) error {
		return os.WriteFile(filepath.Join(o.Path, "u.rego"), []byte("package signalbox.units.u\n\ndeny contains"), 0o644)
	})
	f("a bundle that its probes refuse", func(o Options) error {
		return os.WriteFile(filepath.Join(o.Path, "probes.json"), []byte(`[{"name": "x", "allow": false}]`), 0o644)
	})
	f("no bundle", func(o Options) error { return os.RemoveAll(o.Path) })
}

func TestKeptBundleGivesWay(t *testing.T) {
	o := accepted(t, "kept")
	good, err := os.ReadFile(filepath.Join(o.Path, "u.rego"))
	if err != nil {
		t.Fatal(err)
	}
	spoil(t, o)
	e := openWith(t, o)
	if err := e.SetCatalogue(sampleCatalogue); err == nil || !e.Stats().Kept {
		t.Errorf("a broken bundle was taken for reloaded: %v", err)
	}
	if err := os.WriteFile(filepath.Join(o.Path, "u.rego"), good, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := e.Reload(); err != nil || e.Stats().Kept || e.Stats().LastError != nil {
		t.Errorf("the same bundle: %v, %+v", err, e.Stats())
	}
	spoil(t, o)
	e = openWith(t, o)
	files{"u": `deny contains {"code": "new"} if data.known[input.principal.team]`}.write(t, o.Path)
	if err := e.Reload(); err != nil || e.Stats().Kept {
		t.Errorf("another bundle: %v, %+v", err, e.Stats())
	}
	wantDenied(t, e.Decide(sampleCall()), "new")
	spoil(t, o)
	wantDenied(t, openWith(t, o).Decide(sampleCall()), "new")
}

// TestMissingBundleIsWatchedFor: it is served as soon as it comes.
func TestMissingBundleIsWatchedFor(t *testing.T) {
	o := accepted(t, "kept")
	away := o.Path + ".away"
	if err := os.Rename(o.Path, away); err != nil {
		t.Fatal(err)
	}
	events := make(chan string, 16)
	o.Watch, o.Log = true, slog.New(&tap{events: events})
	e := openWith(t, o)
	if !e.Stats().Kept {
		t.Fatal("the kept bundle is not served")
	}
	files{"u": `deny contains {"code": "back"} if data.known[input.principal.team]`}.write(t, away)
	if err := os.Rename(away, o.Path); err != nil {
		t.Fatal(err)
	}
	for timeout := time.After(slack); e.Stats().Kept; {
		select {
		case <-events:
		case <-timeout:
			t.Fatal("nothing happened")
		}
	}
	wantDenied(t, e.Decide(sampleCall()), "back")
}

func TestKeptBundleIsCheckedLikeAny(t *testing.T) {
	f := func(name, want string, change func(t *testing.T, o *Options) error) {
		t.Run(name, func(t *testing.T) {
			o := accepted(t, "kept")
			spoil(t, o)
			if err := change(t, &o); err != nil {
				t.Fatal(err)
			}
			_, err := Open(context.Background(), o)
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "u.rego") {
				t.Errorf("got %v, want the bundle's own error and %q", err, want)
			}
		})
	}
	repack := func(bundle files) func(*testing.T, *Options) error {
		return func(t *testing.T, o *Options) error {
			found, err := readFiles(bundle.folder(t))
			if err != nil {
				return err
			}
			return writeKept(o.Keep, o.Path, []*piece{{name: SoleBundle, files: found}})
		}
	}
	cut := func(n int64) func(*testing.T, *Options) error {
		return func(_ *testing.T, o *Options) error { return os.Truncate(o.Keep, n) }
	}
	f("nothing is kept", "cannot", func(_ *testing.T, o *Options) error { return os.Remove(o.Keep) })
	f("empty", "EOF", cut(0))
	f("cut off", "EOF", cut(300))
	f("allows everything", "the empty input is allowed", repack(files{"base.rego": "package signalbox.units.base\n\npermit := true\n"}))
	f("impure", "undefined function http.send", repack(files{"u": `deny contains {"code": "x"} if http.send({})`}))
	f("of another bundle", "is a copy of", func(t *testing.T, o *Options) error {
		o.Path = t.TempDir()
		spoil(t, *o)
		return nil
	})
}

func TestKeptFile(t *testing.T) {
	o := accepted(t, "kept")
	info, err := os.Stat(o.Keep)
	if err != nil || info.Mode() != 0o600 {
		t.Fatalf("got %v, %v", info.Mode(), err)
	}
	left, err := fs.Glob(os.DirFS(filepath.Dir(o.Keep)), "*")
	if err != nil || len(left) != 1 {
		t.Errorf("beside it lies %v: %v", left, err)
	}
	want, err := readFiles(o.Path)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := readKept(o.Keep, o.Path)
	if err != nil || len(kept) != 1 || len(kept[0].files) != len(want) {
		t.Fatalf("of %d files are kept %v: %v", len(want), kept, err)
	}
	got := kept[0]
	for name, body := range want {
		if string(got.files[name]) != string(body) {
			t.Errorf("%s is kept as %q", name, got.files[name])
		}
	}
	if !strings.HasPrefix(got.src.revision, "r7-") {
		t.Errorf("revision %s", got.src.revision)
	}
}

// TestFailureToKeepRefusesNothing, but is counted, and tried again.
func TestFailureToKeepRefusesNothing(t *testing.T) {
	o := accepted(t, "kept")
	o.Keep = filepath.Join(t.TempDir(), "later", "kept.tar.gz")
	e := openWith(t, o)
	wantDenied(t, e.Decide(sampleCall()), "kept")
	if st := e.Stats(); st.KeepErrors != 1 || st.LastError != nil || st.Kept {
		t.Errorf("got %+v", st)
	}
	if err := os.Mkdir(filepath.Dir(o.Keep), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := e.SetCatalogue(sampleCatalogue); err != nil || e.Stats().KeepErrors != 1 {
		t.Errorf("%v, %+v", err, e.Stats())
	}
	if _, err := readKept(o.Keep, o.Path); err != nil {
		t.Error(err)
	}
}
