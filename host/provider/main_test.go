package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	sdk "github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/proto"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"go.uber.org/goleak"
)

// TestMain makes the test binary its own adapter, and its own victim.
func TestMain(m *testing.M) {
	if os.Getenv(proto.CookieKey) == proto.CookieValue {
		sdk.Serve(&fake{})
		return
	}
	if dir := os.Getenv("SIGNALBOX_TEST_HOST"); dir != "" {
		victim(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// fake is the adapter of these tests.
type fake struct{ minted atomic.Int64 }

// Token makes numbered tokens of credentials "mint LIFE NAME", lets "refuse"
// fail and "unknown" be refused, and leaves the others as they are.
func (f *fake) Token(_ context.Context, c sdk.Secret) (sdk.Token, error) {
	words := strings.Fields(string(c))
	switch {
	case len(words) == 3 && words[0] == "mint":
		life, err := time.ParseDuration(words[1])
		n := f.minted.Add(1)
		fmt.Fprintln(os.Stderr, "minting", words[2], "of", string(c))
		return sdk.Token{Value: sdk.Secret(fmt.Sprintf("tok-%s-%d", words[2], n)), Expires: time.Now().Add(life)}, err
	case string(c) == "refuse":
		return sdk.Token{}, fmt.Errorf("cannot make a token of %s: no", string(c))
	case string(c) == "unknown":
		return sdk.Token{}, wire.Errorf(401, "token_refused", "nobody knows it")
	}
	return sdk.Token{Value: c}, nil
}

type fakeConfig struct {
	BaseURL string      `json:"base_url"`
	Leases  []fakeLease `json:"leases"`
	Crash   string      `json:"crash"` // "start": never comes up
	Version int         `json:"version"`
	Child   bool        `json:"child"` // starts a process of its own
	child   int
	program string
}

type fakeLease struct {
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	Pass    []string          `json:"pass"`
	TTLMS   int               `json:"ttl_ms"`
}

func (*fake) Manifest() sdk.Manifest {
	version, fault := tail()
	switch {
	case fault == "describe":
		os.Exit(5)
	case version == "":
		version = "0.1.0"
	}
	return sdk.Manifest{Name: "fake", Version: version, Config: fakeConfig{}, Credential: sdk.CredentialOptional, Hosts: []string{"api.fake.example"},
		Models: []sdk.Model{{Name: "m", Ops: []wire.Op{wire.OpChat}, Context: 1000}}}
}

func (*fake) Configure(cfg sdk.Config) (*sdk.Setup, error) {
	var c fakeConfig
	if err := cfg.Decode(&c); err != nil {
		return nil, err
	}
	var fault string
	switch c.program, fault = tail(); fault {
	case "configure":
		return nil, errors.New("cannot be configured")
	case "health":
		select {} // it never gets there
	case "crash":
		time.AfterFunc(200*time.Millisecond, func() { os.Exit(6) })
	}
	if c.Crash == "start" {
		slog.Error("refusing")
		os.Exit(4)
	}
	if c.Child {
		child := exec.Command("sleep", "1000")
		if err := child.Start(); err != nil {
			return nil, err
		}
		c.child = child.Process.Pid
	}
	setup := &sdk.Setup{Routes: []sdk.Route{{Op: wire.OpChat, Dialect: wire.OpenAIChat, Handle: answer(&c)}}}
	for _, l := range c.Leases {
		lease := sdk.Lease{Op: wire.OpEmbeddings, Dialect: wire.OpenAIEmbeddings, URL: l.URL, PassHeaders: l.Pass,
			Headers: []sdk.Header{sdk.Bearer()}, TTL: time.Duration(l.TTLMS) * time.Millisecond}
		for name, value := range l.Headers {
			lease.Headers = append(lease.Headers, sdk.Static(name, value))
		}
		setup.Leases = append(setup.Leases, lease)
	}
	return setup, nil
}

// about is what the fake tells of itself.
type about struct {
	PID, PPID  int
	PGID       int
	Env        []string
	Dir        string
	Credential string
	Version    int
	Child      int
	Program    string // version of the program
}

// answer obeys the request's body: "about", "log", "stream", "hang" or "die".
func answer(c *fakeConfig) sdk.HandlerFunc {
	return func(r *sdk.Request, w *sdk.Writer) error {
		if attempt, ok := strings.CutPrefix(string(r.Body()), "try "); ok {
			return attempted(w, attempt)
		}
		switch body := string(r.Body()); body {
		case "die":
			os.Exit(3)
		case "farewell":
			fmt.Println("out: so long")
			fmt.Fprintln(os.Stderr, "err: farewell")
			os.Exit(3)
		case "hang":
			<-r.Context().Done()
			return context.Cause(r.Context())
		case "log":
			slog.Info("using "+string(r.Credential()), "key", string(r.Credential()))
			fmt.Fprintln(os.Stderr, "raw", string(r.Credential()))
			fmt.Fprintln(os.Stdout, "out", string(r.Credential()))
		case "stream":
			return w.Stream(func(s *sdk.Stream) error {
				pace := time.NewTicker(10 * time.Millisecond)
				defer pace.Stop()
				for i := range 20 {
					if err := s.Event("", []byte(strconv.Itoa(i))); err != nil {
						return err
					}
					if err := s.Flush(); err != nil {
						return err
					}
					<-pace.C
				}
				return s.Event("", []byte("end"))
			})
		}
		dir, _ := os.Getwd()
		pgid, _ := syscall.Getpgid(0)
		out, err := json.Marshal(about{os.Getpid(), os.Getppid(), pgid, os.Environ(), dir, string(r.Credential()), c.Version, c.child, c.program})
		if err != nil {
			return err
		}
		return w.JSON(out)
	}
}

// attempted answers with the outcome of an attempt.
func attempted(w *sdk.Writer, attempt string) error {
	name, arg, _ := strings.Cut(attempt, " ")
	do := attempts[name]
	if do == nil {
		return fmt.Errorf("there is no attempt %q", name)
	}
	if err := do(arg); err != nil {
		return w.JSON([]byte(err.Error()))
	}
	return w.JSON([]byte("done"))
}

// self is a spec whose adapter is this test binary.
func self(t testing.TB, name string, config map[string]any) Spec {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Spec{Name: name, Path: path, Config: config, Hosts: []string{"api.fake.example"}}
}

// newSupervisor returns one with short times, stopped at the end of the test.
func newSupervisor(t testing.TB, log *slog.Logger) *Supervisor {
	t.Helper()
	s, err := New(Options{Log: log, NewTransport: newTransport})
	if err != nil {
		t.Fatal(err)
	}
	s.timing.grace, s.timing.stop = 0, time.Second
	t.Cleanup(s.Stop)
	return s
}

// transport is an HTTP client of one endpoint.
type transport struct{ http.Transport }

func newTransport(e *call.Endpoint) call.Transport {
	t := &transport{}
	t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, e.Network, e.Addr)
	}
	return t
}

func (t *transport) Close() { t.CloseIdleConnections() }

func mustApply(t testing.TB, s *Supervisor, specs ...Spec) *Set {
	t.Helper()
	set, err := s.Apply(t.Context(), specs)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// send posts body to the provider's chat endpoint as it is published now.
func send(p *call.Provider, body, credential string) (*http.Response, error) {
	for {
		e := p.Endpoint(wire.OpChat, wire.OpenAIChat)
		if e == nil {
			return nil, fmt.Errorf("no endpoint")
		}
		if !e.Process.Acquire() {
			continue
		}
		req, err := http.NewRequest(http.MethodPost, "http://adapter"+e.Path, strings.NewReader(body))
		if err != nil {
			e.Process.Release()
			return nil, err
		}
		req.Header.Set(proto.HeaderCredential, credential)
		resp, err := e.Transport.(*transport).RoundTrip(req)
		if err != nil {
			e.Process.Release()
			return nil, err
		}
		resp.Body = &counted{resp.Body, e.Process}
		return resp, nil
	}
}

type counted struct {
	io.ReadCloser
	process *call.Process
}

func (c *counted) Close() error {
	c.process.Release()
	return c.ReadCloser.Close()
}

func ask(t testing.TB, p *call.Provider, credential string) (a about) {
	t.Helper()
	resp, err := send(p, "about", credential)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v: %s", resp.StatusCode, err, raw)
	}
	if err := json.Unmarshal(raw, &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// until waits for a condition of another process, at most ten seconds.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	late := time.After(time.Minute)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%s did not happen", what)
		}
	}
}

// victim is a gateway that is killed: it starts an adapter and says its pid.
func victim(dir string) {
	path, _ := os.Executable()
	s, err := New(Options{RunDir: dir})
	if err == nil {
		_, err = s.Apply(context.Background(), []Spec{{Name: "fake", Path: path, Hosts: []string{"api.fake.example"}}})
	}
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	fmt.Println(s.Stats()[0].PID)
	select {}
}
