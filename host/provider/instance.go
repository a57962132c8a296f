package provider

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/provider/egress"
	"github.com/signalbox-ai/signalbox/sdk/provider/proto"
	pb "github.com/signalbox-ai/signalbox/sdk/provider/proto/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
)

// maxMessage bounds what an adapter can make the host hold in memory.
const maxMessage = 4 << 20

// capabilities are what this host can do beyond version 1 of the contract.
var capabilities = []string{}

// instance is one running process of an adapter.
type instance struct {
	proc    *process
	client  *plugin.Client
	rpc     pb.ProviderClient
	log     *logs
	dir     string
	about   *pb.DescribeResponse
	models  []*pb.Model
	rules   leaseRules
	hosts   []string // where its credentials may go
	counter *call.Process
	fence   *fence // nil: its network is open

	sets   chan *pb.EndpointsResponse // what the adapter publishes after the first
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// start runs an image and brings it to where it can serve. It returns the
// first set of leases, unchecked.
func (s *Supervisor) start(ctx context.Context, spec *Spec, im *image) (in *instance, set *pb.EndpointsResponse, err error) {
	dir, err := s.run.folder()
	if err != nil {
		return nil, nil, err
	}
	life, cancel := context.WithCancel(context.Background())
	log := s.opts.Log.With(slog.String("provider", spec.Name))
	in = &instance{dir: dir, log: newLogs(log, s.logs.of(spec.Name), spec.Credentials), counter: call.NewProcess(), sets: make(chan *pb.EndpointsResponse, 1), cancel: cancel}
	in.log.program = im.sha256[:12]
	defer func() {
		if err != nil {
			in.kill()
			if words := in.log.words(); words != "" {
				err = fmt.Errorf("%w; its last words: %s", err, words)
			}
		}
	}()
	if err = in.prepare(s, spec, im); err != nil {
		return in, nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = in.proc.Kill(context.Background()) })
	defer stop()
	if err = in.launch(s); err != nil {
		return in, nil, err
	}
	if err = in.configure(ctx, spec); err != nil {
		return in, nil, err
	}
	set, err = in.subscribe(ctx, life)
	return in, set, err
}

// prepare makes the process that launch starts.
func (in *instance) prepare(s *Supervisor, spec *Spec, im *image) (err error) {
	var more []*os.File
	if spec.Isolation.fenced() {
		var child *os.File
		if in.fence, child, err = newFence(in.log.log); err != nil {
			return err
		}
		more = append(more, child)
	}
	in.proc, err = newProcess(s.spawn, im, spec.Name, in.dir, &spec.Isolation, more...)
	return err
}

// launch executes the image and shakes hands.
func (in *instance) launch(s *Supervisor) (err error) {
	in.client = plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			ProtocolVersion: proto.Version, MagicCookieKey: proto.CookieKey, MagicCookieValue: proto.CookieValue,
		},
		Plugins:          plugin.PluginSet{proto.PluginName: stub{}},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		StartTimeout:     s.timing.start,
		SkipHostEnv:      true,
		Logger:           hclog.NewNullLogger(),
		SyncStdout:       lineWriter{in.log},
		SyncStderr:       lineWriter{in.log},
		GRPCDialOptions:  []grpc.DialOption{grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage))},
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: in.dir},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, socketDir string) (runner.Runner, error) {
			in.rules.socketDir, in.proc.socketDir = socketDir, socketDir
			in.proc.cmd.Env = environment(cmd.Env, in.fence != nil)
			return in.proc, nil
		},
	})
	in.wg.Go(func() { in.log.follow(in.proc.stderr) })
	wire, err := in.client.Client()
	if err != nil {
		return fmt.Errorf("cannot shake hands: %s", firstLine(err))
	}
	raw, err := wire.Dispense(proto.PluginName)
	if err != nil {
		return fmt.Errorf("cannot shake hands: %w", err)
	}
	in.rpc = raw.(pb.ProviderClient)
	return nil
}

// given are the variables that adapters get from the host's environment on
// purpose: where programs and certificates are, and the proxy, which a fence
// uses in their place.
var (
	given   = []string{"PATH", "SSL_CERT_FILE", "SSL_CERT_DIR"}
	proxies = []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"}
)

// environment is all that an adapter sees: handshake holds go-plugin's own variables.
func environment(handshake []string, fenced bool) []string {
	env := append([]string(nil), handshake...)
	names := given
	if fenced {
		env = append(env, egress.FDVar+"="+strconv.Itoa(inherited))
	} else {
		names = append(names[:len(names):len(names)], proxies...)
	}
	for _, name := range names {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

func (in *instance) configure(ctx context.Context, spec *Spec) (err error) {
	if in.about, err = in.rpc.Describe(ctx, &pb.DescribeRequest{Capabilities: capabilities}); err != nil {
		return fmt.Errorf("cannot describe it: %w", reason(err))
	}
	if in.about.GetCredential() == "required" && spec.keyless() {
		return errors.New("it needs a credential: add credentials")
	}
	hosts, err := spec.hosts(in.about)
	if err != nil {
		return err
	}
	if in.rules.hosts, err = egress.Parse(hosts); err != nil {
		return err
	}
	if in.fence != nil {
		in.fence.hosts.Store(in.rules.hosts)
	}
	in.hosts, in.rules.process, in.rules.keyless = hosts, in.counter, spec.keyless()
	resp, err := in.rpc.Configure(ctx, &pb.ConfigureRequest{Config: spec.raw, Hosts: hosts})
	if err != nil {
		return fmt.Errorf("cannot configure it: %w", reason(err))
	}
	if in.models = resp.GetModels(); len(in.models) == 0 {
		in.models = in.about.GetModels()
	}
	return in.healthy(ctx)
}

func (in *instance) healthy(ctx context.Context) error {
	if _, err := in.rpc.Health(ctx, &pb.HealthRequest{}); err != nil {
		return fmt.Errorf("it is not healthy: %w", reason(err))
	}
	return nil
}

// subscribe opens the stream of leases and waits for the first set.
func (in *instance) subscribe(ctx, life context.Context) (*pb.EndpointsResponse, error) {
	stream, err := in.rpc.Endpoints(life, &pb.EndpointsRequest{})
	if err != nil {
		return nil, fmt.Errorf("cannot ask for endpoints: %w", reason(err))
	}
	in.wg.Go(func() {
		for {
			set, err := stream.Recv()
			if err != nil {
				return
			}
			select {
			case in.sets <- set:
			case <-life.Done():
				return
			}
		}
	})
	select {
	case set := <-in.sets:
		return set, nil
	case <-in.proc.done:
		return nil, errors.New("it ended before it named its endpoints")
	case <-ctx.Done():
		return nil, fmt.Errorf("it named no endpoints: %w", ctx.Err())
	}
}

// endpoints checks a set of leases: all of them or none.
func (in *instance) endpoints(set *pb.EndpointsResponse, now time.Time) (list []leased, err error) {
	if len(set.GetLeases()) > maxLeases {
		return nil, fmt.Errorf("cannot accept %d leases: at most %d", len(set.GetLeases()), maxLeases)
	}
	for _, l := range set.GetLeases() {
		e, err := in.rules.endpoint(l)
		if err != nil {
			return nil, err
		}
		if e != nil {
			list = append(list, leased{claim: l, endpoint: e, expires: now.Add(ttl(l))})
		}
	}
	return list, nil
}

// drain lets the adapter finish what it serves, until ctx is done.
func (in *instance) drain(ctx context.Context) {
	req := &pb.DrainRequest{}
	if deadline, ok := ctx.Deadline(); ok {
		req.TimeoutMs = max(time.Until(deadline).Milliseconds(), 1)
	}
	_, _ = in.rpc.Drain(ctx, req)
}

// kill ends the process and everything that belongs to it. It is called once.
func (in *instance) kill() {
	in.cancel()
	if in.proc != nil {
		in.proc.release()
		_ = in.proc.Kill(context.Background())
	}
	if in.fence != nil {
		in.fence.close()
	}
	if in.client != nil {
		in.client.Kill() // of what is left: connections and goroutines
	}
	if in.proc != nil {
		// A descendant that left the process group may hold the other end open.
		_ = in.proc.stderr.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		in.wg.Wait()
		in.proc.closeFiles()
	}
	os.RemoveAll(in.dir)
}

// stub is the host's side of the plugin for go-plugin.
type stub struct{ plugin.NetRPCUnsupportedPlugin }

// GRPCServer implements plugin.GRPCPlugin.
func (stub) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error {
	return errors.New("the host's side only")
}

// GRPCClient implements plugin.GRPCPlugin.
func (stub) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, c *grpc.ClientConn) (any, error) {
	return pb.NewProviderClient(c), nil
}

// lineWriter takes what an adapter prints on os.Stdout and os.Stderr while it
// serves; go-plugin brings it over its own stream.
type lineWriter struct{ log *logs }

func (w lineWriter) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		w.log.line(strings.TrimRight(clip(line), "\r\n"))
	}
	return len(p), nil
}

var _ io.Writer = lineWriter{}

// reason is an adapter's error without gRPC's wrapping, kept to one line.
func reason(err error) error {
	if s, ok := status.FromError(err); ok {
		return errors.New(clip(s.Message()))
	}
	return err
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
