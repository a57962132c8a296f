package migrate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// callbacks are where LiteLLM tells of requests.
func (c *conversion) callbacks(s *section) {
	said := map[string]bool{}
	for _, list := range []string{"callbacks", "success_callback", "failure_callback", "service_callbacks", "service_callback"} {
		for _, name := range s.texts(list) {
			if !said[name] {
				c.callback(s.at(list)+" "+name, name)
			}
			said[name] = true
		}
	}
}

func (c *conversion) callback(where, name string) {
	switch {
	case name == "prometheus":
		c.differs(where, "figures are at /metrics of the admin address, under other names", "see docs/metrics.md for them")
	case name == "otel":
		c.out.Telemetry = map[string]any{"traces": map[string]any{"endpoint": "${env:OTEL_ENDPOINT}"}}
		c.differs(where, "traces are exported by OTLP over HTTP to what OTEL_ENDPOINT is, with names of their own", "give the whole address, with its /v1/traces; for otlp_grpc add telemetry.traces.protocol: grpc, and write OTEL_HEADERS under telemetry.traces.headers: docs/telemetry.md")
	case slices.Contains([]string{"langfuse", "langfuse_otel", "langsmith", "datadog", "newrelic", "lunary", "helicone", "braintrust", "galileo", "opik", "arize", "arize_phoenix", "logfire"}, name):
		c.lost(where, "there are no callbacks of vendors here", "most of them take OTLP: set telemetry.traces to their address and headers: docs/telemetry.md")
	case name == "presidio" || name == "hide_secrets" || name == "llmguard_moderations" || strings.Contains(name, "detect_prompt_injection"):
		c.lost(where, "what looks at text is a filter here", "name one under filters, and at the models: docs/filters.md")
	default:
		c.lost(where, "there are no callbacks here", "each request is in the ledger, in traces and in alerts: docs/ledger.md, docs/telemetry.md, docs/alerts.md; what must act on it is a module: docs/routing-authors.md")
	}
}

// calls are LiteLLM's kinds of calls by what they are here.
var calls = map[string]string{
	"completion": "chat", "acompletion": "chat", "responses": "chat", "aresponses": "chat", "anthropic_messages": "chat",
	"text_completion": "completions", "atext_completion": "completions", "embedding": "embeddings", "aembedding": "embeddings",
	"rerank": "rerank", "arerank": "rerank",
}

// cache is LiteLLM's of whole answers.
func (c *conversion) cache(s *section) {
	p := s.section("cache_params")
	if !s.flag("cache") {
		return
	}
	kind := p.text("type")
	own := map[string]any{}
	if n, ok := p.number("ttl"); ok && n >= 1 {
		own["ttl"] = seconds(n)
	} else {
		c.differs(p.at("ttl"), "where none is given, an answer is good for an hour", "set cache.exact.ttl")
	}
	if p.text("mode") == "default_off" {
		own["models"] = "listed"
		c.differs(p.at("mode"), "it is models that turn the cache on where it is off, not requests", "write cache: {exact: true} at models")
	}
	if strings.HasSuffix(kind, "-semantic") {
		c.meaning(p, kind, own)
	} else {
		c.exact(p, kind, own)
	}
	c.differs(s.at("cache"), "answers are kept apart by team and by all of a request, and never shared by all callers", "set cache.exact.scope or cache.semantic.scope to org to share them within an organisation: docs/cache.md")
	p.ignore("ttl", "default_in_memory_ttl", "default_in_redis_ttl", "max_connections", "socket_timeout", "namespace", "supported_call_types", "host", "port", "password", "ssl", "redis_startup_nodes")
	p.rest()
}

func (c *conversion) exact(p *section, kind string, own map[string]any) {
	switch kind {
	case "local":
	case "disk":
		own["disk"] = "1GiB"
		p.ignore("disk_cache_dir")
	case "", "redis":
		if host := p.text("host"); host != "" && c.out.Counters == nil {
			c.redis(host, p.text("port"), p.text("password"))
		} else if c.out.Counters == nil {
			c.differs(p.at("type"), "it is each gateway's memory while there is no counters.url", "set counters.url to the Redis of REDIS_HOST, REDIS_PORT and REDIS_PASSWORD")
		}
	default:
		c.differs(p.at("type"), fmt.Sprintf("answers are kept in memory, and in the Redis of counters.url, not at %q", kind), "see docs/cache.md")
		for name := range p.m {
			if strings.HasPrefix(name, kind) {
				p.ignore(name)
			}
		}
	}
	ops := map[string]bool{}
	for _, call := range p.texts("supported_call_types") {
		if op := calls[call]; op != "" {
			ops[op] = true
		} else {
			c.lost(p.at("supported_call_types")+" "+call, "these answers are not cached here", "nothing")
		}
	}
	if len(ops) > 0 {
		own["operations"] = slices.Sorted(maps.Keys(ops))
	}
	c.out.Cache = map[string]any{"exact": own}
}

// meaning is a semantic cache.
func (c *conversion) meaning(p *section, kind string, own map[string]any) {
	name := ""
	for _, member := range []string{strings.ReplaceAll(kind, "-", "_") + "_cache_embedding_model", "redis_semantic_cache_embedding_model", "embedding_model"} {
		if name == "" {
			name = p.text(member)
		}
	}
	if c.out.Models[name] == nil {
		c.lost(p.at("type"), fmt.Sprintf("the model of the embeddings, %q, is none of model_list", name), "add it, and set cache.semantic: {model: …, threshold: …}: docs/cache.md")
		return
	}
	own["model"] = name
	if n, ok := p.number("similarity_threshold"); ok && n >= 0.5 && n <= 1 {
		own["threshold"] = n
	}
	for member := range p.m {
		if strings.HasPrefix(member, "qdrant_") || strings.HasPrefix(member, "redis_semantic_") || strings.HasPrefix(member, "valkey_semantic_") {
			p.ignore(member) // where the vectors are
		}
	}
	c.differs(p.at("type"), "the vectors lie with the gateway's own store", "nothing")
	c.out.Cache = map[string]any{"semantic": own}
}
