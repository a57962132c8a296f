package host

import (
	"strings"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/cache"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// BenchmarkCached is what a cache adds to a request: without one, where it finds
// nothing, and where it answers.
func BenchmarkCached(b *testing.B) {
	c, err := cache.New(cache.Options{Memory: 1 << 20, MaxEntry: 1 << 16, Secret: []byte(strings.Repeat("s", cache.SecretLen))})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	h, g := &Host{cache: c}, &generation{caching: newCaching(&config.Config{Cache: config.Cache{Exact: &config.ExactCache{Models: "all",
		Scope: "team", TTL: time.Hour, MaxTTL: time.Hour, Operations: []string{"chat"}}}})}
	p := &call.Provider{Name: "demo"}
	p.Publish(call.NewEndpoints([]*call.Endpoint{{Op: wire.OpChat, Dialect: wire.OpenAIChat, PassHeaders: []string{"OpenAI-Beta"}}}))
	target := &call.Target{Name: "demo/echo", Provider: p, Model: "echo", State: call.NewTargetState()}
	f := &flight{gen: g}
	f.Op, f.Dialect, f.Received, f.Header = wire.OpChat, wire.OpenAIChat, time.Now(), noHeader{}
	f.Principal, f.Decision = &call.Principal{KeyID: "k-1", Team: "core"}, &call.Decision{Allow: true, Revision: "c001be214a4d"}
	f.Model, f.Candidates = &call.Model{Name: "fast", Targets: []*call.Target{target}}, []call.Candidate{{Target: target}}
	f.Body = []byte(`{"model":"fast","messages":[{"role":"system","content":"be kind"},{"role":"user","content":"` + strings.Repeat("how? ", 160) + `"}]}`)
	if err := scan.Operation(&f.Facts, f.Op, f.Dialect, f.Body); err != nil {
		b.Fatal(err)
	}
	run := func(name string, hit bool) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f.recall, f.Cached = recall{}, call.CacheNone
				if err := h.recall(f); err != nil || (f.recall.hit != nil) != hit {
					b.Fatalf("found %v, %v", f.recall.hit, err)
				}
				if hit {
					_, _ = h.fetch(f) // it is there
				}
			}
		})
	}
	f.gen = &generation{}
	run("off", false)
	f.gen = g
	run("miss", false)
	c.Put(&cache.Entry{Key: f.recall.key, Tenant: f.recall.tenant, Model: "fast", Target: "demo/echo", Closing: -1, Body: make([]byte, 1<<10),
		Made: f.Received.UnixMilli(), Expires: f.Received.Add(time.Hour).UnixMilli()})
	run("hit", true)
}
