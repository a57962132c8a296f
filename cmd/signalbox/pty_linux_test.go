package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pty is a terminal in which a program runs.
type pty struct {
	t     *testing.T
	side  *os.File // ours
	cmd   *exec.Cmd
	shown vt
	raw   strings.Builder
}

// inTerminal starts the program in a terminal of its own.
func inTerminal(t *testing.T, width, height uint16, args ...string) *pty {
	t.Helper()
	ours, theirs := openPTY(t)
	exe, err := exec.LookPath(args[0])
	if err != nil {
		t.Fatal(err)
	}
	p := &pty{t: t, side: ours, cmd: exec.CommandContext(t.Context(), exe, args[1:]...)}
	p.resize(width, height)
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = theirs, theirs, theirs
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	p.cmd.Env = append(os.Environ(), "TERM=xterm", "NO_COLOR=", "TZ=UTC")
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	if err := ours.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close() })
	return p
}

func openPTY(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), "ptmx"), theirs
}

// resize changes the terminal's size, which the program is told of.
func (p *pty) resize(width, height uint16) {
	p.t.Helper()
	p.shown.resize(int(width), int(height))
	raw, err := p.side.SyscallConn() // Fd would make reads wait for ever
	if err == nil {
		err = raw.Control(func(fd uintptr) {
			if err := unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Col: width, Row: height}); err != nil {
				p.t.Error(err)
			}
		})
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *pty) keys(text string) {
	p.t.Helper()
	if _, err := p.side.WriteString(text); err != nil {
		p.t.Fatal(err)
	}
}

// await reads on until the screen is what is asked for.
func (p *pty) await(what string, ok func(screen []string) bool) {
	p.t.Helper()
	buf := make([]byte, 4096)
	for !ok(p.shown.lines()) {
		n, err := p.side.Read(buf)
		p.raw.Write(buf[:n])
		p.shown.write(string(buf[:n]))
		if err != nil {
			p.t.Fatalf("%s was never shown: %v\n%s", what, err, strings.Join(p.shown.lines(), "\n"))
		}
	}
}

// awaitText reads on until the screen has text.
func (p *pty) awaitText(text string) {
	p.t.Helper()
	p.await(text, func(screen []string) bool { return strings.Contains(strings.Join(screen, "\n"), text) })
}

// end waits for the program's end and returns all that it wrote.
func (p *pty) end() string {
	p.t.Helper()
	buf := make([]byte, 4096)
	for {
		n, err := p.side.Read(buf)
		p.raw.Write(buf[:n])
		if errors.Is(err, os.ErrDeadlineExceeded) {
			p.t.Error("it does not end")
			_ = p.cmd.Process.Kill()
		}
		if err != nil {
			break // EIO: nobody has the other side any more
		}
	}
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("it ends with %v: %s", err, p.raw.String())
	}
	return p.raw.String()
}

// vt is the part of a terminal that programs here use: a screen of runes, and
// the sequences that move the cursor home and erase.
type vt struct {
	width, height int
	cells         [][]rune
	x, y          int
	rest          string // of a sequence that has not come whole
}

func (v *vt) resize(width, height int) {
	v.width, v.height = width, height
	v.cells = make([][]rune, height)
	for i := range v.cells {
		v.cells[i] = []rune(strings.Repeat(" ", width))
	}
	v.x, v.y = 0, 0
}

func (v *vt) lines() (list []string) {
	for _, c := range v.cells {
		list = append(list, strings.TrimRight(string(c), " "))
	}
	return list
}

func (v *vt) write(text string) {
	text = v.rest + text
	v.rest = ""
	for text != "" {
		switch {
		case strings.HasPrefix(text, "\x1b"):
			end := strings.IndexFunc(text[1:], func(r rune) bool { return r >= '@' && r <= '~' && r != '[' })
			if end < 0 {
				v.rest = text
				return
			}
			v.sequence(text[1 : end+2])
			text = text[end+2:]
		default:
			r, size := rune(text[0]), 1
			for _, c := range text {
				r, size = c, len(string(c))
				break
			}
			if r == '\ufffd' && len(text) < 4 {
				v.rest = text // a rune that has not come whole
				return
			}
			v.rune(r)
			text = text[size:]
		}
	}
}

func (v *vt) rune(r rune) {
	switch r {
	case '\r':
		v.x = 0
	case '\n':
		v.y = min(v.y+1, v.height-1)
	default:
		if v.x < v.width && v.y < v.height {
			v.cells[v.y][v.x] = r
		}
		v.x++
	}
}

func (v *vt) sequence(s string) {
	blank := func(line, from int) {
		for x := from; x < v.width; x++ {
			v.cells[line][x] = ' '
		}
	}
	switch s {
	case "[H":
		v.x, v.y = 0, 0
	case "[K":
		blank(v.y, v.x)
	case "[J":
		blank(v.y, v.x)
		for line := v.y + 1; line < v.height; line++ {
			blank(line, 0)
		}
	case "[?1049h":
		v.resize(v.width, v.height)
	}
}

func TestTopInATerminal(t *testing.T) {
	api := newLiveAPI(t, liveAnswers())
	p := inTerminal(t, 80, 24, append([]string{"signalbox"}, api.args("top")...)...)
	stream := make(chan string, 16)
	api.streams <- stream
	at := time.Now().Truncate(time.Second)
	stream <- liveEvents(at)
	p.awaitText("openai/gpt-4o")
	s := topAt(t) // the same, with another clock
	s.by, s.sort = "key", "cost"
	p.keys("kc")
	p.await("the table by key", func(screen []string) bool {
		return strings.HasPrefix(screen[5], "KEY") && strings.HasPrefix(screen[6], "batch") && strings.HasPrefix(screen[7], "web")
	})
	want := s.screen(look{}, 80, 24)
	got := p.shown.lines()
	for i := range want {
		if i > 3 && !strings.Contains(want[i], "rate_limited") && got[i] != strings.TrimRight(want[i], " ") {
			t.Errorf("line %d is\n%s; want\n%s", i, got[i], want[i])
		}
	}
	p.resize(120, 40)
	p.await("the last line of the larger one", func(screen []string) bool { return strings.Contains(screen[39], "q quit") })
	p.keys(" ")
	p.awaitText("paused")
	stream <- event("second", fmt.Sprintf(`{"time":%q,"requests":1,"running":77}`, at.Add(time.Second).UTC().Format(time.RFC3339)))
	p.keys(" ")
	p.awaitText("77 running")
	p.keys("q")
	all := p.end()
	if !strings.HasPrefix(all, "\x1b[?1049h") || !strings.HasSuffix(all, "\x1b[?25h\x1b[?1049l") {
		t.Errorf("the terminal is not left as it was: %q … %q", all[:min(40, len(all))], all[max(0, len(all)-40):])
	}
	if !strings.Contains(all, "\x1b[33m") {
		t.Error("nothing was in colour")
	}
}

func TestTailInATerminal(t *testing.T) {
	api := newLiveAPI(t, nil)
	p := inTerminal(t, 120, 10, append([]string{"signalbox"}, api.args("tail")...)...)
	stream := make(chan string, 1)
	api.streams <- stream
	stream <- event("request", passedJSON(5, time.Now(), "web", "demo/echo", tooMany))
	p.awaitText("rate_limited")
	if !strings.Contains(p.raw.String(), "\x1b[33m429\x1b[0m") {
		t.Errorf("a refusal is not in its colour: %q", p.raw.String())
	}
	p.keys("\x03")
	p.end()
}
