package main

import (
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/bench/upstream"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/dispatch"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// unpaid is an account that covers everything.
type unpaid struct{}

func (unpaid) Cover(*call.Call, call.Bound) *wire.Error { return nil }
func (unpaid) Sent(*call.Call)                          {}
func (unpaid) Finish(*call.Call)                        {}

type noHeaders struct{}

func (noHeaders) Peek(string) []byte { return nil }

// BenchmarkDispatch is one exchange with a service in this process, what the
// service does included: most of it is the kernel's work on the two sockets.
func BenchmarkDispatch(b *testing.B) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := upstream.New(upstream.Options{})
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	defer func() {
		s.Stop()
		if err := <-served; err != nil {
			b.Error(err)
		}
	}()
	addr := ln.Addr().String()
	ep := &call.Endpoint{
		Op: wire.OpChat, Dialect: wire.OpenAIChat, Network: "tcp", Addr: addr, Host: addr, Path: openAIPath,
		Headers: []call.HeaderTemplate{{Name: "Authorization", Prefix: "Bearer ", Credential: true}},
	}
	ep.Transport = dispatch.NewTransport(ep)
	defer ep.Transport.Close()
	p := &call.Provider{Name: "service", Credentials: []*call.Credential{{Name: "main", Value: upstream.GatewayCredential}}}
	p.Publish(call.NewEndpoints([]*call.Endpoint{ep}))
	target := &call.Target{Name: "service/" + upstream.Model1K, Provider: p, Model: upstream.Model1K, State: call.NewTargetState()}

	d := dispatch.New(dispatch.Options{Log: slog.New(slog.DiscardHandler)}, unpaid{})
	c := &call.Call{}
	q := body("bench-"+upstream.Model1K, shape1K)
	b.ReportAllocs()
	for b.Loop() {
		c.Reset()
		c.Received, c.Op, c.Dialect, c.Header, c.Body = time.Now(), wire.OpChat, wire.OpenAIChat, noHeaders{}, q
		if err := scan.Request(&c.Facts, c.Body); err != nil {
			b.Fatal(err)
		}
		c.Candidates = append(c.Candidates, call.Candidate{Target: target, Bound: 1})
		c.Plan.Attempts[0], c.Plan.N = call.PlannedAttempt{}, 1
		if ans, err := d.Do(c); err != nil || ans.Status != 200 {
			b.Fatalf("got %d, %v", ans.Status, err)
		}
	}
}
