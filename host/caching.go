package host

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/signalbox-ai/signalbox/host/cache"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/tenant"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/text"
)

const (
	// cachedBody bounds the requests whose answers are kept.
	cachedBody = 4 << 20
	// tierWait is what a request waits for answers that lie beyond the memory.
	tierWait = 5 * time.Millisecond
)

// caching is what a configuration says of caches, readied.
type caching struct {
	exact     *config.ExactCache
	semantic  *config.SemanticCache
	ops       [wire.NumOps]bool // of exact
	usual     cacheRule         // of models that say nothing
	rules     map[string]cacheRule
	models    map[string]string // revisions of their configuration
	providers map[string]string
	filters   map[string]string
	embedder  string // revision of what makes vectors
}

// cacheRule is what holds for a model.
type cacheRule struct {
	exact, semantic bool
	ttl, meantTTL   time.Duration
	threshold       float64
}

// newCaching reads what cfg says, nil: there is no cache.
func newCaching(cfg *config.Config) *caching {
	if !cfg.Cache.On() {
		return nil
	}
	c := &caching{exact: cfg.Cache.Exact, semantic: cfg.Cache.Semantic, rules: map[string]cacheRule{}, models: map[string]string{},
		providers: map[string]string{}, filters: map[string]string{}}
	listed := cacheRule{}
	if e := c.exact; e != nil {
		c.usual.exact, c.usual.ttl = e.Models == "all", e.TTL
		listed.ttl = e.TTL
		for _, op := range e.Operations {
			c.ops[wire.ParseOp(op)] = true
		}
	}
	if s := c.semantic; s != nil {
		c.usual.semantic, c.usual.meantTTL, c.usual.threshold = s.Models == "all", s.TTL, s.Threshold
	}
	for name, p := range cfg.Providers {
		p.Credentials, p.Timeouts, p.Probe = nil, config.Timeouts{}, config.Probe{}
		c.providers[name] = fingerprint([]any{p, map[string]any(p.Config)}) // Settings by themselves hide what they say
	}
	for name, f := range cfg.Filters {
		c.filters[name] = fingerprint([]any{f, map[string]any(f.Config)})
	}
	for name, m := range cfg.Models {
		c.rules[name] = c.usual.of(m.Cache)
		m.Cache, m.Mirror = config.ModelCache{}, config.Mirror{}
		c.models[name] = fingerprint(m)
	}
	if s := c.semantic; s != nil {
		c.embedder = fingerprint([]any{s.Model, cfg.Models[s.Model].Targets, c.providers})
	}
	return c
}

// of is what holds for a model that says m.
func (r cacheRule) of(m config.ModelCache) cacheRule {
	if m.Exact != nil {
		r.exact = *m.Exact
	}
	if m.Semantic != nil {
		r.semantic = *m.Semantic
	}
	if m.TTL > 0 {
		r.ttl, r.meantTTL = m.TTL, m.TTL
	}
	if m.Threshold > 0 {
		r.threshold = m.Threshold
	}
	return r
}

// fingerprint tells one piece of configuration from another.
func fingerprint(v any) string {
	b, err := json.Marshal(v)
	if err != nil { // of settings that JSON cannot say there are none
		panic("BUG: a piece of configuration has no JSON: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:12])
}

// of is what holds for a model; false: neither cache has its answers.
func (c *caching) of(m *call.Model) (cacheRule, bool) {
	r, ok := c.rules[m.Name]
	if !ok {
		r = c.usual
	}
	return r, r.exact || r.semantic
}

// recall is what a flight has of the cache.
type recall struct {
	key     cache.Key
	keep    bool // the answer is to be kept under key
	tenant  string
	ttl     time.Duration
	hit     *cache.Entry
	meaning *meaning // of what is asked, nil: it is not compared
}

// asked is what a request is made into, to be looked up.
type asked struct {
	cache.Asked
	canon  cache.Canon
	parts  []text.Part
	body   []byte
	top    func(name, value []byte)
	stored bool // the provider is to keep the answer, or to go on without the caller
}

var askeds = sync.Pool{New: func() any {
	a := &asked{}
	a.top = a.member
	return a
}}

func (a *asked) member(name, value []byte) {
	switch string(name) {
	case `"store"`, `"background"`:
		a.stored = a.stored || string(value) == "true"
	case `"previous_response_id"`, `"conversation"`, `"cachedContent"`, `"cached_content"`, `"container"`:
		a.stored = a.stored || string(value) != "null"
	}
}

// release gives a back.
func (a *asked) release() {
	for _, list := range []*[]string{&a.Targets, &a.Filters, &a.Headers} {
		clear(*list)
		*list = (*list)[:0]
	}
	a.Asked = cache.Asked{Targets: a.Targets, Filters: a.Filters, Headers: a.Headers}
	call.Poison(a.body)
	if a.body = a.body[:0]; cap(a.body) > 256<<10 {
		a.body = nil
	}
	clear(a.parts)
	if a.stored, a.parts = false, a.parts[:0]; cap(a.parts) > 1024 {
		a.parts = nil
	}
	askeds.Put(a)
}

// remembers reports whether answers to f may be other requests' at all.
func (f *flight) remembers() bool {
	c := &f.Call
	switch {
	case f.Decision.Cache == "deny", c.Upload != nil, c.Method != "" && c.Method != "POST", len(c.Body) > cachedBody:
		return false
	case c.Facts.Unbounded, len(c.Facts.Refs) > 0: // what it names may become another thing
		return false
	case c.Dialect == wire.OpenAIResponses && !c.Facts.Unstored: // the provider keeps the answer for whoever asked
		return false
	}
	return f.inner == nil || !f.internal() && f.inner.Target == nil && f.inner.Form == nil
}

// recall looks for an answer that is kept. Where there is none, f knows under
// which key its own is to be.
func (h *Host) recall(f *flight) *wire.Error {
	caching := f.gen.caching
	if caching == nil || h.cache == nil {
		return nil
	}
	rule, any := caching.of(f.Model)
	if !any || !f.remembers() || !caching.ops[f.Op] && f.Op != wire.OpChat {
		return nil
	}
	how, err := directives(f.Header)
	if err != nil {
		return err
	}
	a := askeds.Get().(*asked)
	defer a.release()
	if !f.asks(a, caching) {
		return nil
	}
	r := &f.recall
	if r.tenant = caching.tenant(f.Principal); how.bypass {
		h.cache.Row(r.tenant, f.Model.Name).Bypassed.Add(1)
		return nil
	}
	if rule.exact && caching.ops[f.Op] {
		h.recallExact(f, a, &rule, &how)
	}
	if r.hit == nil && rule.semantic {
		h.recallMeaning(f, a, &rule, &how)
	}
	if row := h.cache.Row(r.tenant, f.Model.Name); how.refresh {
		row.Bypassed.Add(1)
	} else {
		row.Count(f.Cached, f.Saved)
	}
	return nil
}

// tenant is under whom figures are kept: the exact cache's scope, or else the
// semantic one's.
func (c *caching) tenant(p *call.Principal) string {
	if c.exact != nil {
		return scopeOf(c.exact.Scope, p)
	}
	return scopeOf(c.semantic.Scope, p)
}

func (h *Host) recallExact(f *flight, a *asked, rule *cacheRule, how *directive) {
	caching, r := f.gen.caching, &f.recall
	a.Scope = r.tenant
	r.key, r.keep, r.ttl = h.cache.KeyOf("exact", &a.Asked), true, rule.ttl
	age := how.age
	if how.ttl > 0 {
		r.ttl = min(how.ttl, max(caching.exact.MaxTTL, rule.ttl))
		if age == 0 || r.ttl < age {
			age = r.ttl
		}
	}
	if how.refresh {
		return
	}
	ctx, cancel := h.cache.Within(context.Background(), tierWait)
	defer cancel()
	if e := h.cache.Get(ctx, &r.key, f.Received, age); e != nil {
		f.found(e, call.CacheExact)
	}
}

// found makes e the answer of f; false: who gave it is none of f's candidates.
func (f *flight) found(e *cache.Entry, as call.Cached) bool {
	i := slices.IndexFunc(f.Candidates, func(c call.Candidate) bool { return c.Target.Name == e.Target })
	if i < 0 {
		return false
	}
	f.recall.hit, f.recall.keep = e, false
	f.Target, f.Cached, f.Saved, f.KeptAs = f.Candidates[i].Target, as, e.Cost, e.Key.String()
	return true
}

// asks fills a with what f asks, but for whose it is; false: its answer is not
// one to be kept.
func (f *flight) asks(a *asked, c *caching) bool {
	a.Op, a.Dialect, a.Method, a.Path, a.ContentType = f.Op, f.Dialect, f.Method, f.Path, f.ContentType
	a.Stream, a.Strict = f.Facts.Stream, f.Strict
	a.Model, a.Revision = f.Model.Name, c.models[f.Model.Name]
	a.Policy, a.MaxTokens = f.Decision.Revision, f.Decision.MaxTokens
	for i := range f.Candidates {
		t := f.Candidates[i].Target
		ep := t.Provider.Endpoint(f.Op, f.Dialect)
		if ep == nil { // which headers it would be passed is not known
			return false
		}
		a.Targets = append(a.Targets, t.Name, c.providers[t.Provider.Name])
		for _, name := range ep.PassHeaders {
			if v := f.Header.Peek(name); len(v) > 0 {
				a.Headers = append(a.Headers, name, string(v))
			}
		}
	}
	if f.screen != nil {
		for i := range f.links {
			l := &f.links[i]
			a.Filters = append(a.Filters, l.Name(), c.filters[l.Name()], l.Revision())
		}
	}
	var ok bool
	a.body, ok = a.canon.Append(a.body[:0], f.Body, a.top)
	a.Body = a.body
	return ok && !a.stored
}

// scopeOf is whose requests share answers with those of p, never wider than
// its organisation. What does not belong to one of scope shares as its tenant does.
func scopeOf(scope string, p *call.Principal) string {
	esc := url.QueryEscape
	switch {
	case scope == "key":
		return "key/" + p.KeyID
	case scope == "user" && p.User != "":
		return "user/" + esc(p.Org) + "/" + esc(p.Project) + "/" + esc(p.Team) + "/" + esc(p.User)
	case scope == "user":
		return "key/" + p.KeyID
	case scope == "project" && p.Project != "":
		return "project/" + esc(p.Org) + "/" + esc(p.Project)
	case scope == "org" && p.Org != "":
		return "org/" + esc(p.Org)
	}
	return tenant.Of(p)
}

// directive is what a request says of caches.
type directive struct {
	bypass  bool          // neither look nor keep
	refresh bool          // keep, but do not look
	age     time.Duration // that an answer may have, 0: any
	ttl     time.Duration // for which it may be kept, and how old it may be; 0: as configured
}

// directives reads the headers that say something of caches.
func directives(h call.Header) (d directive, _ *wire.Error) {
	switch v := string(bytes.ToLower(bytes.TrimSpace(h.Peek("X-Signalbox-Cache")))); v {
	case "":
	case "bypass":
		d.bypass = true
	case "refresh":
		d.refresh = true
	default:
		e := wire.Errorf(400, "invalid_cache", "x-signalbox-cache is %q: send bypass, refresh, or nothing", v)
		e.Param = "x-signalbox-cache"
		return d, e
	}
	if v := h.Peek("X-Signalbox-Cache-Ttl"); len(v) > 0 {
		ttl, err := time.ParseDuration(string(v))
		if err != nil || ttl < time.Second {
			e := wire.Errorf(400, "invalid_cache_ttl", "x-signalbox-cache-ttl is %q: send a duration of at least 1s, such as 10m", v)
			e.Param = "x-signalbox-cache-ttl"
			return d, e
		}
		d.ttl = ttl
	}
	if v := h.Peek("Cache-Control"); len(v) > 0 {
		d.control(string(v))
	}
	return d, nil
}

// control reads a Cache-Control header. What of it is unknown is no concern of ours.
func (d *directive) control(header string) {
	for part := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(part)), "=")
		switch name {
		case "no-store":
			d.bypass = true
		case "no-cache":
			d.refresh = true
		case "max-age":
			switch age, err := strconv.ParseInt(strings.Trim(value, `"`), 10, 32); {
			case err != nil:
			case age <= 0:
				d.refresh = true
			default:
				d.age = time.Duration(age) * time.Second
			}
		}
	}
}
