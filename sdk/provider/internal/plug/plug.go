// Package plug is the adapter's side of go-plugin: the handshake, the control
// socket and the guards that end the process with its gateway.
package plug

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/signalbox-ai/signalbox/sdk/provider/proto"
	pb "github.com/signalbox-ai/signalbox/sdk/provider/proto/v1"
	"google.golang.org/grpc"
)

// Serve runs the control plane until the gateway ends it. Before that it sends
// log records to standard error as JSON lines, where the gateway reads them.
func Serve(control pb.ProviderServer) {
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if os.Getenv(proto.CookieKey) == proto.CookieValue {
		go lifeline(os.Stdin)
	}
	printed := &printing{to: os.Stderr}
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			ProtocolVersion: proto.Version, MagicCookieKey: proto.CookieKey, MagicCookieValue: proto.CookieValue,
		},
		Plugins: plugin.PluginSet{proto.PluginName: &server{control: control}},
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(opts, grpc.Creds(peerOnly{os.Getppid(), printed}))...)
		},
		Logger: hclog.NewNullLogger(),
	})
}

// printing sends what the adapter prints to standard error itself, once the
// first connection has come. go-plugin brings it over a stream of its own
// instead, where the last lines before an exit are lost.
type printing struct {
	to   *os.File
	once sync.Once
}

func (p *printing) direct() {
	p.once.Do(func() { os.Stdout, os.Stderr = p.to, p.to })
}

// lifeline ends the process when its standard input does: the gateway holds
// the other end, and the kernel closes it however the gateway dies.
func lifeline(in io.Reader) {
	_, _ = io.Copy(io.Discard, in)
	os.Exit(0)
}

type server struct {
	plugin.NetRPCUnsupportedPlugin
	control pb.ProviderServer
}

// GRPCServer implements plugin.GRPCPlugin.
func (s *server) GRPCServer(_ *plugin.GRPCBroker, g *grpc.Server) error {
	pb.RegisterProviderServer(g, s.control)
	return nil
}

// GRPCClient implements plugin.GRPCPlugin.
func (*server) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("the adapter's side only")
}
