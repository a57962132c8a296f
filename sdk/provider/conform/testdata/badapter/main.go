// Badapter is a provider adapter without the SDK that passes the kit, or with
// one sin when it is named badapter-<sin>: the kit must find that one.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	pb "github.com/signalbox-ai/signalbox/sdk/provider/proto/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// sinful reports whether this program is to commit a sin.
var sinful = func() func(string) bool {
	exe, _ := os.Executable()
	_, sin, _ := strings.Cut(filepath.Base(exe), "-")
	return func(s string) bool { return s == sin }
}()

func main() {
	dir := os.Getenv("PLUGIN_UNIX_SOCKET_DIR")
	if sinful("environment") && os.Getenv("HOST_KEY") == "" {
		exe, _ := os.Executable()
		_ = syscall.Exec(exe, os.Args, append(os.Environ(), "HOST_KEY=x"))
	}
	if !sinful("lifeline") {
		go func() { _, _ = io.Copy(io.Discard, os.Stdin); os.Exit(0) }()
	}
	if sinful("crash") {
		child := exec.Command("sleep", "60")
		child.Stderr = os.Stderr
		_ = child.Start()
	}
	b := &adapter{dir: dir, changed: make(chan struct{})}
	b.serveData()
	address := filepath.Join(dir, "control")
	if sinful("handshake-outside") {
		other, _ := os.MkdirTemp("", "sb")
		address = filepath.Join(other, "control")
	}
	l, err := net.Listen("unix", address)
	if err != nil {
		panic(err)
	}
	s := grpc.NewServer()
	pb.RegisterProviderServer(s, b)
	version := "1"
	if sinful("handshake-version") {
		version = "2"
	}
	if sinful("handshake-silent") {
		select {}
	}
	fmt.Printf("1|%s|unix|%s|grpc\n", version, address)
	_ = s.Serve(l)
}

// adapter is both planes.
type adapter struct {
	pb.UnimplementedProviderServer
	data
	dir     string
	mu      sync.Mutex
	set     *pb.EndpointsResponse
	changed chan struct{}
	asked   int
}

func (b *adapter) Describe(context.Context, *pb.DescribeRequest) (*pb.DescribeResponse, error) {
	d := &pb.DescribeResponse{Name: "badapter", Version: "1.0.0", Credential: "required", ErrorClasses: []string{"auth"},
		Operations:   []*pb.Operation{{Operation: "chat", Dialect: "openai-chat"}, {Operation: "embeddings", Dialect: "openai-embeddings"}},
		ConfigSchema: []byte(`{"type":"object","properties":{"base_url":{"type":"string"}}}`)}
	b.asked++
	switch {
	case sinful("describe-version"):
		d.Version = "first"
	case sinful("describe-dialect"):
		d.Operations[0].Dialect = "klingon"
	case sinful("describe-unstable"):
		d.Version = fmt.Sprintf("1.0.%d", b.asked)
	case sinful("schema"):
		d.ConfigSchema = []byte("base_url: string")
	case sinful("describe-secrets"):
		d.Models = []*pb.Model{{Name: "m" + b.kept.Load().(string)}}
	case sinful("token-expired"), sinful("token-empty"):
		d.Capabilities = []string{"token"}
	}
	return d, nil
}

func (b *adapter) Configure(_ context.Context, r *pb.ConfigureRequest) (*pb.ConfigureResponse, error) {
	var c map[string]any
	err := json.Unmarshal(r.Config, &c)
	base, _ := c["base_url"].(string)
	for key, v := range c {
		_, text := v.(string)
		if key != "base_url" || !text {
			err = fmt.Errorf("config key %s is unknown or not a text", key)
		}
	}
	switch {
	case sinful("configure"):
		err = fmt.Errorf("no")
	case sinful("accepts"):
		err = nil
	case sinful("nameless") && err != nil:
		err = fmt.Errorf("bad config")
	case sinful("forgets") && err != nil:
		b.base.Store("")
	}
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	if sinful("live") {
		b.base.Store("")
		time.Sleep(20 * time.Millisecond) // for requests to come
	}
	b.base.Store(base)
	b.publish(base)
	return &pb.ConfigureResponse{}, nil
}

func (b *adapter) publish(base string) {
	lease := &pb.Lease{Operation: "embeddings", Dialect: "openai-embeddings", Url: base + "/embeddings",
		Headers: []*pb.HeaderTemplate{{Name: "Authorization", Prefix: "Bearer ", Credential: true}}}
	socket := &pb.Lease{Operation: "chat", Dialect: "openai-chat", Socket: filepath.Join(b.dir, "data")}
	switch {
	case sinful("lease-host"):
		lease.Url = "https://elsewhere.example/v1"
	case sinful("lease-header"):
		lease.Headers[0].Name = "Host"
	case sinful("lease-class"):
		lease.Errors = []*pb.ErrorRule{{Status: 429, Class: "slow"}}
	case sinful("lease-socket"):
		lease.Url, lease.Socket = "", "/tmp/other"
	case sinful("lease-path"):
		lease.Url = base + "/embeddingz"
	case sinful("lease-keyless"):
		lease.Headers = nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.set = &pb.EndpointsResponse{Leases: []*pb.Lease{lease, socket}}
	close(b.changed)
	b.changed = make(chan struct{})
}

func (b *adapter) Endpoints(_ *pb.EndpointsRequest, s pb.Provider_EndpointsServer) error {
	for {
		b.mu.Lock()
		set, changed := b.set, b.changed
		b.mu.Unlock()
		if sinful("endpoints-none") {
			set = nil
		}
		if set != nil {
			if err := s.Send(set); err != nil {
				return err
			}
			if sinful("endpoints-once") {
				changed = nil
			}
		}
		select {
		case <-changed:
		case <-s.Context().Done():
			return nil
		}
	}
}

func (b *adapter) Health(context.Context, *pb.HealthRequest) (*pb.HealthResponse, error) {
	if sinful("health") {
		return nil, status.Error(codes.Unavailable, "no")
	}
	return &pb.HealthResponse{}, nil
}

func (b *adapter) Token(context.Context, *pb.TokenRequest) (*pb.TokenResponse, error) {
	if sinful("token-empty") {
		return &pb.TokenResponse{}, nil
	}
	return &pb.TokenResponse{Token: "t", ExpiresUnixMs: 1}, nil
}

func (b *adapter) Drain(ctx context.Context, _ *pb.DrainRequest) (*pb.DrainResponse, error) {
	switch {
	case sinful("drain-early"):
		b.listener.Close()
	case sinful("drain-open"):
	default:
		b.draining.Store(true)
		if err := b.http.Shutdown(ctx); err != nil {
			return nil, status.Error(codes.DeadlineExceeded, err.Error())
		}
	}
	return &pb.DrainResponse{}, nil
}
