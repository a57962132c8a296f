package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// TLS makes an address speak TLS when cert and key are given. The files are
// read again when they change.
type TLS struct {
	Cert string `koanf:"cert"`
	Key  string `koanf:"key"`
	// ClientCA has the authorities that sign callers' certificates.
	ClientCA string `koanf:"client_ca"`
	// ClientAuth says who needs a certificate: "require" (default), everybody;
	// "request", only callers with keys that ask for one.
	ClientAuth string `koanf:"client_auth"`
}

func (t TLS) check(p *problems, path string) {
	switch {
	case (t.Cert == "") != (t.Key == ""):
		p.addf(path, "needs both cert and key, or neither")
	case t.ClientCA != "" && t.Cert == "":
		p.addf(path+".client_ca", "asks for certificates of callers, but not for TLS: give cert and key too")
	case t.ClientAuth != "" && t.ClientCA == "":
		p.addf(path+".client_auth", "asks for certificates of callers, but nobody signs them: give client_ca")
	}
	if t.ClientAuth != "" {
		checkOneOf(p, path+".client_auth", t.ClientAuth, "require", "request")
	}
}

// AdminToken is a token of the admin API that is written in the configuration.
type AdminToken struct {
	Name  string `koanf:"name"`
	Value Secret `koanf:"value"`
	Role  string `koanf:"role"`
}

// AdminOIDC lets those in whom an issuer vouches for.
type AdminOIDC struct {
	Issuer string `koanf:"issuer"` // one of oidc, "": nobody comes in so
	// Audience of their tokens, none: that of the issuer.
	Audience Texts `koanf:"audience"`
	// Claim holds their groups, default: what the issuer's claims.roles names.
	Claim string `koanf:"claim"`
	// Roles are the roles of groups.
	Roles map[string]string `koanf:"roles"`
}

// Issuer is an OpenID Connect issuer whose tokens callers may show in place of a key.
type Issuer struct {
	URL      string `koanf:"issuer"`
	Audience Texts  `koanf:"audience"`
	JWKS     string `koanf:"jwks_url"` // "": as its discovery document says
	// Claims say where user, org, project, team, env, roles and attrs.<name> come from.
	Claims  map[string]string `koanf:"claims"`
	Require map[string]string `koanf:"require"` // values that claims must have
	Header  string            `koanf:"header"`  // that tokens come in, "": Authorization
	Leeway  time.Duration     `koanf:"leeway"`
	Refresh time.Duration     `koanf:"refresh"` // of its keys
	Stale   time.Duration     `koanf:"stale"`   // for how long keys count that cannot be refreshed
}

// Texts is a list of texts; a single one may stand without brackets.
type Texts []string

func (t *Texts) read(v any) error {
	if one, ok := v.(string); ok {
		*t = Texts{one}
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		return errors.New("must be a text or a list of texts")
	}
	for _, e := range list {
		s, ok := e.(string)
		if !ok {
			return errors.New("must be a text or a list of texts")
		}
		*t = append(*t, s)
	}
	return nil
}

// adminRoles are the roles of the admin API.
var adminRoles = []string{"viewer", "policy_author", "operator", "owner"}

// principalFields are what claims may fill, beside attrs.<name>.
var principalFields = []string{"user", "org", "project", "team", "env", "roles"}

func (c *Config) checkIdentity(p *problems) {
	c.Listen.TLS.check(p, "listen.tls")
	c.Admin.TLS.check(p, "admin.tls")
	if _, err := call.ParseRanges(c.Listen.TrustedProxies); err != nil {
		p.addf("listen.trusted_proxies", "%v", err)
	}
	if c.Listen.Forwarded != "" {
		checkOneOf(p, "listen.forwarded", c.Listen.Forwarded, "x-forwarded-for", "forwarded")
	}
	byURL := map[string]string{}
	for _, name := range sortedKeys(c.OIDC) {
		i := c.OIDC[name]
		i.check(p, join("oidc", name), name)
		if other, ok := byURL[i.URL]; ok {
			p.addf(join("oidc", name)+".issuer", "is the same as that of %q: list both audiences there", other)
		}
		byURL[i.URL] = name
	}
	c.checkAdmins(p)
}

func (i Issuer) check(p *problems, path, name string) {
	if !providerName.MatchString(name) {
		p.addf(path, "an issuer's name has lower-case letters, digits, '.', '_' and '-', at most 64")
	}
	if err := call.SecureURL(i.URL); err != nil {
		p.addf(path+".issuer", "%v", err)
	}
	if i.JWKS != "" {
		if err := call.SecureURL(i.JWKS); err != nil {
			p.addf(path+".jwks_url", "%v", err)
		}
	}
	if len(i.Audience) == 0 {
		p.addf(path+".audience", "is missing: tokens that the issuer made for others would count")
	}
	for _, field := range sortedKeys(i.Claims) {
		attr, isAttr := strings.CutPrefix(field, "attrs.")
		if !slices.Contains(principalFields, field) && !(isAttr && aliasName.MatchString(attr)) {
			p.addf(join(path+".claims", field), "there is no %q: give %s or attrs.<name>", field, strings.Join(principalFields, ", "))
		}
	}
	if i.Header != "" && (!plainName.MatchString(i.Header) || strings.EqualFold(i.Header, "authorization")) {
		p.addf(path+".header", "%q is not the name of another header, such as x-id-token", i.Header)
	}
	if i.Leeway > 10*time.Minute {
		p.addf(path+".leeway", "is %s: give at most 10m, and mind the clocks", i.Leeway)
	}
}

func (c *Config) checkAdmins(p *problems) {
	names := map[string]bool{"root": true}
	for i, t := range c.Admin.Tokens {
		path := fmt.Sprintf("admin.tokens[%d]", i)
		if !aliasName.MatchString(t.Name) || names[t.Name] {
			p.addf(path+".name", "is %q: give each token a name of its own, of letters, digits, '.', '_', ':' and '-'; root is that of admin.token", t.Name)
		}
		names[t.Name] = true
		checkSecret(p, path+".value", t.Value, maxKeyLen)
		if n := len(t.Value); n > 0 && n < shortestToken {
			p.addf(path+".value", "has %d characters: give at least %d, random ones", n, shortestToken)
		}
		checkOneOf(p, path+".role", t.Role, adminRoles...)
	}
	for i, h := range c.Admin.Hosts {
		checkHost(p, fmt.Sprintf("admin.hosts[%d]", i), h)
	}
	o := c.Admin.OIDC
	if o.Issuer == "" {
		return
	}
	issuer, ok := c.OIDC[o.Issuer]
	if !ok {
		p.addf("admin.oidc.issuer", "there is no issuer %q%s: define it under oidc", o.Issuer, didYouMean(o.Issuer, sortedKeys(c.OIDC)))
	}
	if o.Claim == "" && issuer.Claims["roles"] == "" {
		p.addf("admin.oidc.claim", "is missing: name the claim that holds the groups of administrators")
	}
	if len(o.Roles) == 0 {
		p.addf("admin.oidc.roles", "is missing: say which role a group has, as in {platform-team: operator}")
	}
	for _, group := range sortedKeys(o.Roles) {
		checkOneOf(p, join("admin.oidc.roles", group), o.Roles[group], adminRoles...)
	}
}
