package provider

import (
	"slices"
	"testing"

	pb "github.com/signalbox-ai/signalbox/sdk/provider/proto/v1"
)

func TestHostsOfTheChosenService(t *testing.T) {
	about := &pb.DescribeResponse{Hosts: []string{"one.example", "two.example", "eu.two.example"},
		ConfigSchema: []byte(`{"type":"object","x-signalbox-hosts":{"preset":{"":["one.example"],"two":["two.example"]},"region":{"eu":["eu.two.example"]}}}`)}
	f := func(s Spec, want ...string) {
		t.Helper()
		s.vouched = true
		if got, err := s.hosts(about); err != nil || !slices.Equal(got, want) {
			t.Errorf("%v: got %v, %v; want %v", s.Config, got, err, want)
		}
	}
	f(Spec{}, "one.example")
	f(Spec{Config: map[string]any{"preset": "two"}}, "two.example")
	f(Spec{Config: map[string]any{"preset": "two", "region": "eu"}}, "two.example", "eu.two.example")
	f(Spec{Config: map[string]any{"preset": "unknown"}}, about.Hosts...) // the adapter refuses it
	f(Spec{Config: map[string]any{"preset": 5}}, "one.example")
	f(Spec{Config: map[string]any{"preset": "two", "base_url": "https://me.example/v1"}}, "me.example:443")
	f(Spec{Hosts: []string{"own.example"}, Config: map[string]any{"preset": "two"}}, "own.example")
	about.ConfigSchema = []byte("{")
	f(Spec{}, about.Hosts...)
	stranger := Spec{Config: map[string]any{"preset": "two"}}
	if got, err := stranger.hosts(about); err != nil || len(got) > 0 {
		t.Errorf("a stranger's word is taken: %v, %v", got, err)
	}
}
