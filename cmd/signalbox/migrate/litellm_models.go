package migrate

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// deployment turns one of model_list into a target, at an account.
func (c *conversion) deployment(s *section) {
	alias, params, info := s.text("model_name"), s.section("litellm_params"), s.section("model_info")
	s.ignore("litellm_params", "model_info", "model_name")
	named := params.text("model")
	service, name, ok := c.service(params, named)
	switch {
	case alias == "" || named == "":
		c.lost(s.path, "it has no model_name or no litellm_params.model", "give it both")
		return
	case !ok:
		c.lost(s.path, fmt.Sprintf("model %q is of a service that no adapter here knows", named), "if it speaks OpenAI's API, use the openai adapter with its base_url; else write an adapter: docs/provider-authors.md")
		return
	}
	at := c.account(s, params, service)
	if at == "" {
		return
	}
	if strings.Contains(alias, "*") || strings.Contains(name, "*") {
		c.differs(s.path, fmt.Sprintf("%q stands for many models, and aliases here stand for themselves", alias), fmt.Sprintf("callers ask for %s/MODEL: every model of a provider can be had by that name", at))
	} else {
		t := c.target(s, params, info, at+"/"+name)
		m := c.out.Models[alias]
		if m == nil {
			m = &model{}
			c.out.Models[alias] = m
			c.aliases = append(c.aliases, alias)
		}
		m.Targets = append(m.Targets, t)
		if mode := info.text("mode"); mode != "chat" && mode != "completion" && mode != "responses" {
			c.modes[alias] = mode
		}
		c.limits(params, t.Model)
		c.price(params, info, t.Model)
	}
	c.added(params)
	params.rest()
	info.rest()
	s.rest()
}

// service finds who serves a model, and its name there.
func (c *conversion) service(params *section, named string) (service, name string, ok bool) {
	if own := params.text("custom_llm_provider"); own != "" {
		named = own + "/" + strings.TrimPrefix(named, own+"/")
	}
	if prefix, rest, found := strings.Cut(named, "/"); found {
		if _, ok := services[prefix]; ok {
			if prefix == "bedrock" {
				for _, way := range []string{"converse/", "invoke/"} {
					rest = strings.TrimPrefix(rest, way)
				}
			}
			return prefix, rest, true
		}
	}
	for _, b := range bare {
		if strings.HasPrefix(named, b.begins) {
			return b.service, named, true
		}
	}
	if params.m["api_base"] != nil { // LiteLLM takes it for one that speaks OpenAI's API
		return "openai", named, true
	}
	return "", "", false
}

// account is the name of the provider that a deployment is at. Those that
// share all that leads to it share the account.
func (c *conversion) account(s, params *section, prefix string) string {
	if name := params.text("litellm_credential_name"); name != "" {
		kept := c.secrets[name]
		if kept == nil {
			c.lost(params.at("litellm_credential_name"), fmt.Sprintf("credential_list has no %q", name), "write the key at the model")
			return ""
		}
		for k, v := range kept.m {
			if params.m[k] == nil {
				params.m[k] = v
			}
		}
	}
	a := &account{Adapter: services[prefix].adapter}
	if !c.place(s, params, prefix, a) {
		return ""
	}
	c.timeouts(params, a)
	mark := fmt.Sprint(a.Adapter, a.Config, a.Hosts, a.Credentials, a.Timeouts)
	if name, ok := c.named[mark]; ok {
		return name
	}
	base := strings.ReplaceAll(prefix, "_", "-")
	name := base
	for n := 2; c.out.Providers[name] != nil; n++ {
		name = base + "-" + strconv.Itoa(n)
	}
	c.named[mark], c.out.Providers[name] = name, a
	return name
}

// place says where the account is and with which credential.
func (c *conversion) place(s, params *section, prefix string, a *account) bool {
	sv := services[prefix]
	a.Config = map[string]any{}
	if sv.preset != "" {
		a.Config["preset"] = sv.preset
	}
	base := params.text("api_base")
	if base == "" {
		base = params.text("base_url")
	}
	params.ignore("base_url")
	key := params.text("api_key")
	if key == "" && sv.variable != "" {
		key = "${env:" + sv.variable + "}"
	}
	switch prefix {
	case "bedrock":
		return c.bedrock(params, a)
	case "vertex_ai", "vertex_ai_beta":
		return c.vertex(params, a)
	case "azure", "azure_text":
		if version := params.text("api_version"); version != "" {
			a.Config["query"] = "api-version=" + version
		}
		if params.has("azure_ad_token") || params.has("tenant_id") || params.has("client_id") || params.has("client_secret") {
			c.lost(params.path, "tokens of Entra ID are not made here", "give the resource an API key, and set it as the credential")
		}
	}
	if base == "" && sv.base {
		c.lost(s.path, "it has no api_base, so that nothing tells where it is", "add api_base and convert again")
		return false
	}
	if base != "" {
		c.base(params, base, a)
	}
	c.headers(params, a)
	if key != "" && key != "none" && key != "None" && key != "EMPTY" {
		a.Credentials = []credential{{Name: "main", Value: key}}
	}
	if len(a.Config) == 0 {
		a.Config = nil
	}
	return true
}

// base sets an address of one's own. Those of private networks have to be
// listed among the hosts.
func (c *conversion) base(params *section, base string, a *account) {
	base = strings.TrimSuffix(base, "/")
	if preset := a.Config["preset"]; preset == "ollama" && !strings.HasSuffix(base, "/v1") {
		base += "/v1" // LiteLLM speaks Ollama's own API
	}
	a.Config["base_url"] = base
	if strings.Contains(base, "${") {
		c.differs(params.at("api_base"), "where it leads is not known before it is read", "if it is on a private network by a name, list the address under the provider's hosts")
		return
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		c.lost(params.at("api_base"), fmt.Sprintf("%q is no URL", base), "write https://host/path")
		delete(a.Config, "base_url")
		return
	}
	if u.Scheme == "http" || a.Adapter != "openai" {
		a.Hosts = []string{u.Host}
	}
}

// headers are those that go with every request.
func (c *conversion) headers(params *section, a *account) {
	all := map[string]string{}
	for _, name := range []string{"extra_headers", "headers"} {
		for k, v := range params.object(name) {
			all[k] = reference(fmt.Sprint(v))
		}
	}
	switch orgs := params.texts("organization"); {
	case len(orgs) > 1:
		c.lost(params.at("organization"), "one account is of one organisation here", "make a provider for each, with the header OpenAI-Organization, and list them all as targets")
	case len(orgs) == 1:
		all["OpenAI-Organization"] = orgs[0]
	}
	if len(all) == 0 {
		return
	}
	if a.Adapter != "openai" && a.Adapter != "anthropic" {
		c.lost(params.at("extra_headers"), "this service's adapter adds no headers of one's own", "have a proxy add them")
		return
	}
	a.Config["headers"] = all
}

func (c *conversion) bedrock(params *section, a *account) bool {
	if region := params.text("aws_region_name"); region != "" {
		a.Config["region"] = region
	} else {
		a.Config["region"] = "${env:AWS_REGION_NAME:-us-east-1}"
	}
	if base := params.text("aws_bedrock_runtime_endpoint"); base != "" {
		a.Config["base_url"] = base
	}
	id, secret, session := params.text("aws_access_key_id"), params.text("aws_secret_access_key"), params.text("aws_session_token")
	for _, name := range []string{"aws_role_name", "aws_session_name", "aws_profile_name", "aws_web_identity_token", "aws_sts_endpoint"} {
		if params.has(name) {
			c.lost(params.at(name), "how a role is assumed is part of the credential here", "write it as plugins/providers/bedrock/README.md shows, under credentials")
		}
	}
	if id == "" {
		id, secret = "${env:AWS_ACCESS_KEY_ID}", "${env:AWS_SECRET_ACCESS_KEY}"
	}
	value := id + ":" + secret
	if session != "" {
		value += ":" + session
	}
	a.Credentials = []credential{{Name: "main", Value: value}}
	return true
}

func (c *conversion) vertex(params *section, a *account) bool {
	a.Config["api"] = "vertex"
	for from, to := range map[string]string{"vertex_project": "project", "vertex_location": "location"} {
		if v := params.text(from); v != "" {
			a.Config[to] = v
		}
	}
	switch file := params.text("vertex_credentials"); {
	case file == "":
		a.Credentials = []credential{{Name: "main", Value: "${file:${env:GOOGLE_APPLICATION_CREDENTIALS}}"}}
		a.Credentials[0].Value = "${env:VERTEX_CREDENTIALS}"
		c.differs(params.path, "the machine's own Google identity is not looked for", "put the service account's JSON, in one line, into VERTEX_CREDENTIALS, or write ${file:/path/to/it.json} as the credential")
	case strings.HasPrefix(strings.TrimSpace(file), "{") || strings.HasPrefix(file, "${"):
		a.Credentials = []credential{{Name: "main", Value: file}}
	default:
		a.Credentials = []credential{{Name: "main", Value: "${file:" + file + "}"}}
	}
	if a.Config["project"] == nil {
		a.Config["project"] = "${env:VERTEXAI_PROJECT}"
	}
	return true
}

func (c *conversion) timeouts(params *section, a *account) {
	stream, streams := params.number("stream_timeout")
	all, any := params.number("timeout")
	switch {
	case streams:
		a.Timeouts = map[string]string{"first_byte": seconds(stream)}
	case any:
		a.Timeouts = map[string]string{"first_byte": seconds(all)}
	}
	if any && streams {
		c.differs(params.at("timeout"), "there is one time until an answer begins, streamed or not", "stream_timeout became timeouts.first_byte; limits.deadline bounds whole requests")
	}
}

func seconds(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) + "s" }

// target is a deployment as one of a model's targets.
func (c *conversion) target(s, params, info *section, name string) target {
	t := target{Model: name, Region: params.text("region_name"), Tags: params.texts("tags")}
	if n, ok := params.number("weight"); ok {
		if t.Weight = int(n); t.Weight < 1 && n > 0 {
			t.Weight = 1
		}
	}
	rpm, ok := params.number("rpm")
	if ok && t.Weight == 0 && c.weighted {
		t.Weight = int(math.Max(1, rpm))
	}
	if n, ok := params.number("order"); ok {
		t.Priority = new(int(n))
	}
	if n, ok := params.number("max_parallel_requests"); ok {
		t.MaxInFlight = int(n)
	}
	info.ignore("id", "mode", "base_model", "db_model", "created_at", "updated_at", "version", "description")
	if info.has("access_groups") {
		c.lost(info.at("access_groups"), "who may use a model is a matter of keys and policy here", "signalbox key create --model …, or docs/policy-authors.md")
	}
	for name := range info.m {
		if strings.HasPrefix(name, "supports_") {
			info.ignore(name) // what a model can do is known, or found out
		}
	}
	return t
}

// limits are those of a deployment.
func (c *conversion) limits(params *section, target string) {
	for name, unit := range map[string]string{"rpm": "requests", "tpm": "tokens"} {
		n, ok := params.number(name)
		if !ok || n < 1 {
			continue
		}
		limit := map[string]any{"scope": "model/" + target, unit: int64(n), "per": "minute"}
		if !slices.ContainsFunc(c.out.Rates, func(r map[string]any) bool { return r["scope"] == limit["scope"] && r[unit] != nil }) {
			c.out.Rates = append(c.out.Rates, limit)
		}
	}
	if n, ok := params.number("max_budget"); ok {
		window, known := windowOf(params.text("budget_duration"))
		if !known {
			c.lost(params.at("budget_duration"), "there is no such window here", "windows are hours, days, weeks, months and total")
			return
		}
		c.out.Budgets = append(c.out.Budgets, map[string]any{"scope": "model/" + target, "usd": n, "window": window})
	}
	params.ignore("budget_duration")
}

// windowOf is a length of time as a window: 30d, 24h, 1mo.
func windowOf(text string) (any, bool) {
	for suffix, unit := range map[string]string{"mo": "month", "d": "day", "h": "hour"} {
		n, err := strconv.Atoi(strings.TrimSuffix(text, suffix))
		if !strings.HasSuffix(text, suffix) || err != nil || n < 1 {
			continue
		}
		switch {
		case unit == "day" && n == 30, unit == "day" && n == 31:
			return "month", true
		case unit == "day" && n == 7:
			return "week", true
		case unit == "hour" && n == 24:
			return "day", true
		case n == 1:
			return unit, true
		}
		return map[string]any{"unit": unit, "size": n}, true
	}
	return "total", text == ""
}

// prices are LiteLLM's dollars for one token by our dollars for a million.
var prices = map[string]string{
	"input_cost_per_token": "input_per_mtok", "output_cost_per_token": "output_per_mtok", "cache_read_input_token_cost": "cache_read_per_mtok",
	"cache_creation_input_token_cost": "cache_write_per_mtok", "output_cost_per_reasoning_token": "reasoning_per_mtok",
	"input_cost_per_audio_token": "audio_input_per_mtok", "output_cost_per_audio_token": "audio_output_per_mtok", "input_cost_per_character": "per_mchar",
}

func (c *conversion) price(params, info *section, target string) {
	p := price{}
	for _, s := range []*section{info, params} {
		for from, to := range prices {
			if n, ok := s.number(from); ok {
				p[to] = round(n * 1e6)
			}
		}
		if n, ok := s.number("input_cost_per_second"); ok {
			p["per_hour"] = round(n * 3600)
		}
		if n, ok := s.number("output_cost_per_image"); ok {
			p["per_image"] = n
		}
	}
	if _, ok := p["input_per_mtok"]; ok && p["output_per_mtok"] == 0 {
		p["output_per_mtok"] = 0
	}
	context, hasContext := info.number("max_input_tokens")
	most, hasMost := info.number("max_output_tokens")
	if n, ok := info.number("max_tokens"); ok && !hasMost {
		most, hasMost = n, true
	}
	if len(p) == 0 {
		return // what the catalogue says of it is better than sizes alone
	}
	if hasContext {
		p["context"] = context
	}
	if hasMost {
		p["max_output"] = most
	}
	c.out.Prices[target] = p
}

// round takes off what dividing by a million has left.
func round(n float64) float64 { return math.Round(n*1e9) / 1e9 }

// added notes the parameters that LiteLLM would add to requests.
func (c *conversion) added(params *section) {
	var names []string
	for _, name := range deployed {
		if params.has(name) {
			names = append(names, name)
		}
	}
	if len(names) > 0 {
		c.lost(params.path+"."+strings.Join(names, ", "), "nothing is added to callers' requests here", "set it where the request is made")
	}
	params.ignore("drop_params", "additional_drop_params", "model", "use_in_pass_through", "merge_reasoning_content_in_choices", "mock_response")
	if params.has("mock_response") {
		c.lost(params.at("mock_response"), "answers are not made up here", "use the demo provider for tests")
	}
}
