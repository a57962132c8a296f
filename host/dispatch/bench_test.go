package dispatch_test

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/dispatch"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// bare is an upstream that costs next to nothing: whatever is asked on a
// connection, it answers with the same bytes.
func bare(b *testing.B, answer string) *call.Target {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	serve := func(nc net.Conn) {
		defer nc.Close()
		for br := bufio.NewReader(nc); ; {
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, req.Body)
			if _, err := io.WriteString(nc, answer); err != nil {
				return
			}
		}
	}
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			go serve(nc)
		}
	}()
	addr := ln.Addr().String()
	ep := &call.Endpoint{
		Op: wire.OpChat, Dialect: wire.OpenAIChat, Network: "tcp", Addr: addr, Host: addr, Path: "/v1/chat/completions",
		Headers: []call.HeaderTemplate{{Name: "Authorization", Prefix: "Bearer ", Credential: true}},
	}
	ep.Transport = dispatch.NewTransport(ep)
	p := &call.Provider{Name: "a", Credentials: []*call.Credential{{Name: "main", Value: "sk-a"}}}
	p.Publish(call.NewEndpoints([]*call.Endpoint{ep}))
	b.Cleanup(func() { ep.Transport.Close(); _ = ln.Close() })
	return &call.Target{Name: "a/m", Provider: p, Model: "m", State: call.NewTargetState()}
}

// BenchmarkDo is one attempt at an upstream on the same machine, whose own work
// and the system calls are most of it: what counts are the allocations, and the
// difference between two versions.
func BenchmarkDo(b *testing.B) {
	f := func(name, body, answer string, hedge time.Duration) {
		b.Run(name, func(b *testing.B) {
			tgt := bare(b, answer)
			d := dispatch.New(dispatch.Options{Log: slog.New(slog.NewTextHandler(io.Discard, nil))}, &ledger{})
			c := &call.Call{}
			b.ReportAllocs()
			for b.Loop() {
				c.Received, c.Op, c.Dialect, c.Body, c.Header = time.Now(), wire.OpChat, wire.OpenAIChat, []byte(body), headers(nil)
				if err := scan.Request(&c.Facts, c.Body); err != nil {
					b.Fatal(err)
				}
				c.Candidates = append(c.Candidates, call.Candidate{Target: tgt, Bound: 10})
				c.Plan.N, c.Plan.Attempts[0] = 1, call.PlannedAttempt{}
				if hedge > 0 {
					c.Candidates = append(c.Candidates, c.Candidates[0])
					c.Plan.N, c.Plan.Attempts[1] = 2, call.PlannedAttempt{Index: 1, Hedge: hedge}
				}
				ans, err := d.Do(c)
				if err != nil {
					b.Fatal(err)
				}
				if ans.Stream != nil {
					if _, err := ans.Stream.WriteTo(io.Discard); err != nil {
						b.Fatal(err)
					}
					_ = ans.Stream.Close()
				}
				c.Reset()
			}
		})
	}
	f("json", jsonCall, whole(jsonAnswer), 0)
	f("json, hedge not needed", jsonCall, whole(jsonAnswer), time.Hour)
	f("stream", streamCall, eventHead+chunk(strings.Repeat(delta("word"), 50)+finish+usage+doneEvent)+"0\r\n\r\n", 0)
}
