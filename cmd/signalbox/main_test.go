package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(inspected{m}, map[string]func(){"signalbox": main})
}

// TestSessions plays the terminal sessions under testdata/script. They run
// against what "make build" has built beside the binary.
func TestSessions(t *testing.T) {
	home, err := filepath.Abs("../../bin")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(home, "plugins")); err != nil {
		t.Fatalf("%v: run make build first", err)
	}
	samples, err := filepath.Abs("migrate/testdata")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("PLUGINS", filepath.Join(home, "plugins"))
			e.Setenv("POLICIES", filepath.Join(home, "policies"))
			e.Setenv("SAMPLES", samples)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"gateway": gateway, "post": post, "hup": hup, "eventually": eventually,
			"assemble": assemble, "times": times, "json": readJSON,
		},
	})
}

// process is a gateway that a script has started.
type process struct {
	cmd         *exec.Cmd
	data, admin string
	leave       func() // ends what stands before the admin address
	out         safeBuffer
}

type safeBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *safeBuffer) add(line string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	fmt.Fprintln(&b.text, line)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// running holds the gateway of each script.
var running sync.Map // *testscript.TestScript → *process

// gateway starts "signalbox serve ARGS", waits until it listens, and sets DATA
// and ADMIN to its addresses. "gateway -stop" ends it and prints what it wrote.
func gateway(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 1 && args[0] == "-stop" {
		v, _ := running.LoadAndDelete(ts)
		p := v.(*process)
		ts.Check(p.cmd.Process.Signal(syscall.SIGTERM))
		ts.Check(p.cmd.Wait())
		p.leave()
		fmt.Fprint(ts.Stdout(), p.out.String())
		return
	}
	exe, err := exec.LookPath("signalbox") // of the scripts' PATH
	if path := filepath.SplitList(ts.Getenv("PATH")); err != nil && len(path) > 0 {
		exe, err = filepath.Join(path[0], "signalbox"), nil
	}
	ts.Check(err)
	p := &process{cmd: exec.Command(exe, append([]string{"serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"}, args...)...), leave: func() {}}
	p.cmd.Dir = ts.MkAbs(".")
	p.cmd.Env = append(os.Environ(), "SIGNALBOX_PLUGINS_DIR="+ts.Getenv("PLUGINS"))
	for _, name := range []string{"HOME", "SIGNALBOX_POLICY_BUNDLE", "GROQ_API_KEY"} {
		if v := ts.Getenv(name); v != "" {
			p.cmd.Env = append(p.cmd.Env, name+"="+v)
		}
	}
	r, w := io.Pipe()
	p.cmd.Stdout, p.cmd.Stderr = w, w
	ts.Check(p.cmd.Start())
	running.Store(ts, p)
	ts.Defer(func() {
		if _, ok := running.LoadAndDelete(ts); ok {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
			p.leave()
		}
		w.Close()
	})
	listening := make(chan bool, 1)
	go p.read(r, listening)
	select {
	case <-listening:
	case <-time.After(time.Minute):
		ts.Fatalf("the gateway does not listen: %s", p.out.String())
	}
	ts.Setenv("DATA", p.data)
	front, leave, err := before(p.admin)
	ts.Check(err)
	p.leave = leave
	ts.Setenv("ADMIN", front)
}

func (p *process) read(r io.Reader, listening chan<- bool) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		p.out.add(lines.Text())
		if _, err := fmt.Sscanf(lines.Text(), "listening data=%s admin=%s", &p.data, &p.admin); err == nil {
			listening <- true
		}
	}
}

// post sends "KEYFILE MODEL TEXT HEADER…" as a chat request, prints status and
// body, and sets REQUEST to its id.
func post(ts *testscript.TestScript, neg bool, args []string) {
	status, _, answer := send(ts, args)
	fmt.Fprintf(ts.Stdout(), "%d %s\n", status, answer)
	if (status == http.StatusOK) == neg {
		ts.Fatalf("status %d: %s", status, answer)
	}
}

// send sends what post is told to.
func send(ts *testscript.TestScript, args []string) (status int, header http.Header, answer []byte) {
	key := strings.TrimSpace(ts.ReadFile(args[0]))
	body := fmt.Sprintf(`{"model": %q, "messages": [{"role": "user", "content": %q}]}`, args[1], args[2])
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://"+ts.Getenv("DATA")+"/v1/chat/completions", strings.NewReader(body))
	ts.Check(err)
	req.Header.Set("Authorization", "Bearer "+key)
	for _, h := range args[3:] {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	ts.Check(err)
	ts.Setenv("REQUEST", resp.Header.Get("X-Signalbox-Request-Id"))
	return resp.StatusCode, resp.Header, answer
}

// hup tells the gateway to reload.
func hup(ts *testscript.TestScript, _ bool, _ []string) {
	v, _ := running.Load(ts)
	ts.Check(v.(*process).cmd.Process.Signal(syscall.SIGHUP))
}

// eventually waits until the gateway has written TEXT.
func eventually(ts *testscript.TestScript, _ bool, args []string) {
	v, _ := running.Load(ts)
	deadline := time.Now().Add(time.Minute)
	for !strings.Contains(v.(*process).out.String(), args[0]) {
		if time.Now().After(deadline) {
			ts.Fatalf("the gateway never wrote %q: %s", args[0], v.(*process).out.String())
		}
		time.Sleep(10 * time.Millisecond)
	}
}
