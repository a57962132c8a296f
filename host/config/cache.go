package config

import (
	"fmt"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Cache answers requests from the answers of earlier ones.
type Cache struct {
	// Exact: of requests that are the same; nil: off.
	Exact *ExactCache `koanf:"exact"`
	// Semantic: of requests that mean the same; nil: off.
	Semantic *SemanticCache `koanf:"semantic"`
}

// ExactCache answers requests that are the same.
type ExactCache struct {
	Models     string        `koanf:"models"`     // "all" (default) that do not say otherwise, or "listed", which do
	Operations []string      `koanf:"operations"` // default: all but images
	Scope      string        `koanf:"scope"`      // whose requests share answers: key, user, team (default), project, org
	TTL        time.Duration `koanf:"ttl"`        // default 1h
	MaxTTL     time.Duration `koanf:"max_ttl"`    // that a request may ask for, default TTL
	MaxEntry   Size          `koanf:"max_entry"`  // of one answer, default 1MiB
	Memory     Size          `koanf:"memory"`     // default 64MiB
	Disk       Size          `koanf:"disk"`       // of a file beside the store, 0: none
}

// SemanticCache answers requests that mean the same.
type SemanticCache struct {
	Models     string        `koanf:"models"`      // as ExactCache has it
	Model      string        `koanf:"model"`       // makes the embeddings
	Scope      string        `koanf:"scope"`       // as ExactCache has it
	Threshold  float64       `koanf:"threshold"`   // of the cosine, default 0.95
	TTL        time.Duration `koanf:"ttl"`         // default 1h
	MaxEntries int           `koanf:"max_entries"` // default 10000
	Deadline   time.Duration `koanf:"deadline"`    // for embedding and lookup, default 300ms
	// As says who asks for the embeddings: the "caller" (default), with its own
	// policy and budgets, or the "gateway".
	As string `koanf:"as"`
}

// ModelCache is what a model says of caches, in the place of what they say.
type ModelCache struct {
	Exact     *bool         `koanf:"exact"`
	Semantic  *bool         `koanf:"semantic"`
	TTL       time.Duration `koanf:"ttl"`
	Threshold float64       `koanf:"threshold"`
}

// On reports whether there is any cache.
func (c *Cache) On() bool { return c.Exact != nil || c.Semantic != nil }

var cachedOps = []string{wire.OpChat.String(), wire.OpCompletions.String(), wire.OpEmbeddings.String(), wire.OpRerank.String(),
	wire.OpModeration.String(), wire.OpSpeech.String()}

const (
	minThreshold = 0.5
	maxTTL       = 30 * 24 * time.Hour
	minEntry     = 1 << 10
)

var cacheScopes = []string{"key", "user", "team", "project", "org"}

// withDefaults fills what was left out.
func (e *ExactCache) withDefaults() {
	or(&e.Models, "all")
	or(&e.Scope, "team")
	or(&e.TTL, time.Hour)
	or(&e.MaxTTL, e.TTL)
	or(&e.MaxEntry, 1<<20)
	or(&e.Memory, 64<<20)
	if e.Operations == nil {
		e.Operations = cachedOps
	}
}

func (s *SemanticCache) withDefaults() {
	or(&s.Models, "all")
	or(&s.Scope, "team")
	or(&s.TTL, time.Hour)
	or(&s.Threshold, 0.95)
	or(&s.MaxEntries, 10000)
	or(&s.Deadline, 300*time.Millisecond)
	or(&s.As, "caller")
}

func or[T comparable](at *T, def T) {
	var zero T
	if *at == zero {
		*at = def
	}
}

func (c *Config) checkCache(p *problems) {
	if e := c.Cache.Exact; e != nil {
		e.withDefaults()
		e.check(p)
	}
	if s := c.Cache.Semantic; s != nil {
		s.withDefaults()
		s.check(p)
	}
	for _, name := range sortedKeys(c.Models) {
		c.checkModelCache(p, join("models", name)+".cache", c.Models[name].Cache)
	}
}

func (e *ExactCache) check(p *problems) {
	const at = "cache.exact"
	checkOneOf(p, at+".models", e.Models, "all", "listed")
	checkOneOf(p, at+".scope", e.Scope, cacheScopes...)
	for i, op := range e.Operations {
		checkOneOf(p, fmt.Sprintf("%s.operations[%d]", at, i), op, append(cachedOps, wire.OpImages.String())...)
	}
	checkTTL(p, at+".ttl", e.TTL)
	checkTTL(p, at+".max_ttl", e.MaxTTL)
	if e.MaxTTL < e.TTL {
		p.addf(at+".max_ttl", "is less than ttl, %s: give at least that", e.TTL)
	}
	if e.MaxEntry < minEntry || e.MaxEntry > 64<<20 {
		p.addf(at+".max_entry", "is %d bytes: give 1KiB to 64MiB", e.MaxEntry)
	}
	if e.Memory < 4*e.MaxEntry {
		p.addf(at+".memory", "is %d bytes: give at least four times max_entry, %d", e.Memory, 4*e.MaxEntry)
	}
	if e.Disk != 0 && e.Disk < 4*e.MaxEntry {
		p.addf(at+".disk", "is %d bytes: give at least four times max_entry, %d, or 0 for none", e.Disk, 4*e.MaxEntry)
	}
}

func (s *SemanticCache) check(p *problems) {
	const at = "cache.semantic"
	checkOneOf(p, at+".models", s.Models, "all", "listed")
	checkOneOf(p, at+".scope", s.Scope, cacheScopes...)
	checkOneOf(p, at+".as", s.As, "caller", "gateway")
	checkTTL(p, at+".ttl", s.TTL)
	checkThreshold(p, at+".threshold", s.Threshold)
	if s.Model == "" {
		p.addf(at+".model", "is missing: name a model that makes embeddings, such as openai/text-embedding-3-small")
	}
	if s.MaxEntries < 1 || s.MaxEntries > 10_000_000 {
		p.addf(at+".max_entries", "is %d: give 1 to 10000000", s.MaxEntries)
	}
	if s.Deadline < 10*time.Millisecond || s.Deadline > 10*time.Second {
		p.addf(at+".deadline", "is %s: give 10ms to 10s", s.Deadline)
	}
}

func (c *Config) checkModelCache(p *problems, at string, m ModelCache) {
	if m.Exact != nil && *m.Exact && c.Cache.Exact == nil {
		p.addf(at+".exact", "there is no exact cache: turn it on with cache: {exact: {}}")
	}
	if m.Semantic != nil && *m.Semantic && c.Cache.Semantic == nil {
		p.addf(at+".semantic", "there is no semantic cache: turn it on with cache: {semantic: {model: …}}")
	}
	if m.TTL != 0 {
		checkTTL(p, at+".ttl", m.TTL)
	}
	if m.Threshold != 0 {
		checkThreshold(p, at+".threshold", m.Threshold)
	}
}

func checkTTL(p *problems, at string, d time.Duration) {
	if d < time.Second || d > maxTTL {
		p.addf(at, "is %s: give 1s to %s", d, maxTTL)
	}
}

func checkThreshold(p *problems, at string, t float64) {
	if !(t >= minThreshold && t <= 1) {
		p.addf(at, "is %v: give %v to 1", t, minThreshold)
	}
}
