package migrate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// strategies are LiteLLM's by the module that does the same here, "": the
// built-in order.
var strategies = map[string]string{
	"simple-shuffle": "", "least-busy": "least-busy", "latency-based-routing": "least-latency", "cost-based-routing": "cheapest",
	"usage-based-routing": "least-busy", "usage-based-routing-v2": "least-busy",
}

func (c *conversion) strategy(router *section) {
	name := router.text("routing_strategy")
	if name == "" {
		name = "simple-shuffle"
	}
	route, ok := strategies[name]
	if !ok {
		c.lost("router_settings.routing_strategy", fmt.Sprintf("%q is none of the orders that come with this gateway", name), "choose a module: plugins/routes/README.md")
	}
	c.route, c.weighted = route, name == "simple-shuffle"
	if strings.HasPrefix(name, "usage-based") {
		c.differs("router_settings.routing_strategy", "requests go where the least is in flight, not where the least was used", "what a deployment takes is held by its rates, so that none gets more than its rpm and tpm")
	}
	if router.has("routing_strategy_args") {
		c.differs("router_settings.routing_strategy_args", "the module has settings of its own", "see plugins/routes/README.md")
	}
}

// fallbacks append the targets of other models, and make aliases. What
// LiteLLM tells apart by the kind of failure is one list here.
func (c *conversion) fallbacks(router, lite *section) {
	c.groupAliases(router)
	next := map[string][]string{}
	for _, s := range []*section{router, lite} {
		for _, f := range chains(s, "fallbacks") {
			next[f.of] = append(next[f.of], f.to...)
		}
	}
	for _, s := range []*section{router, lite} {
		for _, f := range chains(s, "context_window_fallbacks") {
			next[f.of] = append(next[f.of], f.to...)
			c.differs(s.at("context_window_fallbacks"), fmt.Sprintf("the fallbacks of %q serve after any failure of it; a target that is too small for a prompt is left out before it is asked", f.of), "nothing, if that is what you want")
		}
		if s.has("content_policy_fallbacks") {
			c.lost(s.at("content_policy_fallbacks"), "an answer that a provider withholds is the answer here", "route by policy or by a cascade module: plugins/routes/README.md")
		}
		for _, to := range s.texts("default_fallbacks") {
			for _, alias := range c.aliases {
				if alias != to && c.modes[alias] == c.modes[to] {
					next[alias] = append(next[alias], to)
				}
			}
		}
	}
	before := map[string][]target{}
	for _, alias := range c.aliases {
		before[alias] = c.out.Models[alias].Targets
	}
	for _, of := range append(slices.Clone(c.aliases), missing(next, c.aliases)...) {
		c.extend(of, next[of], before)
	}
}

func missing(next map[string][]string, aliases []string) (list []string) {
	for of := range next {
		if !slices.Contains(aliases, of) {
			list = append(list, of)
		}
	}
	slices.Sort(list)
	return list
}

// extend adds to's targets behind those of the model of, one model at a time.
func (c *conversion) extend(of string, to []string, before map[string][]target) {
	m := c.out.Models[of]
	if len(to) == 0 {
		return
	}
	if m == nil {
		c.lost("router_settings.fallbacks", fmt.Sprintf("model_list has no %q", of), "remove it, or add the model")
		return
	}
	last := 0
	for _, t := range m.Targets {
		if t.Priority != nil {
			last = max(last, *t.Priority)
		}
	}
	for _, name := range to {
		targets, ok := before[name]
		if !ok {
			c.lost("router_settings.fallbacks", fmt.Sprintf("%q falls back to %q, which model_list does not have", of, name), "add the model, and convert again")
			continue
		}
		last++
		for _, t := range targets {
			if slices.ContainsFunc(m.Targets, func(have target) bool { return have.Model == t.Model }) {
				continue
			}
			t.Priority = new(last)
			m.Targets = append(slices.Clip(m.Targets), t)
		}
	}
}

type chain struct {
	of string
	to []string
}

// chains reads [{model: [others]}, …].
func chains(s *section, name string) (list []chain) {
	for _, v := range s.list(name) {
		m, ok := v.(map[string]any)
		if !ok {
			s.c.lost(s.at(name), "one of them is no mapping of a model to others", "write {model: [other]}")
			continue
		}
		one := s.c.section(s.at(name), m)
		for of := range m {
			list = append(list, chain{of, one.texts(of)})
		}
	}
	return list
}

func (c *conversion) groupAliases(router *section) {
	all := router.section("model_group_alias")
	for alias := range all.m {
		to, _ := all.m[alias].(string)
		if m, ok := all.m[alias].(map[string]any); ok { // {model: …, hidden: …}
			to, _ = m["model"].(string)
		}
		m := c.out.Models[to]
		if m == nil {
			c.lost(all.at(alias), "it is no model of model_list", "name one of these")
			continue
		}
		c.out.Models[alias] = &model{Targets: slices.Clone(m.Targets)}
		c.aliases = append(c.aliases, alias)
	}
	slices.Sort(c.aliases)
}

func (c *conversion) router(s *section) {
	if n, ok := s.number("num_retries"); ok {
		c.attempts(n)
	}
	if n, ok := s.number("timeout"); ok {
		c.firstByte(n)
	}
	if n, ok := s.number("stream_timeout"); ok {
		c.firstByte(n)
	}
	if host := s.text("redis_host"); host != "" {
		c.redis(host, s.text("redis_port"), s.text("redis_password"))
	} else if url := s.text("redis_url"); url != "" {
		c.out.Counters = map[string]string{"url": url}
	}
	s.ignore("redis_host", "redis_port", "redis_password", "redis_url")
	c.cooldown(s)
	for name, why := range map[string][2]string{
		"retry_policy":                  {"whether a failure is tried again goes by its class: what the caller did wrong is not", "nothing; limits.attempts bounds all attempts"},
		"model_group_retry_policy":      {"whether a failure is tried again goes by its class", "nothing; limits.attempts bounds all attempts"},
		"allowed_fails_policy":          {"a breaker opens by the share of failures that are the target's own", "see breaker in docs/operations.md"},
		"provider_budget_config":        {"", ""},
		"retry_after":                   {"providers' own Retry-After is kept", "nothing"},
		"cache_responses":               {"it is litellm_settings.cache that turns the cache on here", "see docs/cache.md"},
		"default_max_parallel_requests": {"each target has a bound of its own", "set max_in_flight at the targets"},
	} {
		if name == "provider_budget_config" {
			c.providerBudgets(s.section(name))
		} else if s.has(name) {
			c.differs(s.at(name), why[0], why[1])
		}
	}
	if s.flag("enable_tag_filtering") {
		c.differs(s.at("enable_tag_filtering"), "callers choose tags by the header x-signalbox-tags", "see docs/operations.md")
	}
	s.ignore("enable_tag_filtering", "tag_filtering_match_any", "enable_pre_call_checks", "set_verbose", "debug_level", "redis_db", "polling_interval")
}

func (c *conversion) redis(host, port, password string) {
	if port == "" {
		port = "6379"
	}
	user := ""
	if password != "" {
		user = ":" + password + "@"
	}
	c.out.Counters = map[string]string{"url": "redis://" + user + host + ":" + port}
}

// cooldown is LiteLLM's for a deployment that fails: a breaker here.
func (c *conversion) cooldown(s *section) {
	fails, hasFails := s.number("allowed_fails")
	rest, hasRest := s.number("cooldown_time")
	if s.flag("disable_cooldowns") {
		c.out.Breaker = map[string]any{"errors": 0}
		return
	}
	if !hasFails && !hasRest {
		return
	}
	if c.out.Breaker == nil {
		c.out.Breaker = map[string]any{}
	}
	if hasFails {
		c.out.Breaker["attempts"], c.out.Breaker["window"] = int(fails)+1, "1m"
		c.differs(s.at("allowed_fails"), "the breaker opens where half of at least so many attempts within a minute fail", "set breaker.errors for another share")
	}
	if hasRest {
		c.out.Breaker["rest"] = seconds(rest)
	}
}

func (c *conversion) providerBudgets(s *section) {
	for prefix := range s.m {
		one := s.section(prefix)
		limit, ok := one.number("budget_limit")
		if !ok {
			limit, ok = one.number("max_budget")
		}
		window, known := windowOf(one.text("time_period") + one.text("budget_duration"))
		name := strings.ReplaceAll(prefix, "_", "-")
		switch {
		case !ok || !known:
			c.lost(one.path, "its limit or its window is not known here", "write it under budgets")
		case c.out.Providers[name] == nil:
			c.lost(one.path, "no model of model_list is there", "remove it")
		default:
			c.out.Budgets = append(c.out.Budgets, map[string]any{"scope": "provider/" + name, "usd": limit, "window": window})
		}
	}
}

// attempts are those of a request, over all its targets.
func (c *conversion) attempts(retries float64) {
	most := 1
	for _, m := range c.out.Models {
		most = max(most, len(m.Targets))
	}
	c.out.Limits = map[string]any{"attempts": max(int(retries)+1, min(most, 10))}
}

func (c *conversion) firstByte(n float64) {
	if c.out.Timeouts == nil {
		c.out.Timeouts = map[string]string{}
		c.differs("router_settings.timeout", "it bounds the time until an answer begins, not all of it", "limits.deadline bounds whole requests")
	}
	c.out.Timeouts["first_byte"] = seconds(n)
}

// module is litellm_settings.
func (c *conversion) module(s *section) {
	if n, ok := s.number("num_retries"); ok && c.out.Limits == nil {
		c.attempts(n)
	}
	if n, ok := s.number("request_timeout"); ok && c.out.Timeouts == nil {
		c.firstByte(n)
	}
	if c.out.Breaker == nil {
		c.cooldown(s)
	}
	s.ignore("allowed_fails", "cooldown_time", "disable_cooldowns")
	if s.flag("json_logs") {
		c.out.Log = map[string]string{"level": "info", "format": "json"}
	}
	if s.m["drop_params"] != nil && !s.flag("drop_params") {
		c.differs(s.at("drop_params"), "parameters that a target does not have are dropped, and named in x-signalbox-dropped-params", "callers who would rather be refused send x-signalbox-strict: true")
	}
	s.ignore("drop_params", "set_verbose", "telemetry", "num_retries", "modify_params")
	c.callbacks(s)
	c.cache(s)
	if n, ok := s.number("max_budget"); ok {
		c.lost(s.at("max_budget"), fmt.Sprintf("there is no budget of all callers together (%s USD)", strconv.FormatFloat(n, 'f', -1, 64)), "set one for the organisation or for each provider: docs/budgets.md")
	}
	s.ignore("budget_duration")
	for name, why := range map[string][2]string{
		"default_internal_user_params":   {"users have no such defaults here", "set limits of teams and organisations: docs/budgets.md"},
		"default_team_settings":          {"teams have no callbacks of their own here", "what is exported names the team: docs/telemetry.md"},
		"default_team_params":            {"teams have no such defaults here", "signalbox limit set team/NAME"},
		"key_generation_settings":        {"who may make keys is a matter of administrators' roles", "see docs/identity.md"},
		"upperbound_key_generate_params": {"keys are bounded by the limits of their team and organisation", "signalbox limit set team/NAME"},
		"mcp_aliases":                    {"tool servers are named under mcp.servers", "see docs/mcp.md"},
		"turn_off_message_logging":       {"prompts and answers are not logged unless that is asked for", "nothing"},
		"redact_user_api_key_info":       {"keys are never logged, their names and ids are", "nothing"},
		"force_ipv4":                     {"connections are made as the system resolves names", "prefer IPv4 in /etc/gai.conf"},
		"ssl_verify":                     {"certificates of providers are always verified", "add the authority to the system's"},
		"max_internal_user_budget":       {"users have budgets of their own here", "signalbox limit set user/NAME"},
		"internal_user_budget_duration":  {"users have budgets of their own here", "signalbox limit set user/NAME"},
	} {
		if s.has(name) {
			c.lost(s.at(name), why[0], why[1])
		}
	}
}

// general is general_settings.
func (c *conversion) general(s *section) {
	if key := s.text("master_key"); key != "" {
		c.out.Admin = map[string]string{"token": key}
		c.differs(s.at("master_key"), "it became the administrators' token, which no caller may use", "make keys for callers: signalbox key create NAME")
	}
	if s.has("database_url") {
		c.lost(s.at("database_url"), "keys, teams and spend in LiteLLM's database are not carried: its keys are kept as hashes of another form", "make keys anew with signalbox key create; for several gateways set store.url to a PostgreSQL database of its own: docs/scale-out.md")
	}
	if n, ok := s.number("max_parallel_requests"); ok {
		for name := range c.out.Providers {
			c.out.Rates = append(c.out.Rates, map[string]any{"scope": "provider/" + name, "concurrent": int(n)})
		}
		c.differs(s.at("max_parallel_requests"), "it holds for each provider, not for each deployment", "set max_in_flight at targets for a bound of each")
	}
	if n, ok := s.number("global_max_parallel_requests"); ok {
		c.lost(s.at("global_max_parallel_requests"), fmt.Sprintf("there is no bound of all requests together (%d)", int(n)), "bound each provider by a rate: {scope: provider/NAME, concurrent: N}")
	}
	if keep := s.text("maximum_spend_logs_retention_period"); strings.HasSuffix(keep, "d") || strings.HasSuffix(keep, "h") {
		c.out.Retention = map[string]string{"requests": keep}
	}
	c.alerting(s)
	if level := s.text("proxy_batch_write_at"); level != "" {
		s.ignore("proxy_batch_write_at") // the ledger is written as it comes
	}
	s.ignore("disable_master_key_return", "disable_reset_budget", "disable_adding_master_key_hash_to_db", "store_model_in_db", "database_connection_pool_limit",
		"database_connection_timeout", "maximum_spend_logs_retention_interval", "infer_model_from_keys", "background_health_checks", "health_check_interval", "disable_retry_on_max_parallel_request_limit_error")
	for name, why := range generals {
		if s.has(name) {
			c.lost(s.at(name), why[0], why[1])
		}
	}
}

var generals = map[string][2]string{
	"custom_auth":                       {"who callers are is told by keys, tokens of OpenID Connect or certificates", "see docs/identity.md"},
	"enable_jwt_auth":                   {"issuers of tokens are listed under oidc", "see docs/identity.md"},
	"litellm_jwtauth":                   {"issuers of tokens are listed under oidc", "see docs/identity.md"},
	"key_management_system":             {"secrets are read by ${vault:…} and ${file:…}, or kept encrypted in the store", "see docs/operations.md, Credentials of providers"},
	"key_management_settings":           {"secrets are read by ${vault:…} and ${file:…}, or kept encrypted in the store", "see docs/operations.md, Credentials of providers"},
	"use_google_kms":                    {"the store's key can lie in a KMS", "see secrets.kms in docs/audit.md"},
	"use_azure_key_vault":               {"secrets are read by ${vault:…} and ${file:…}, or kept encrypted in the store", "see docs/operations.md, Credentials of providers"},
	"completion_model":                  {"a request names its model", "set it where requests are made"},
	"forward_client_headers_to_llm_api": {"of a caller's headers those pass that the service's adapter knows", "see the adapter's README"},
	"enforce_user_param":                {"what a request has to have is written as policy", "see docs/policy-authors.md"},
	"allowed_routes":                    {"what may be asked is a matter of keys and policy", "see docs/policy-authors.md"},
	"admin_only_routes":                 {"administrators have an address of their own", "nothing"},
	"public_routes":                     {"nothing is served without a key but health and readiness", "nothing"},
	"pass_through_endpoints":            {"there are no paths of one's own here", "list the provider under pass_through and use /v1/pass/PROVIDER/…"},
	"allow_requests_on_db_unavailable":  {"requests go on with the budgets that a node holds", "see docs/scale-out.md"},
	"store_prompts_in_spend_logs":       {"prompts are not in the ledger", "see docs/telemetry.md, content"},
	"disable_spend_logs":                {"every request is in the ledger: budgets rest on it", "retention.requests bounds how long"},
	"alerting_threshold":                {"how long is too long is an objective", "see objectives in docs/operations.md"},
	"user_api_key_cache_ttl":            {"a changed key counts at once", "nothing"},
	"ui_access_mode":                    {"who may use the dashboard is a matter of roles", "see docs/identity.md"},
	"use_redis_transaction_buffer":      {"the ledger does not go through Redis", "nothing"},
	"reject_clientside_metadata_tags":   {"what callers may send is written as policy", "see docs/policy-authors.md"},
}

func (c *conversion) alerting(s *section) {
	for _, way := range s.texts("alerting") {
		if way != "slack" {
			c.lost(s.at("alerting")+" "+way, "this receiver has settings that LiteLLM reads from the environment", "write it under alerts.to: docs/alerts.md")
			continue
		}
		c.out.Alerts = map[string]any{"to": map[string]any{"slack": map[string]string{"slack": "${env:SLACK_WEBHOOK_URL}"}}}
	}
	for _, name := range []string{"alert_types", "alerting_args", "alert_to_webhook_url", "spend_report_frequency"} {
		if s.has(name) {
			c.differs(s.at(name), "which alerts go where is said with the receiver", "see kinds and scopes in docs/alerts.md")
		}
	}
}
