package conform

import (
	"context"
	"encoding/json"
	"fmt"

	pb "github.com/signalbox-ai/signalbox/sdk/provider/proto/v1"
	"google.golang.org/grpc/status"
)

// describe is what an adapter says of itself.
type describe struct {
	*pb.DescribeResponse
	schema schema
}

// schema is as much of the configuration's JSON schema as the kit looks at.
type schema struct {
	Type       string             `json:"type"`
	Properties map[string]*schema `json:"properties"`
}

// capabilities are grease: no adapter may stumble over one that it does not know.
var capabilities = []string{"conform-grease"}

func (a *adapter) describe(ctx context.Context) (*pb.DescribeResponse, error) {
	d, err := a.rpc.Describe(ctx, &pb.DescribeRequest{Capabilities: capabilities})
	if err != nil {
		return nil, fmt.Errorf("its Describe fails: %s%s", reason(err), a.stderr.last())
	}
	return d, nil
}

func (a *adapter) configure(ctx context.Context, config any, hosts []string) (*pb.ConfigureResponse, error) {
	raw, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	return a.rpc.Configure(ctx, &pb.ConfigureRequest{Config: raw, Hosts: hosts})
}

// leases opens a stream of leases and returns its first set.
func (a *adapter) leases(ctx context.Context) ([]*pb.Lease, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := a.rpc.Endpoints(ctx, &pb.EndpointsRequest{})
	if err == nil {
		var set *pb.EndpointsResponse
		if set, err = s.Recv(); err == nil {
			return set.GetLeases(), nil
		}
	}
	return nil, fmt.Errorf("its Endpoints sends no set of leases: %s%s", reason(err), a.stderr.last())
}

// bring starts another process and brings it to where it serves like the shared one.
func (k *kit) bring(ctx context.Context) (*adapter, error) {
	a, err := k.program.start(ctx)
	if err != nil {
		return nil, err
	}
	if err = a.handshake(); err == nil {
		_, err = a.configure(ctx, k.config(), k.hosts())
	}
	var set []*pb.Lease
	if err == nil {
		set, err = a.leases(ctx)
	}
	if err != nil {
		a.kill()
		return nil, fmt.Errorf("a second process of it does not serve: %s", reason(err))
	}
	for _, l := range set {
		if l.GetSocket() != "" {
			a.socket = l.GetSocket()
		}
	}
	return a, nil
}

// reason is an error without gRPC's wrapping.
func reason(err error) string {
	if s, ok := status.FromError(err); ok {
		return fmt.Sprintf("%s: %s", s.Code(), s.Message())
	}
	return err.Error()
}
