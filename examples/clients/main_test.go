package clients

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"
)

// The secrets of a run. The provider's must reach the upstreams, the caller's
// must not.
const (
	callerKey   = "sb-clients-5f4dcc3b5aa765d61d8327deb882cf99"
	providerKey = "upstream-credential-0d107d09f5bbe40c"
)

// gateway is the gateway under test: a process of its own.
type gateway struct {
	url   string // of the data plane
	cmd   *exec.Cmd
	log   *os.File
	ended chan error
}

var (
	box      *gateway
	openAI   = newMock("authorization", "Bearer "+providerKey)
	claude   = newMock("x-api-key", providerKey)
	google   = newMock("x-goog-api-key", providerKey)
	patience = 2 * time.Minute
)

func TestMain(m *testing.M) {
	runtime.LockOSThread() // the gateway ends with this thread, also when the tests are killed
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "signalbox-clients-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	openAIServer := httptest.NewServer(openAI.guard(openAIRoutes()))
	defer openAIServer.Close()
	claudeServer := httptest.NewServer(claude.guard(anthropicRoutes()))
	defer claudeServer.Close()
	google.queries = []string{"alt=sse"}
	openAI.queries = []string{"model=live"}
	googleServer := httptest.NewServer(google.guard(geminiRoutes()))
	defer googleServer.Close()

	if box, err = start(dir, upstreams{openAIServer.URL, claudeServer.URL, googleServer.URL}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	inspects, err := inspector(box.url)
	if err != nil {
		fmt.Fprintln(os.Stderr, errors.Join(err, box.stop()))
		return 1
	}
	between, err := inspects.Before(box.url)
	if err != nil {
		fmt.Fprintln(os.Stderr, errors.Join(err, box.stop()))
		return 1
	}
	defer between.Close()
	box.url = between.URL
	code := m.Run()
	if err := box.stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	for _, fault := range wrong(inspects, code == 0 && flag.Lookup("test.run").Value.String() == "") {
		fmt.Fprintln(os.Stderr, fault)
		code = 1
	}
	for name, mock := range map[string]*mock{"openai": openAI, "anthropic": claude, "gemini": google} {
		for _, fault := range mock.faults() {
			fmt.Fprintf(os.Stderr, "the %s mock saw a bad request: %s\n", name, fault)
			code = 1
		}
	}
	if code != 0 {
		box.dump(os.Stderr)
	}
	return code
}

// upstreams are the URLs of the mocks.
type upstreams struct{ openAI, claude, google string }

// start builds the gateway and serves it on free ports.
func start(dir string, up upstreams) (*gateway, error) {
	bin := filepath.Join(dir, "bin")
	build := exec.Command("make", "-s", "-C", "../..", "build", "BIN="+bin)
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("cannot build the gateway: %w\n%s", err, out)
	}
	conf := filepath.Join(dir, "signalbox.yaml")
	f, err := os.Create(conf)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	err = template.Must(template.ParseFiles("testdata/signalbox.yaml.tmpl")).Execute(f, map[string]any{
		"Providers": []string{"demo", "openai", "anthropic", "gemini", "busy-openai", "busy-anthropic", "busy-gemini"},
		"Dir":       dir, "Key": callerKey, "Credential": providerKey,
		"OpenAI": strings.TrimPrefix(up.openAI, "http://"), "Anthropic": strings.TrimPrefix(up.claude, "http://"),
		"Gemini": strings.TrimPrefix(up.google, "http://"),
	})
	if err != nil {
		return nil, err
	}
	g := &gateway{cmd: exec.Command(filepath.Join(bin, "signalbox"), "serve", "--config", conf), ended: make(chan error, 1)}
	if g.log, err = os.Create(filepath.Join(dir, "signalbox.log")); err != nil {
		return nil, err
	}
	return g, g.serve()
}

// serve starts the process and waits until it says where it listens.
func (g *gateway) serve() error {
	g.cmd.Stderr = g.log
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	out, err := g.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := g.cmd.Start(); err != nil {
		return fmt.Errorf("cannot start the gateway: %w", err)
	}
	ready := make(chan string, 1)
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if addrs, ok := strings.CutPrefix(lines.Text(), "listening data="); ok {
				data, _, _ := strings.Cut(addrs, " ")
				ready <- data
			}
		}
		g.ended <- g.cmd.Wait()
	}()
	select {
	case addr := <-ready:
		g.url = "http://" + addr
		return nil
	case err := <-g.ended:
		g.dump(os.Stderr)
		return fmt.Errorf("cannot start the gateway: it has ended: %v", err)
	case <-time.After(patience):
		_ = g.cmd.Process.Kill()
		g.dump(os.Stderr)
		return errors.New("cannot start the gateway: it never said that it listens")
	}
}

// stop ends the process as an operator would and reports how it ended.
func (g *gateway) stop() error {
	if err := g.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("cannot stop the gateway: %w", err)
	}
	select {
	case err := <-g.ended:
		if err != nil {
			return fmt.Errorf("the gateway did not end well: %w", err)
		}
		return nil
	case <-time.After(patience):
		_ = g.cmd.Process.Kill()
		return errors.New("the gateway did not end when it was asked to")
	}
}

func (g *gateway) dump(w io.Writer) {
	if b, err := os.ReadFile(g.log.Name()); err == nil {
		fmt.Fprintf(w, "--- the gateway's log\n%s---\n", b)
	}
}
