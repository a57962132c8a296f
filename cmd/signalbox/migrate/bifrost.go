package migrate

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// bifrosts are Bifrost's providers by the prefix of LiteLLM's that is the same service.
var bifrosts = map[string]string{
	"openai": "openai", "azure": "azure", "anthropic": "anthropic", "bedrock": "bedrock", "vertex": "vertex_ai", "gemini": "gemini", "cohere": "cohere",
	"mistral": "mistral", "groq": "groq", "xai": "xai", "openrouter": "openrouter", "perplexity": "perplexity", "cerebras": "cerebras", "ollama": "ollama",
	"vllm": "hosted_vllm", "sgl": "openai_like", "huggingface": "huggingface", "elevenlabs": "elevenlabs", "fireworks": "fireworks_ai",
}

// Bifrost reads a config.json of Bifrost's.
func Bifrost(raw []byte) (*Result, error) {
	var doc map[string]any
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	if _, ok := doc["providers"].(map[string]any); !ok {
		return nil, errors.New("cannot convert the configuration: it has no providers, which Bifrost's have")
	}
	c := newConversion()
	c.out.Listen["data"] = "127.0.0.1:8080"
	s := c.section("", doc)
	providers := s.section("providers")
	for _, name := range slices.Sorted(maps.Keys(providers.m)) {
		c.bifrostProvider(name, providers.section(name))
	}
	c.bifrostGovernance(s.section("governance"))
	c.bifrostTools(s.section("mcp"))
	c.bifrostRest(s)
	c.finish()
	return c.result()
}

// own writes a reference of Bifrost's as this gateway does.
func own(text string) string {
	if name, ok := strings.CutPrefix(text, "env."); ok {
		return "${env:" + name + "}"
	}
	return text
}

func (c *conversion) bifrostProvider(name string, s *section) {
	kind := name
	if custom := s.section("custom_provider_config"); custom.m != nil {
		kind = custom.text("base_provider_type")
		if custom.has("allowed_requests") {
			c.lost(custom.at("allowed_requests"), "what may be asked of a provider is a matter of keys and policy", "see docs/policy-authors.md")
		}
		custom.ignore("is_key_less")
		custom.rest()
	}
	prefix, ok := bifrosts[kind]
	if !ok {
		c.lost(s.path, fmt.Sprintf("no adapter is for %q", kind), "where it speaks OpenAI's API write {adapter: openai, config: {base_url: …}}, or write an adapter: docs/provider-authors.md")
		return
	}
	sv := services[prefix]
	first := account{Adapter: sv.adapter, Config: map[string]any{}}
	if sv.preset != "" {
		first.Config["preset"] = sv.preset
	}
	c.bifrostNetwork(s.section("network_config"), &first)
	var at []*account
	for _, key := range s.sections("keys") {
		at = c.bifrostKey(key, name, &first, at)
	}
	if len(at) == 0 {
		c.out.Providers[name] = &first
	}
	if s.has("proxy_config") {
		c.lost(s.at("proxy_config"), "a proxy is not a provider's here", "start the gateway with HTTPS_PROXY")
	}
	s.ignore("concurrency_and_buffer_size", "send_back_raw_request", "send_back_raw_response", "store_raw_request_response")
	s.rest()
}

// bifrostNetwork is what leads to a provider.
func (c *conversion) bifrostNetwork(s *section, a *account) {
	if base := strings.TrimSuffix(own(s.text("base_url")), "/"); base != "" {
		u, err := url.Parse(base)
		if a.Adapter == "openai" && err == nil && u.Path == "" {
			base += "/v1"
		}
		if err == nil && u.Scheme == "http" {
			a.Hosts = []string{u.Host}
		}
		a.Config["base_url"] = base
	}
	if n, ok := s.number("default_request_timeout_in_seconds"); ok && n > 0 {
		a.Timeouts = map[string]string{"first_byte": seconds(n)}
	}
	if n, ok := s.number("max_retries"); ok {
		c.attempts(n)
		c.differs(s.at("max_retries"), "limits.attempts bounds the attempts of a whole request, at all providers", "nothing, if that is what you want")
	}
	if headers := s.object("extra_headers"); len(headers) > 0 {
		c.headers(c.section(s.path, map[string]any{"extra_headers": headers}), a)
	}
	s.ignore("retry_backoff_initial", "retry_backoff_max", "retry_backoff_initial_ms", "retry_backoff_max_ms", "max_conns_per_host", "stream_idle_timeout_in_seconds")
	s.rest()
}

// bifrostKey adds a key to the account that it is of: those that lead elsewhere
// have accounts of their own.
func (c *conversion) bifrostKey(s *section, name string, first *account, at []*account) []*account {
	a := *first
	a.Config = maps.Clone(first.Config)
	value := own(s.text("value"))
	for config, read := range map[string]func(*section, *account, string) string{"azure_key_config": c.bifrostAzure, "bedrock_key_config": c.bifrostBedrock, "vertex_key_config": c.bifrostVertex} {
		if k := s.section(config); k.m != nil {
			value = read(k, &a, value)
			c.bifrostAliases(k, "deployments", name, len(at))
			k.rest()
		}
	}
	c.bifrostAliases(s, "aliases", name, len(at))
	if models := s.texts("models"); len(models) > 0 && !slices.Contains(models, "*") {
		c.differs(s.at("models"), "any credential of a provider serves any of its models", "make a provider for each set of models where that matters, or bound keys by --model")
	}
	i := slices.IndexFunc(at, func(b *account) bool { return fmt.Sprint(b.Config) == fmt.Sprint(a.Config) })
	if i < 0 {
		at, i = append(at, &a), len(at)
		c.out.Providers[numbered(name, i)] = &a
	}
	if value != "" {
		credential := credential{Name: fmt.Sprintf("key-%d", len(at[i].Credentials)+1), Value: value}
		if n, ok := s.number("weight"); ok && n > 0 {
			credential.Weight = max(1, int(n*100))
		}
		at[i].Credentials = append(at[i].Credentials, credential)
	}
	s.ignore("id", "name", "weight", "use_for_batch_api", "enabled", "blacklisted_models")
	s.rest()
	return at
}

// numbered is the name of an account: the first has the provider's.
func numbered(name string, i int) string {
	if i == 0 {
		return name
	}
	return fmt.Sprintf("%s-%d", name, i+1)
}

func (c *conversion) bifrostAzure(s *section, a *account, value string) string {
	if endpoint := strings.TrimSuffix(own(s.text("endpoint")), "/"); endpoint != "" {
		a.Config["base_url"] = endpoint
	}
	if version := own(s.text("api_version")); version != "" {
		a.Config["query"] = "api-version=" + version
	}
	if s.has("client_id") || s.has("client_secret") || s.has("tenant_id") {
		c.lost(s.path, "tokens of Entra ID are not made here", "give the resource an API key, and set it as the credential")
	}
	s.ignore("scopes", "deployments")
	return value
}

func (c *conversion) bifrostBedrock(s *section, a *account, value string) string {
	if region := own(s.text("region")); region != "" {
		a.Config["region"] = region
	}
	id, secret, session := own(s.text("access_key")), own(s.text("secret_key")), own(s.text("session_token"))
	if id != "" {
		value = id + ":" + secret
	}
	if session != "" {
		value += ":" + session
	}
	if s.has("role_arn") {
		c.lost(s.at("role_arn"), "how a role is assumed is part of the credential here", "write it as plugins/providers/bedrock/README.md shows, under credentials")
	}
	s.ignore("arn", "deployments", "batch_s3_config")
	return value
}

func (c *conversion) bifrostVertex(s *section, a *account, value string) string {
	a.Config["api"] = "vertex"
	for from, to := range map[string]string{"project_id": "project", "region": "location"} {
		if v := own(s.text(from)); v != "" {
			a.Config[to] = v
		}
	}
	if file := own(s.text("auth_credentials")); file != "" {
		value = file
		c.differs(s.at("auth_credentials"), "the credential is the service account's JSON", "where it is the path of a file write ${file:/path/to/it.json}")
	}
	s.ignore("project_number", "deployments")
	return value
}

// bifrostAliases are models under another name than the service's.
func (c *conversion) bifrostAliases(s *section, member, provider string, i int) {
	all := s.object(member)
	for _, alias := range slices.Sorted(maps.Keys(all)) {
		to, ok := all[alias].(string)
		if !ok || to == alias && i == 0 {
			continue
		}
		if c.out.Models[alias] == nil {
			c.out.Models[alias] = &model{}
			c.differs(s.at(member)+"."+alias, fmt.Sprintf("callers ask for %q, and not for %q", alias, provider+"/"+alias), "nothing, or name it otherwise under models")
		}
		m := c.out.Models[alias]
		m.Targets = append(m.Targets, target{Model: numbered(provider, i) + "/" + to})
	}
}

// bifrostGovernance cannot be carried: keys are secrets of the store here.
func (c *conversion) bifrostGovernance(s *section) {
	for _, k := range s.sections("virtual_keys") {
		may := ""
		for _, p := range k.sections("provider_configs") {
			may += fmt.Sprintf(" --model '%s/*'", p.text("provider"))
		}
		c.lost(k.path, "keys are made while the gateway runs, and their secrets are kept as hashes", fmt.Sprintf("signalbox key create %s%s", dashed(k.text("name")), may))
	}
	for _, name := range []string{"budgets", "rate_limits", "model_configs", "providers"} {
		if len(s.list(name)) > 0 {
			c.lost(s.at(name), "limits are of keys, teams, users, models or providers by name", "signalbox limit set key/NAME --budget 500/month --rate 100/minute, for each: docs/budgets.md, docs/rates.md")
		}
	}
	for _, name := range []string{"teams", "customers"} {
		if len(s.list(name)) > 0 {
			c.lost(s.at(name), "they are made while the gateway runs", "signalbox team create NAME, and signalbox org create NAME for a customer: docs/identity.md")
		}
	}
	if len(s.list("routing_rules")) > 0 {
		c.lost(s.at("routing_rules"), "rules are written otherwise here", "see rules in docs/operations.md, and docs/policy-authors.md")
	}
	if s.has("auth_config") {
		c.lost(s.at("auth_config"), "administrators have tokens, not passwords", "signalbox admin create NAME --role owner: docs/identity.md")
	}
	s.rest()
}

// dashed makes a name of what may hold anything.
func dashed(name string) string {
	if name = strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '-'
	}, name), "-"); name == "" {
		return "NAME"
	}
	return name
}

// bifrostTools are tool servers.
func (c *conversion) bifrostTools(s *section) {
	servers := map[string]any{}
	for _, one := range s.sections("client_configs") {
		name := strings.ToLower(dashed(one.text("name")))
		stdio := one.section("stdio_config")
		switch address := own(one.text("connection_string")); {
		case stdio.text("command") != "":
			servers[name] = map[string]any{"command": append([]string{stdio.text("command")}, stdio.texts("args")...)}
		case address != "":
			servers[name] = map[string]any{"url": address}
		default:
			c.lost(one.path, "nothing says where it is", "write it under mcp.servers: docs/mcp.md")
			continue
		}
		c.differs(one.path, "its tools are called by callers, who see those that policy allows, never by the gateway on a model's behalf", "see docs/mcp.md, also for the variables that a program needs")
	}
	if len(servers) > 0 {
		c.out.MCP = map[string]any{"servers": servers}
	}
	s.ignore("tool_manager_config")
	s.rest()
}

func (c *conversion) bifrostRest(s *section) {
	for _, p := range s.sections("plugins") {
		name := p.text("name")
		switch on, said := p.m["enabled"].(bool); {
		case said && !on, name == "governance", name == "logging", name == "telemetry":
		case name == "semantic_cache" || name == "semanticcache":
			c.lost(p.path, "a semantic cache has settings of its own here", "set cache: {exact: {}, semantic: {model: …}}: docs/cache.md")
		case name == "otel":
			c.lost(p.path, "traces go where telemetry says", "set telemetry.traces.endpoint to the collector's address: docs/telemetry.md")
		default:
			c.lost(p.path, fmt.Sprintf("the plugin %q is code of Bifrost's", name), "write a filter, a routing module or an adapter: docs/filters.md, docs/routing-authors.md, docs/provider-authors.md")
		}
	}
	for name, why := range map[string][2]string{
		"config_store": {"what lies in Bifrost's database is not read: providers, keys and limits made there are not carried", "make them again, or export them into config.json first"},
		"vector_store": {"vectors lie with the gateway's own store", "see docs/cache.md"},
	} {
		if one := s.section(name); one.m != nil && one.flag("enabled") {
			c.lost(name, why[0], why[1])
		}
	}
	if s.has("guardrails_config") {
		c.lost("guardrails_config", "what looks at text is a filter here", "name filters, and set them at the models: docs/filters.md")
	}
	if client := s.section("client"); client.m != nil {
		c.differs("client", "every request needs a key, logs and limits have settings of their own", "see docs/operations.md")
	}
	s.ignore("$schema", "version", "encryption_key", "logs_store", "framework", "providers", "websocket")
	s.rest()
}
