package host

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

const (
	probeTick    = time.Second
	probeTimeout = 30 * time.Second
)

// probe is a target that is asked whether it serves where nobody else asks it.
type probe struct {
	target *call.Target
	every  time.Duration
}

// probes are those of g's providers.
func (g *generation) probesOf(cfg *config.Config) (out []probe, err error) {
	for _, name := range sortedNames(cfg.Providers) {
		p := cfg.Providers[name].Probe
		if p.Model == "" {
			continue
		}
		t, err := g.target(config.Target{Model: name + "/" + p.Model})
		if err != nil {
			return nil, err
		}
		out = append(out, probe{t, p.Every})
	}
	return out, nil
}

// prober asks the targets that are to be probed.
type prober struct {
	host *Host
	who  *call.Principal
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu    sync.Mutex
	asked map[*call.TargetState]*asking
}

// asking is what is known of the probes of one target.
type asking struct {
	last    time.Time
	running bool
	ok, bad int64
	name    string
}

func newProber(h *Host) *prober {
	ctx, cancel := context.WithCancel(context.Background())
	p := &prober{host: h, who: internal("probe"), stop: cancel, asked: map[*call.TargetState]*asking{}}
	p.wg.Go(func() { p.run(ctx) })
	return p
}

// Stop ends the probes that run.
func (p *prober) Stop() {
	p.stop()
	p.wg.Wait()
}

func (p *prober) run(ctx context.Context) {
	tick := time.NewTicker(probeTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			for _, pr := range p.host.gen.Load().probes {
				if a := p.due(&pr, now); a != nil {
					p.wg.Go(func() { p.ask(ctx, pr.target, a) })
				}
			}
		}
	}
}

// due reports whether pr's turn has come: nothing was heard of the target for
// so long, or its breaker waits for someone to look.
func (p *prober) due(pr *probe, now time.Time) *asking {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := pr.target
	a := p.asked[t.State]
	if a == nil {
		a = &asking{name: t.Name, last: now}
		p.asked[t.State] = a
	}
	heard := max(a.last.UnixMilli(), t.State.LastUse())
	idle := now.UnixMilli()-heard >= pr.every.Milliseconds()
	circuit := t.Circuit(now.UnixMilli())
	if a.running || !(idle && circuit == call.CircuitClosed) && circuit != call.CircuitHalfOpen || t.Resting(now.UnixMilli()) > 0 {
		return nil
	}
	a.running, a.last = true, now
	return a
}

// ask makes one probe. Dispatch tells the breaker what came of it.
func (p *prober) ask(ctx context.Context, t *call.Target, a *asking) {
	in, ok := probeOf(t)
	var err *wire.Error
	if ok {
		in.Principal = p.who
		_, err = p.host.inner(ctx, &in)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	a.running = false
	switch {
	case !ok || ctx.Err() != nil:
	case err != nil:
		a.bad++
		p.host.log.Warn("a probe failed", "target", t.Name, "code", err.Code, "err", err.Message)
	default:
		a.ok++
	}
}

// probeForms are the smallest requests, the most usual form first.
var probeForms = []struct {
	op      wire.Op
	dialect wire.Dialect
	body    func(model, limit string) map[string]any
}{
	{wire.OpChat, wire.OpenAIChat, probeChat},
	{wire.OpChat, wire.AnthropicMessages, func(model, _ string) map[string]any { return probeChat(model, "max_tokens") }},
	{wire.OpChat, wire.OpenAIResponses, func(model, _ string) map[string]any {
		return map[string]any{"model": model, "max_output_tokens": 16, "input": "hi", "store": false} // fewer are refused
	}},
	{wire.OpChat, wire.GeminiGenerate, func(string, string) map[string]any {
		return map[string]any{"contents": []any{map[string]any{"role": "user", "parts": []any{map[string]any{"text": "hi"}}}},
			"generationConfig": map[string]any{"maxOutputTokens": 1}}
	}},
	{wire.OpEmbeddings, wire.OpenAIEmbeddings, func(model, _ string) map[string]any {
		return map[string]any{"model": model, "input": "hi"}
	}},
}

func probeChat(model, limit string) map[string]any {
	return map[string]any{"model": model, limit: 1, "messages": []any{map[string]any{"role": "user", "content": "hi"}}}
}

// probeOf is the smallest request that t's provider serves; false: it serves
// none of those known.
func probeOf(t *call.Target) (in innerCall, ok bool) {
	for _, form := range probeForms {
		ep := t.Provider.Endpoint(form.op, form.dialect)
		if ep == nil {
			continue
		}
		limit := "max_tokens"
		if ep.MaxTokens != "" {
			limit = ep.MaxTokens
		}
		body, err := json.Marshal(form.body(t.Model, limit))
		return innerCall{Op: form.op, Dialect: form.dialect, Model: t.Model, Body: body, Target: t,
			Decision: permitted, Once: true, Timeout: probeTimeout}, err == nil
	}
	return in, false
}
