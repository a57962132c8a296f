package config

import (
	"fmt"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Share lets requests that are the same, and run at the same time, have one
// answer.
type Share struct {
	Models     string   `koanf:"models"`     // "all" (default) that do not say otherwise, or "listed", which do
	Operations []string `koanf:"operations"` // default: those of the exact cache
	Scope      string   `koanf:"scope"`      // whose requests share answers: key, user, team (default), project, org
	// MaxAnswer is how much of an answer is kept for those who come late, or read
	// slowly; default 1MiB.
	MaxAnswer Size `koanf:"max_answer"`
}

// Gather puts embeddings that are asked for at about the same time into one
// request.
type Gather struct {
	Models    string        `koanf:"models"`     // as Share has it
	Window    time.Duration `koanf:"window"`     // that the first waits for others, default 5ms
	MaxInputs int           `koanf:"max_inputs"` // of one request, default 64
	MaxTokens int           `koanf:"max_tokens"` // of one request, by its size; default 8192
	Scope     string        `koanf:"scope"`      // whose requests are put together: key, user, team (default), project, org
}

func (c *Config) checkShare(p *problems) {
	if s := c.Share; s != nil {
		or(&s.Models, "all")
		or(&s.Scope, "team")
		or(&s.MaxAnswer, 1<<20)
		if s.Operations == nil {
			s.Operations = cachedOps
		}
		checkOneOf(p, "share.models", s.Models, "all", "listed")
		checkOneOf(p, "share.scope", s.Scope, cacheScopes...)
		for i, op := range s.Operations {
			checkOneOf(p, fmt.Sprintf("share.operations[%d]", i), op, append(cachedOps, wire.OpImages.String())...)
		}
		if s.MaxAnswer < 64<<10 || s.MaxAnswer > 64<<20 {
			p.addf("share.max_answer", "is %d bytes: give 64KiB to 64MiB", s.MaxAnswer)
		}
	}
	if g := c.Gather; g != nil {
		or(&g.Models, "all")
		or(&g.Scope, "team")
		or(&g.Window, 5*time.Millisecond)
		or(&g.MaxInputs, 64)
		or(&g.MaxTokens, 8192)
		checkOneOf(p, "gather.models", g.Models, "all", "listed")
		checkOneOf(p, "gather.scope", g.Scope, cacheScopes...)
		if g.Window < time.Millisecond || g.Window > time.Second {
			p.addf("gather.window", "is %s: give 1ms to 1s", g.Window)
		}
		if g.MaxInputs < 2 || g.MaxInputs > 2048 {
			p.addf("gather.max_inputs", "is %d: give 2 to 2048", g.MaxInputs)
		}
		if g.MaxTokens < 1 {
			p.addf("gather.max_tokens", "is %d: give at least 1", g.MaxTokens)
		}
	}
	for _, name := range sortedKeys(c.Models) {
		if c.Models[name].Share != nil && c.Share == nil {
			p.addf(join("models", name)+".share", "says something of what is off: add share: {}")
		}
		if c.Models[name].Gather != nil && c.Gather == nil {
			p.addf(join("models", name)+".gather", "says something of what is off: add gather: {}")
		}
	}
}
