package policy

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

func TestReloadKeepsLastGood(t *testing.T) {
	dir := files{"u": `deny contains {"code": "old"} if input.principal.team == "boom"`}.folder(t)
	e := openWith(t, Options{Path: dir, Deadline: slack})
	boom := sampleCall()
	boom.Principal.Team = "boom"
	wantDenied(t, e.Decide(boom), "old")
	rev := e.Revision()

	files{"u": `deny contains {"code": "new"} if input.principal.taem == "boom"`}.write(t, dir)
	if err := e.Reload(); err == nil {
		t.Fatal("a broken bundle was accepted")
	}
	wantDenied(t, e.Decide(boom), "old")
	if st := e.Stats(); e.Revision() != rev || st.ReloadErrors != 1 || st.LastError == nil {
		t.Errorf("got %+v", st)
	}

	files{"u": `deny contains {"code": "new"} if input.principal.team == "boom"`}.write(t, dir)
	if err := e.Reload(); err != nil {
		t.Fatal(err)
	}
	d := e.Decide(boom)
	wantDenied(t, d, "new")
	if st := e.Stats(); d.Revision == rev || st.LastError != nil || st.Reloads != 2 || st.Units[1].Misses != 2 {
		t.Errorf("got %+v", st)
	}
	if err := e.Reload(); err != nil || e.Stats().Reloads != 2 {
		t.Errorf("an unchanged bundle was built again: %v", err)
	}
}

// TestReloadUnderLoad swaps bundles, some of them broken, while requests run:
// every decision must be one of a good bundle, and its own.
func TestReloadUnderLoad(t *testing.T) {
	dir := files{"u": `deny contains {"code": "r0"} if input.principal.team == "boom"`}.folder(t)
	e := openWith(t, Options{Path: dir, Deadline: slack})
	var revisions sync.Map // revision → code
	revisions.Store(e.Revision(), "r0")
	var stop atomic.Bool
	var wg sync.WaitGroup
	seen := make([][]*call.Decision, 4)
	for g := range seen {
		wg.Go(func() {
			for i := 0; !stop.Load(); i++ {
				c := sampleCall()
				c.Principal.Team = "boom"
				c.Principal.KeyID = string(rune('a' + i%7))
				if d := e.Decide(c); len(seen[g]) == 0 || d != seen[g][len(seen[g])-1] {
					seen[g] = append(seen[g], d)
				}
			}
		})
	}
	for i := range 30 {
		code := fmt.Sprintf("r%d", i+1)
		body := `deny contains {"code": "` + code + `"} if input.principal.team == "boom"`
		if i%3 == 2 {
			files{"u": body + " nonsense"}.write(t, dir)
			if e.Reload() == nil {
				t.Error("a broken bundle was accepted")
			}
			continue
		}
		files{"u": body}.write(t, dir)
		if err := e.Reload(); err != nil {
			t.Error(err)
		}
		revisions.Store(e.Revision(), code)
	}
	stop.Store(true)
	wg.Wait()
	for _, ds := range seen {
		for _, d := range ds {
			if want, ok := revisions.Load(d.Revision); !ok || codesOf(d) != want {
				t.Fatalf("revision %s decided %q, want %v", d.Revision, codesOf(d), want)
			}
		}
	}
}

func TestTarball(t *testing.T) {
	dir := files{"u": `deny contains {"code": "x"} if input.principal.team == "boom"`, ".manifest": `{"revision": "r7"}`}.folder(t)
	path := filepath.Join(t.TempDir(), "b.tar.gz")
	var buf bytes.Buffer
	gz := gzip.NewWriter(&buf)
	tw := tar.NewWriter(gz)
	if err := tw.AddFS(os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := errorsOf(tw.Close(), gz.Close(), os.WriteFile(path, buf.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
	e := openWith(t, Options{Path: path, Deadline: slack})
	folder := openWith(t, Options{Path: dir, Deadline: slack})
	if e.Revision() != folder.Revision() || !strings.HasPrefix(e.Revision(), "r7-") {
		t.Errorf("the tarball is %s, the folder %s", e.Revision(), folder.Revision())
	}
	c := sampleCall()
	c.Principal.Team = "boom"
	wantDenied(t, e.Decide(c), "x")
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestBombIsRefused: files that are no part of a bundle count too, and nothing
// is unpacked into memory to find out.
func TestBombIsRefused(t *testing.T) {
	var out bytes.Buffer
	zw, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	tw := tar.NewWriter(zw)
	zeros := make([]byte, 9<<20)
	for i := range 8 {
		if err := tw.WriteHeader(&tar.Header{Name: fmt.Sprintf("note-%d.txt", i), Mode: 0o600, Size: int64(len(zeros))}); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(tw.Close(), zw.Close()); err != nil {
		t.Fatal(err)
	}
	f := func(err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), "larger than 64 MiB unpacked") {
			t.Errorf("got %v", err)
		}
	}
	_, err = files{}.open(t).Try(out.Bytes())
	f(err)
	_, err = newPiece("org", out.Bytes(), nil)
	f(err)
	path := filepath.Join(t.TempDir(), "bomb.tar.gz")
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Check(path, Options{})
	f(err)
	f(Bounded(out.Bytes()))
}

// TestChangeBeforeTheFirstBundle: the watch begins before there is one.
func TestChangeBeforeTheFirstBundle(t *testing.T) {
	e := &Engine{opts: Options{Path: filepath.Join(t.TempDir(), "nowhere")}.withDefaults(), units: map[string]*unitStats{}}
	e.changed()
	if e.Revision() != "" || e.lastErr == nil {
		t.Errorf("got revision %q, error %v", e.Revision(), e.lastErr)
	}
}

func TestUnreadableFileIsNotLeftOut(t *testing.T) {
	dir := files{"u": `deny contains {"code": "x"} if input.principal.team == "boom"`}.folder(t)
	if err := os.Symlink(filepath.Join(dir, "gone.rego"), filepath.Join(dir, "v.rego")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(context.Background(), Options{Path: dir}); err == nil {
		t.Error("a rule file that cannot be read was left out silently")
	}
}

func TestWatch(t *testing.T) {
	dir := files{"u": `deny contains {"code": "old"} if input.principal.team == "boom"`}.folder(t)
	events := make(chan string, 16)
	e := openWith(t, Options{Path: dir, Watch: true, Deadline: slack, Log: slog.New(&tap{events: events})})
	boom := sampleCall()
	boom.Principal.Team = "boom"
	wait := func(want string) {
		t.Helper()
		select {
		case got := <-events:
			if !strings.Contains(got, want) {
				t.Fatalf("got %q, want %q", got, want)
			}
		case <-time.After(slack):
			t.Fatalf("nothing happened, want %q", want)
		}
	}
	wait("bundle active")
	files{"u": `deny contains {"code": "broken"}`}.write(t, dir)
	files{"sub/lib.rego": "package lib.sub\n\np if x"}.write(t, dir)
	wait("last good one stays")
	wantDenied(t, e.Decide(boom), "old")
	files{"u": `deny contains {"code": "new"} if data.lib.sub.p(input.principal.team)`, "sub/lib.rego": "package lib.sub\n\np(\"boom\")"}.write(t, dir)
	wait("bundle active")
	wantDenied(t, e.Decide(boom), "new")
	e.Close()
	e.Close()
}

// TestWatchSeesABundleReplaced swaps a symbolic link, as a release does.
func TestWatchSeesABundleReplaced(t *testing.T) {
	unit := func(code string) files {
		return files{"u": `deny contains {"code": "` + code + `"} if input.principal.team == "boom"`}
	}
	dir := t.TempDir()
	link := filepath.Join(dir, "current")
	point := func(to string) {
		t.Helper()
		if err := errorsOf(os.Symlink(to, link+".new"), os.Rename(link+".new", link)); err != nil {
			t.Fatal(err)
		}
	}
	point(unit("one").folder(t))
	active := make(chan string, 16)
	e := openWith(t, Options{Path: link, Watch: true, Deadline: slack, Log: slog.New(&tap{events: active})})
	<-active
	point(unit("two").folder(t))
	select {
	case <-active:
	case <-time.After(slack):
		t.Fatal("nothing happened")
	}
	boom := sampleCall()
	boom.Principal.Team = "boom"
	wantDenied(t, e.Decide(boom), "two")
}

// tap is a log handler that passes messages on.
type tap struct {
	slog.Handler
	events chan string
}

func (*tap) Enabled(context.Context, slog.Level) bool { return true }

func (h *tap) Handle(_ context.Context, r slog.Record) error {
	h.events <- r.Message
	return nil
}
