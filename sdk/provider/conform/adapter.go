package conform

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/signalbox-ai/signalbox/sdk/provider/proto"
	pb "github.com/signalbox-ai/signalbox/sdk/provider/proto/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// adapter is one running process of the program.
type adapter struct {
	cmd      *exec.Cmd
	dir      string
	lifeline *os.File // its standard input ends when this closes
	stderr   output
	stdout   output
	line     string // of the handshake
	control  string // address of the control socket
	conn     *grpc.ClientConn
	rpc      pb.ProviderClient
	http     *http.Transport
	socket   string // of data
	done     chan struct{}
	once     sync.Once
}

// output gathers what a process writes.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.text.Len() < 4<<20 {
		o.text.Write(p)
	}
	return len(p), nil
}

// String is what was written.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// last is the end of what was written, for an explanation.
func (o *output) last() string {
	s := strings.TrimSpace(o.String())
	if len(s) > 400 {
		s = "…" + s[len(s)-400:]
	}
	if s == "" {
		return ""
	}
	return "; its standard error ends with: " + s
}

// environment is all that an adapter gets: the handshake of go-plugin and PATH.
func environment(dir string) []string {
	return []string{
		proto.CookieKey + "=" + proto.CookieValue, "PLUGIN_MIN_PORT=10000", "PLUGIN_MAX_PORT=25000",
		fmt.Sprintf("PLUGIN_PROTOCOL_VERSIONS=%d", proto.Version), proto.SocketDir + "=" + dir, "PATH=" + os.Getenv("PATH"),
	}
}

// start executes the program and reads its handshake, unchecked.
func (p *program) start(ctx context.Context) (_ *adapter, err error) {
	a := &adapter{done: make(chan struct{})}
	if a.dir, err = os.MkdirTemp("", "sb"); err != nil { // its mode is 0700
		return nil, err
	}
	defer func() {
		if err != nil {
			a.kill()
		}
	}()
	in, lifeline, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	a.lifeline = lifeline
	out, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	a.cmd = &exec.Cmd{
		Path: p.exec, Args: []string{"signalbox-provider-conform"}, Env: environment(a.dir), Dir: a.dir,
		Stdin: in, Stdout: w, Stderr: &a.stderr, SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
	}
	err = a.cmd.Start()
	w.Close()
	if err != nil {
		out.Close()
		return nil, fmt.Errorf("it cannot be executed: %w", err)
	}
	lines := bufio.NewReaderSize(out, 4096)
	first := make(chan string, 1)
	go func() {
		line, _ := lines.ReadString('\n') // what there is of it is looked at
		first <- line
		_, _ = io.Copy(&a.stdout, lines)
		out.Close()
	}()
	go func() { _ = a.cmd.Wait(); close(a.done) }()
	select {
	case a.line = <-first:
	case <-ctx.Done():
		return nil, fmt.Errorf("it has written no line on its standard output%s", a.stderr.last())
	}
	if a.line == "" {
		return nil, fmt.Errorf("it ended without a line on its standard output%s", a.stderr.last())
	}
	return a, nil
}

// handshake checks the line and connects the control socket.
func (a *adapter) handshake() error {
	line := strings.TrimRight(a.line, "\r\n")
	parts := strings.Split(line, "|")
	want := fmt.Sprintf("want %q", fmt.Sprintf("1|%d|unix|%s/control|grpc", proto.Version, a.dir))
	switch {
	case !strings.HasSuffix(a.line, "\n") || len(parts) < 5:
		return fmt.Errorf("its first line is %q; %s and a line break", line, want)
	case parts[0] != "1":
		return fmt.Errorf("the first field of its line is %q, go-plugin's core protocol; %s", parts[0], want)
	case parts[1] != fmt.Sprint(proto.Version):
		return fmt.Errorf("the second field of its line is %q, the version of the contract; %s", parts[1], want)
	case parts[2] != "unix":
		return fmt.Errorf("it listens on %q; %s", parts[2], want)
	case filepath.Dir(parts[3]) != a.dir:
		return fmt.Errorf("its control socket is %q, outside of its folder; %s", parts[3], want)
	case parts[4] != "grpc":
		return fmt.Errorf("it speaks %q; %s", parts[4], want)
	case len(parts) > 5 && parts[5] != "":
		return fmt.Errorf("it wants TLS on a unix socket; %s", want)
	}
	if info, err := os.Lstat(parts[3]); err != nil || info.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("its control socket %q is not a socket: listen before you write the line", parts[3])
	}
	a.control = parts[3]
	conn, err := grpc.NewClient("unix:"+a.control, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(4<<20)))
	if err != nil {
		return err
	}
	a.conn, a.rpc = conn, pb.NewProviderClient(conn)
	a.http = &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", a.socket)
	}}
	return nil
}

// disconnect closes what the kit holds of it, but not its lifeline.
func (a *adapter) disconnect() {
	if a.http != nil {
		a.http.CloseIdleConnections()
	}
	if a.conn != nil {
		a.conn.Close()
	}
}

// kill ends it and whatever it has started.
func (a *adapter) kill() {
	a.once.Do(func() {
		a.disconnect()
		if a.lifeline != nil {
			a.lifeline.Close()
		}
		if a.cmd != nil && a.cmd.Process != nil {
			_ = syscall.Kill(-a.cmd.Process.Pid, syscall.SIGKILL)
			<-a.done
		}
		os.RemoveAll(a.dir)
	})
}
