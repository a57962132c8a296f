package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/bench/proc"
)

// TestReadmeSessions plays the README's terminal sessions against what "make
// build" has built. "…" in the shown output stands for anything.
func TestReadmeSessions(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	sessions := regexp.MustCompile("(?s)```console\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(sessions) == 0 {
		t.Fatal("the README has no session")
	}
	for _, s := range sessions {
		playSession(t, s[1])
	}
}

// step is a command and what the README shows of its output.
type step struct{ command, shown string }

func steps(session string) (list []step) {
	for _, line := range strings.Split(session, "\n") {
		command, isCommand := strings.CutPrefix(line, "$ ")
		switch n := len(list) - 1; {
		case isCommand:
			list = append(list, step{command: command})
		case n >= 0 && strings.HasSuffix(list[n].command, "\\"):
			list[n].command += "\n" + line
		case n >= 0 && line != "":
			list[n].shown += line + "\n"
		}
	}
	return list
}

func playSession(t *testing.T, session string) {
	t.Helper()
	playIn(t, "../..", session)
}

// playIn plays a session in a folder, with what make build has built in the path.
func playIn(t *testing.T, dir, session string) {
	t.Helper()
	bin, err := filepath.Abs("../../bin")
	if err != nil {
		t.Fatal(err)
	}
	state, data, admin := t.TempDir(), freeAddr(t), freeAddr(t)
	front, end, err := before(admin)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end)
	at := func(admin string) (*strings.Replacer, []string) {
		return strings.NewReplacer("127.0.0.1:8080", data, "127.0.0.1:8081", admin, ".signalbox/", state+"/", "make run", "bin/signalbox serve"),
			append(os.Environ(), "SIGNALBOX_LISTEN_DATA="+data, "SIGNALBOX_LISTEN_ADMIN="+admin, "SIGNALBOX_STORE_URL=sqlite:"+state+"/signalbox.db",
				"PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	}
	gateway, serving := at(admin)
	commands, env := at(front)
	over := make(chan struct{})
	close(over)
	for _, s := range steps(session) {
		here := commands
		if strings.Contains(gateway.Replace(s.command), "signalbox serve") {
			here = gateway
		}
		s.command, s.shown = here.Replace(s.command), here.Replace(s.shown)
		if here == gateway {
			out, ended := startServing(t, dir, s.command, serving)
			expectShown(t, s, func() string { return out.String() }, ended)
			continue
		}
		c := exec.CommandContext(t.Context(), "sh", "-c", s.command)
		c.Dir, c.Env = dir, env
		got, err := c.CombinedOutput()
		if err != nil {
			t.Errorf("$ %s\n%s%v", s.command, got, err)
		}
		expectShown(t, s, func() string { return string(got) }, over)
	}
}

// startServing starts a gateway that ends with the test: what it prints, and
// when it prints no more.
func startServing(t *testing.T, dir, command string, env []string) (*safeBuffer, <-chan struct{}) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	c := exec.CommandContext(ctx, "sh", "-c", "exec "+command)
	c.Dir, c.Env = dir, env
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	r, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{}
	done := make(chan struct{})
	go func() { defer close(done); p.read(r, make(chan bool, 1)) }()
	t.Cleanup(func() {
		cancel()
		<-done
		_ = c.Wait() // ended by the signal
	})
	return &p.out, done
}

// expectShown waits until out matches what the README shows, or nothing more
// comes, as over is closed.
func expectShown(t *testing.T, s step, out func() string, over <-chan struct{}) {
	t.Helper()
	if s.shown == "" {
		return
	}
	pattern := regexp.MustCompile(`(^|\n)…\n`).ReplaceAllString(regexp.QuoteMeta(strings.TrimSpace(s.shown)), "$1(?:.*\n)?") // lines, or none
	want := regexp.MustCompile(`(?s)^\s*` + strings.ReplaceAll(pattern, "…", ".*") + `\s*$`)
	clean := func() string { return strings.ReplaceAll(out(), "\r", "") }
	deadline := time.After(time.Minute)
	for !want.MatchString(clean()) {
		select {
		case <-time.After(10 * time.Millisecond):
			continue
		case <-over:
			if want.MatchString(clean()) {
				return
			}
		case <-deadline:
		}
		t.Fatalf("$ %s\n%s\nthe README shows\n%s", s.command, clean(), s.shown)
	}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	addr, err := proc.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// TestReadmeShowsTheExamples compares the README's code with the files that it names.
func TestReadmeShowsTheExamples(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile("(?s)\\]\\((examples/[^)]*)\\):\n\n```[a-z]+\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(shown) != 3 {
		t.Fatalf("the README shows %d examples; want 3", len(shown))
	}
	for _, s := range shown {
		file, err := os.ReadFile(filepath.Join("../..", s[1]))
		if err != nil {
			t.Error(err)
		} else if string(file) != s[2] {
			t.Errorf("the README's %s is not the file", s[1])
		}
	}
}

func TestReadmeLinksLead(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range regexp.MustCompile(`\]\(([^)]+)\)`).FindAllStringSubmatch(string(text), -1) {
		if _, err := os.Stat(filepath.Join("../..", link[1])); err != nil {
			t.Errorf("the README links to %s, which is not there", link[1])
		}
	}
}
