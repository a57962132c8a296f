package config

import (
	"fmt"
	"strings"
	"testing"
)

const identity = `
listen: {trusted_proxies: [10.0.0.0/8, "::1"], forwarded: forwarded, tls: {cert: c.pem, key: k.pem, client_ca: ca.pem, client_auth: request}}
admin:
  tokens: [{name: ci, value: 0123456789abcdef, role: operator}]
  oidc: {issuer: corp, claim: groups, roles: {platform: owner}}
  tls: {cert: c.pem, key: k.pem}
  hosts: [gateway.internal]
oidc:
  corp:
    issuer: https://login.example.com
    audience: gateway
    claims: {user: sub, team: department, attrs.region: "https://corp/region"}
    require: {mfa: "true"}
keys:
  - {name: web, value: sb-web-key, scope: {models: ["openai/*"], from: [10.1.0.0/16], operations: [chat]}}
  - {name: any, value: sb-any-key}
providers: {demo: {adapter: demo}}
`

func TestIdentity(t *testing.T) {
	c := mustLoad(t, identity)
	if i := c.OIDC["corp"]; i.URL != "https://login.example.com" || len(i.Audience) != 1 || i.Claims["attrs.region"] != "https://corp/region" {
		t.Errorf("got %+v", i)
	}
	if p := c.Keys[0].Principal(); p.Scope == nil || !p.Scope.HasModel("openai/x") || p.Scope.HasModel("x") {
		t.Errorf("got %+v", p.Scope)
	}
	if p := c.Keys[1].Principal(); p.Scope != nil {
		t.Errorf("got %+v; want none", p.Scope)
	}
	if text := fmt.Sprintf("%+v %#v", c.Admin, c.Admin.Tokens); strings.Contains(text, "0123456789abcdef") {
		t.Errorf("a token is printed: %s", text)
	}
}

func TestIdentityProblems(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		_, err := loadText(text + "\nproviders: {demo: {adapter: demo}}")
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%s:\n got %v\nwant %s", text, err, w)
			}
		}
	}
	f(`listen: {trusted_proxies: [10.0.0.1/8]}`, `listen.trusted_proxies: "10.0.0.1/8" has bits set beyond its length: write 10.0.0.0/8`)
	f(`listen: {trusted_proxies: [lb.internal]}`, `is not an address or CIDR`)
	f(`listen: {forwarded: x-real-ip}`, `listen.forwarded: is "x-real-ip": give one of x-forwarded-for, forwarded`)
	f(`listen: {tls: {client_ca: ca.pem}}`, `listen.tls.client_ca: asks for certificates of callers, but not for TLS`)
	f(`listen: {tls: {cert: c, key: k, client_auth: require}}`, `listen.tls.client_auth`, `give client_ca`)
	f(`admin: {tls: {cert: c}}`, `admin.tls: needs both cert and key`)
	f(`admin: {tokens: [{name: root, value: 0123456789abcdef, role: boss}]}`, `admin.tokens[0].name: is "root"`, `admin.tokens[0].role: is "boss": give one of viewer`)
	f(`admin: {tokens: [{name: a, value: short, role: viewer}]}`, `admin.tokens[0].value: has 5 characters`)
	f(`admin: {oidc: {issuer: corp}}`, `admin.oidc.issuer: there is no issuer "corp"`, `admin.oidc.claim: is missing`, `admin.oidc.roles: is missing`)
	f(`admin: {oidc: {issuer: corp, roles: {x: boss}}}`, `admin.oidc.roles.x: is "boss"`)
	f(`oidc: {Corp: {issuer: "http://login.example.com"}}`, `oidc.Corp: an issuer's name`, `oidc.Corp.issuer`, `must begin with https://`, `oidc.Corp.audience: is missing`)
	f(`oidc: {a: {issuer: "https://x.example.com", audience: g}, b: {issuer: "https://x.example.com", audience: h}}`, `oidc.b.issuer: is the same as that of "a"`)
	f(`oidc: {a: {issuer: "https://x.example.com", audience: g, claims: {usr: sub}, header: Authorization, leeway: 1h, jwks_url: "ftp://x"}}`,
		`oidc.a.claims.usr: there is no "usr"`, `oidc.a.header`, `oidc.a.leeway: is 1h`, `oidc.a.jwks_url`)
	f(`oidc: {a: {issuer: "https://x.example.com", audience: 5}}`, `oidc.a.audience: must be a text or a list`)
	f(`keys: [{name: a, value: bcdefgh, scope: {operations: [chta]}}]`, `keys[0].scope: operations: there is no operation "chta"`)
	f(`keys: [{name: a, value: bcdefgh, scope: {modles: [x]}}]`, `did you mean "models"?`)
}
