package config

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

const (
	maxAttempts   = 20
	maxTags       = 64 // a target's tags travel as one word of bits
	maxSecret     = 16 << 10
	maxKeyLen     = 512 // of a virtual key, as the server accepts
	shortestToken = 16
)

var (
	providerName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)
	aliasName    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$`)
	hostName     = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`)
)

// validate checks what the types alone do not say. It is flat on purpose: one
// look at it shows every rule.
func (c *Config) validate() error {
	p := &problems{}
	c.checkListen(p)
	c.checkStore(p)
	c.checkShared(p)
	c.Policy.check(p)
	c.checkLimits(p)
	c.checkSecrets(p)
	c.checkAudit(p)
	c.checkLedger(p)
	c.checkAlerts(p)
	for _, name := range sortedKeys(c.Providers) {
		checkProvider(p, join("providers", name), name, c.Providers[name])
	}
	if len(c.Providers) == 0 {
		p.addf("providers", "there is none: add one such as providers: {demo: {adapter: demo}}")
	}
	for i, name := range c.PassThrough {
		if _, ok := c.Providers[name]; !ok {
			p.addf(fmt.Sprintf("pass_through[%d]", i), "there is no provider %q: name one of providers", name)
		}
	}
	c.checkModels(p)
	c.checkRoutes(p)
	c.checkFilters(p)
	c.checkRules(p)
	c.checkResilience(p)
	c.checkPlayground(p)
	c.checkObjectives(p)
	c.checkPrices(p)
	c.checkKeys(p)
	c.checkCounters(p)
	c.checkIdentity(p)
	c.checkMCP(p)
	c.checkShare(p)
	c.checkBatches(p)
	c.checkCache(p)
	c.checkTelemetry(p)
	return p.err(c.File)
}

func (c *Config) checkListen(p *problems) {
	checkAddr(p, "listen.data", c.Listen.Data)
	checkAddr(p, "listen.admin", c.Listen.Admin)
	if c.Listen.Data == c.Listen.Admin && !strings.HasSuffix(c.Listen.Data, ":0") {
		p.addf("listen.admin", "is the same as listen.data: give it a port of its own")
	}
	if host, _, err := net.SplitHostPort(c.Listen.Admin); err == nil && c.Admin.TLS.Cert == "" {
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			c.Warnings = append(c.Warnings, fmt.Sprintf("listen.admin %s is reachable from other machines: its token travels unencrypted: give admin.tls", c.Listen.Admin))
		}
	}
	switch token := c.Admin.Token.Reveal(); {
	case token == "":
	case !printable(token):
		p.addf("admin.token", "holds spaces, control or non-ASCII characters: it travels as a header")
	case len(token) < shortestToken:
		c.Warnings = append(c.Warnings, fmt.Sprintf("admin.token is shorter than %d characters: it can be guessed", shortestToken))
	}
}

func checkAddr(p *problems, path, addr string) {
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		p.addf(path, "%q is not an address and port: write it as 127.0.0.1:8080", addr)
	}
}

func (c *Config) checkLimits(p *problems) {
	l := c.Limits
	if l.Attempts < 1 || l.Attempts > maxAttempts {
		p.addf("limits.attempts", "is %d: give 1 to %d", l.Attempts, maxAttempts)
	}
	if l.Deadline < time.Second {
		p.addf("limits.deadline", "is %s: give at least 1s", l.Deadline)
	}
	if l.MaxBody < 1<<10 || l.MaxBody > 1<<30 {
		p.addf("limits.max_body", "is %d bytes: give 1KiB to 1GiB", l.MaxBody)
	}
	if l.MaxUpload < 1<<10 || l.MaxUpload > 16<<30 {
		p.addf("limits.max_upload", "is %d bytes: give 1KiB to 16GiB", l.MaxUpload)
	}
	checkOneOf(p, "log.level", c.Log.Level, "debug", "info", "warn", "error")
	checkOneOf(p, "log.format", c.Log.Format, "text", "json")
	checkOneOf(p, "budget.unpriced", c.Budget.Unpriced, "refuse", "allow")
}

func checkOneOf(p *problems, path, v string, allowed ...string) {
	if !contains(allowed, v) {
		p.addf(path, "is %q: give one of %s", v, strings.Join(allowed, ", "))
	}
}

func checkProvider(p *problems, path, name string, v Provider) {
	if !providerName.MatchString(name) {
		p.addf(path, "a provider's name has lower-case letters, digits, '.', '_' and '-', at most 64")
	}
	if name == "pipeline" || name == "mcp" {
		p.addf(path, "is what the names of pipelines and tools begin with: choose another")
	}
	a := v.Adapter
	switch {
	case a.Name == "" && a.Path == "":
		p.addf(path+".adapter", "is missing: name an adapter (demo, openai, anthropic) or give {path: …, sha256: …}")
	case a.Name != "" && a.Path != "":
		p.addf(path+".adapter", "has both name and path: keep one")
	case a.Name != "" && !providerName.MatchString(a.Name), a.Version != "" && !aliasName.MatchString(a.Version):
		p.addf(path+".adapter", "%q is not the name of an adapter: for a program elsewhere write {path: …, sha256: …}", a.Name)
	}
	checkSHA256(p, path+".adapter.sha256", a.SHA256)
	v.Isolation.check(p, path+".isolation")
	for i, h := range v.Hosts {
		checkHost(p, fmt.Sprintf("%s.hosts[%d]", path, i), h)
	}
	seen := map[string]bool{}
	for i, cr := range v.Credentials {
		at := fmt.Sprintf("%s.credentials[%d]", path, i)
		switch {
		case cr.Name == "":
			p.addf(at+".name", "is missing: any name will do, such as main")
		case seen[cr.Name]:
			p.addf(at+".name", "%q is used twice: give each credential its own name", cr.Name)
		}
		seen[cr.Name] = true
		if cr.Share() > maxWeight {
			p.addf(at+".weight", "is %d: give 0 to %d", cr.Share(), maxWeight)
		}
		if one, ok := CredentialText(cr.Value.Reveal()); ok {
			v.Credentials[i].Value = Secret(one)
			continue
		}
		checkSecret(p, at+".value", cr.Value, maxSecret)
	}
}

// maxWeight keeps sums of weights small.
const maxWeight = 1000

// CredentialText reports whether text may be a credential, and returns it in
// the form that travels: JSON, which the keys of service accounts are written
// in, in one line.
func CredentialText(text string) (one string, ok bool) {
	var b bytes.Buffer
	if strings.HasPrefix(strings.TrimSpace(text), "{") && len(text) <= maxSecret && json.Compact(&b, []byte(text)) == nil {
		// A character beyond ASCII has another way to be written in JSON.
		return b.String(), !strings.ContainsFunc(b.String(), func(r rune) bool { return r < ' ' || r > '~' })
	}
	return text, text != "" && len(text) <= maxSecret && printable(text)
}

func checkSecret(p *problems, path string, s Secret, longest int) {
	switch {
	case s == "":
		p.addf(path, "is empty: write \"${env:NAME}\" or \"${file:path}\"")
	case len(s) > longest:
		p.addf(path, "is longer than %d bytes: is it the right one?", longest)
	case !printable(s.Reveal()):
		p.addf(path, "holds spaces, control or non-ASCII characters: it travels as a header")
	}
}

func printable(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}

func checkSHA256(p *problems, path, s string) {
	if b, err := hex.DecodeString(s); err != nil || len(b) != 0 && len(b) != 32 {
		p.addf(path, "is not a SHA-256: give the 64 hexadecimal digits that sha256sum prints")
	}
}

func checkHost(p *problems, path, h string) {
	host, port := h, ""
	if at := strings.LastIndexByte(h, ':'); at >= 0 && (strings.HasPrefix(h, "[") || strings.Count(h, ":") == 1) {
		host, port = h[:at], h[at+1:]
		if strings.HasSuffix(h, "]") {
			host, port = h, ""
		}
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	if _, err := strconv.ParseUint(port, 10, 16); err != nil && port != "" || ip == nil && !hostName.MatchString(host) {
		p.addf(path, "%q is not a host name: write it as api.example.com, with :port if it is not the usual one", h)
	}
}

func (c *Config) checkModels(p *problems) {
	tags := map[string]bool{}
	for _, name := range sortedKeys(c.Models) {
		path, m := join("models", name), c.Models[name]
		if !aliasName.MatchString(name) {
			p.addf(path, "an alias has letters, digits, '.', '_', ':' and '-', at most 128; a name with '/' is always provider/model")
		}
		if n := len(m.Targets); n == 0 || n > call.MaxCandidates {
			p.addf(path+".targets", "has %d targets: give 1 to %d", n, call.MaxCandidates)
		}
		if _, ok := c.Routes[m.Route]; !ok && m.Route != "" {
			p.addf(path+".route", "there is no route %q%s: define it under routes", m.Route, didYouMean(m.Route, sortedKeys(c.Routes)))
		}
		seen := map[string]bool{}
		for i, t := range m.Targets {
			at := fmt.Sprintf("%s.targets[%d]", path, i)
			c.checkTarget(p, at, t)
			if seen[t.Model] {
				p.addf(at+".model", "%q is listed twice: raise its weight instead", t.Model)
			}
			seen[t.Model] = true
			for _, tag := range t.Tags {
				tags[tag] = true
			}
		}
	}
	if len(tags) > maxTags {
		p.addf("models", "use %d different tags: at most %d are told apart", len(tags), maxTags)
	}
}

func (c *Config) checkTarget(p *problems, path string, t Target) {
	provider, model := t.Split()
	_, known := c.Providers[provider]
	switch {
	case provider == "" || model == "":
		p.addf(path+".model", "%q is not provider/model", t.Model)
	case !printable(t.Model) || strings.ContainsAny(t.Model, `"\`):
		p.addf(path+".model", "%q holds characters that no model name has", t.Model)
	case !known:
		p.addf(path+".model", "there is no provider %q%s: define it under providers", provider, didYouMean(provider, sortedKeys(c.Providers)))
	}
	if !(t.Quality >= 0 && t.Quality <= 1) {
		p.addf(path+".quality", "is %v: give 0 to 1", t.Quality)
	}
}

func (c *Config) checkRoutes(p *problems) {
	for _, name := range sortedKeys(c.Routes) {
		path, r := join("routes", name), c.Routes[name]
		checkModule(p, path, r.Module, "builtin:priority")
		if r.OnError != "" {
			checkOneOf(p, path+".on_error", r.OnError, "builtin", "refuse")
		}
		checkSHA256(p, path+".sha256", r.SHA256)
	}
}

func (c *Config) checkPrices(p *problems) {
	for _, name := range sortedKeys(c.Prices) {
		path, v := join("prices", name), c.Prices[name]
		if provider, model, _ := strings.Cut(name, "/"); provider == "" || model == "" {
			p.addf(path, "a price is for provider/model, or for provider/* as a whole")
		}
		given := func(usd *USD) bool { return usd != nil }
		onlyOthers := !slices.ContainsFunc(v.ofTokens(), given) && slices.ContainsFunc(v.others(), given)
		if (v.Input == nil || v.Output == nil) && !onlyOthers {
			p.addf(path, "needs input_per_mtok and output_per_mtok: write 0 for what is free")
		}
		for i, usd := range append(v.ofTokens(), v.others()...) {
			if usd != nil && *usd > call.MaxPrice {
				names := fieldsOf(reflect.TypeFor[Price]()).names
				p.addf(path+"."+names[i], "is more than %s dollars per million tokens: is it per thousand or per token?", USD(call.MaxPrice))
			}
		}
		if v.Context < 0 || v.MaxOutput < 0 {
			p.addf(path, "context and max_output are numbers of tokens, 0 or more")
		}
	}
}

func (c *Config) checkKeys(p *problems) {
	names, values := map[string]bool{}, map[Secret]string{}
	for i, k := range c.Keys {
		path := fmt.Sprintf("keys[%d]", i)
		switch {
		case !aliasName.MatchString(k.Name):
			p.addf(path+".name", "is %q: give letters, digits, '.', '_', ':' and '-', at most 128", k.Name)
		case names[k.Name]:
			p.addf(path+".name", "%q is used twice: give each key its own name", k.Name)
		}
		names[k.Name] = true
		checkSecret(p, path+".value", k.Value, maxKeyLen)
		if other, ok := values[k.Value]; ok && k.Value != "" {
			p.addf(path+".value", "is the same as that of key %q: each key needs its own", other)
		}
		values[k.Value] = k.Name
		if err := c.Keys[i].Scope.Check(); err != nil {
			p.addf(path+".scope", "%v", err)
		}
	}
}
