package provider

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/provider/egress"
	"github.com/signalbox-ai/signalbox/sdk/provider/proto"
	pb "github.com/signalbox-ai/signalbox/sdk/provider/proto/v1"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// DefaultTTL is how long a direct lease outlives its adapter unless it says otherwise.
const DefaultTTL = time.Minute

// minTTL bounds how often leases are renewed.
const minTTL = time.Second

// control serves the control plane of one Provider.
type control struct {
	pb.UnimplementedProviderServer
	provider Provider
	data     *server
	socket   string

	mu      sync.Mutex
	leases  *pb.EndpointsResponse
	renew   time.Duration
	changed chan struct{} // closed and replaced with leases
}

// newControl opens the data socket in the adapter's private folder and serves it.
func newControl(p Provider) (*control, error) {
	dir := os.Getenv(proto.SocketDir)
	if dir == "" {
		return nil, fmt.Errorf("cannot serve: %s is not set; the gateway starts adapters", proto.SocketDir)
	}
	c := &control{provider: p, data: newServer(), socket: filepath.Join(dir, "data"), changed: make(chan struct{})}
	l, err := listen(c.socket, os.Getppid())
	if err != nil {
		return nil, err
	}
	go func() {
		if err := c.data.listen(l); err != nil {
			slog.Error("data socket failed", "error", err.Error())
			os.Exit(1)
		}
	}()
	return c, nil
}

// Describe implements the contract.
func (c *control) Describe(context.Context, *pb.DescribeRequest) (*pb.DescribeResponse, error) {
	m := c.provider.Manifest()
	out := &pb.DescribeResponse{
		Name: m.Name, Version: m.Version, Models: models(m.Models), ConfigSchema: m.schema(),
		Hosts: m.Hosts, Credential: m.Credential.String(),
	}
	for _, o := range m.Operations {
		out.Operations = append(out.Operations, &pb.Operation{Operation: o.Op.String(), Dialect: o.Dialect.String()})
	}
	for class := wire.ClassInvalid; class < wire.NumClasses; class++ {
		out.ErrorClasses = append(out.ErrorClasses, class.String())
	}
	if _, ok := c.provider.(TokenSource); ok {
		out.Capabilities = append(out.Capabilities, "token")
	}
	return out, nil
}

// Configure implements the contract.
func (c *control) Configure(_ context.Context, req *pb.ConfigureRequest) (*pb.ConfigureResponse, error) {
	hosts, err := egress.Parse(req.Hosts)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	setup, list, err := c.data.configure(c.provider, Config{JSON: req.Config, Hosts: hosts})
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	c.publish(setup, list)
	return &pb.ConfigureResponse{Models: models(setup.Models)}, nil
}

func (c *control) publish(setup *Setup, list []Route) {
	out, renew := &pb.EndpointsResponse{}, time.Hour
	for i := range setup.Leases {
		if !setup.Leases[i].direct() {
			continue
		}
		l := direct(&setup.Leases[i])
		renew = min(renew, time.Duration(l.TtlMs)*time.Millisecond/2)
		out.Leases = append(out.Leases, l)
	}
	for _, r := range list {
		l := &pb.Lease{Operation: r.Op.String(), Dialect: r.Dialect.String(), Socket: c.socket}
		if via := r.via; via != nil {
			l.Models, l.PassHeaders = via.Models, via.PassHeaders
			if via.Dialect == r.Dialect {
				l.StreamUsage, l.MaxTokensMember = via.StreamUsage, via.MaxTokens
			}
		}
		out.Leases = append(out.Leases, l)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leases, c.renew = out, renew
	close(c.changed)
	c.changed = make(chan struct{})
}

// Endpoints implements the contract.
func (c *control) Endpoints(_ *pb.EndpointsRequest, stream pb.Provider_EndpointsServer) error {
	for {
		c.mu.Lock()
		leases, renew, changed := c.leases, c.renew, c.changed
		c.mu.Unlock()
		if leases != nil {
			if err := stream.Send(leases); err != nil {
				return err
			}
		}
		timer := time.NewTimer(max(renew, minTTL/2))
		select {
		case <-changed:
		case <-timer.C:
		case <-stream.Context().Done():
		}
		timer.Stop()
		if err := stream.Context().Err(); err != nil {
			return err
		}
	}
}

// Health implements the contract.
func (c *control) Health(ctx context.Context, _ *pb.HealthRequest) (*pb.HealthResponse, error) {
	if checker, ok := c.provider.(Checker); ok {
		if err := checker.Health(ctx); err != nil {
			return nil, status.Error(codes.Unavailable, err.Error())
		}
	}
	return &pb.HealthResponse{}, nil
}

// Drain implements the contract.
func (c *control) Drain(ctx context.Context, req *pb.DrainRequest) (*pb.DrainResponse, error) {
	if req.TimeoutMs > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(req.TimeoutMs)*time.Millisecond)
		defer cancel()
	}
	if err := c.data.drain(ctx); err != nil {
		return nil, status.Error(codes.DeadlineExceeded, err.Error())
	}
	return &pb.DrainResponse{}, nil
}

// Token implements the contract.
func (c *control) Token(ctx context.Context, req *pb.TokenRequest) (*pb.TokenResponse, error) {
	source, ok := c.provider.(TokenSource)
	if !ok {
		return nil, status.Error(codes.Unimplemented, "this provider sends its credentials as they are")
	}
	t, err := source.Token(ctx, Secret(req.Credential))
	var e *wire.Error
	switch {
	case errors.As(err, &e) && e.Class == wire.ClassAuth:
		return nil, status.Error(codes.Unauthenticated, err.Error())
	case err != nil:
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	out := &pb.TokenResponse{Token: string(t.Value)}
	if !t.Expires.IsZero() {
		out.ExpiresUnixMs = t.Expires.UnixMilli()
	}
	return out, nil
}

func direct(l *Lease) *pb.Lease {
	ttl := l.TTL
	if ttl <= 0 {
		ttl = DefaultTTL
	}
	ttl = max(ttl, minTTL)
	out := &pb.Lease{
		Operation: l.Op.String(), Dialect: l.Dialect.String(), Url: l.URL, PassHeaders: l.PassHeaders,
		Models: l.Models, StreamUsage: l.StreamUsage, MaxTokensMember: l.MaxTokens, TtlMs: ttl.Milliseconds(),
		StreamUrl: l.StreamURL, RateHeaders: l.Rate.byKind(),
	}
	for _, h := range l.Headers {
		out.Headers = append(out.Headers, &pb.HeaderTemplate{Name: h.Name, Prefix: h.Prefix, Suffix: h.Suffix, Credential: h.Credential})
	}
	for _, e := range l.Errors {
		out.Errors = append(out.Errors, &pb.ErrorRule{Status: int32(e.Status), Code: e.Code, Class: e.Class.String()})
	}
	return out
}

// byKind is the contract's form.
func (r RateHeaders) byKind() map[string]string {
	out := map[string]string{}
	for kind, name := range map[string]string{
		"requests-limit": r.RequestsLimit, "requests-remaining": r.RequestsRemaining, "requests-reset": r.RequestsReset,
		"tokens-limit": r.TokensLimit, "tokens-remaining": r.TokensRemaining, "tokens-reset": r.TokensReset,
	} {
		if name != "" {
			out[kind] = name
		}
	}
	return out
}

func models(list []Model) (out []*pb.Model) {
	for _, m := range list {
		p := &pb.Model{Name: m.Name, Capabilities: m.Capabilities, ContextTokens: m.Context, MaxOutputTokens: m.MaxOutput}
		for _, op := range m.Ops {
			p.Operations = append(p.Operations, op.String())
		}
		out = append(out, p)
	}
	return out
}
