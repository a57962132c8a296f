package provider

import (
	"context"
	"strings"
	"testing"

	pb "github.com/signalbox-ai/signalbox/sdk/provider/proto/v1"
	"google.golang.org/grpc"
)

func TestControlSocketMustBeItsOwn(t *testing.T) {
	p := &process{socketDir: "/run/x/plugin-dir1"}
	for _, at := range [][2]string{{"tcp", "10.0.0.1:80"}, {"unix", "/var/run/docker.sock"}, {"unix", "/run/x/plugin-dir1/../../docker.sock"}, {"unix", "@abstract"}} {
		if _, _, err := p.PluginToHost(at[0], at[1]); err == nil {
			t.Errorf("%v was accepted", at)
		}
	}
	if _, addr, err := p.PluginToHost("unix", "/run/x/plugin-dir1/plugin1"); err != nil || addr != "/run/x/plugin-dir1/plugin1" {
		t.Errorf("got %s, %v", addr, err)
	}
}

// described is an adapter that describes itself and does nothing else.
type described struct {
	pb.ProviderClient
	as *pb.DescribeResponse
}

func (d described) Describe(context.Context, *pb.DescribeRequest, ...grpc.CallOption) (*pb.DescribeResponse, error) {
	return d.as, nil
}

func TestMissingCredentialIsNamed(t *testing.T) {
	in := &instance{rpc: described{as: &pb.DescribeResponse{Credential: "required"}}}
	if err := in.configure(t.Context(), &Spec{Name: "x"}); err == nil || !strings.Contains(err.Error(), "add credentials") {
		t.Errorf("got %v", err)
	}
}

func TestModelsAreChecked(t *testing.T) {
	got := modelsOf([]*pb.Model{{Name: "a", Operations: []string{"chat", "telepathy"}, ContextTokens: -5}, {Name: ""}, {Name: "b\n"}})
	if len(got) != 1 || got[0].Name != "a" || len(got[0].Ops) != 1 || got[0].Context != 0 {
		t.Errorf("got %+v", got)
	}
}
