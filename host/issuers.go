package host

import (
	"maps"
	"reflect"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/jwt"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// openIssuers takes the issuers of cfg into use, in place of those of old. What
// has not changed goes on with the keys that it has.
func (h *Host) openIssuers(old, cfg *config.Config) {
	if old != nil && reflect.DeepEqual(old.OIDC, cfg.OIDC) && reflect.DeepEqual(old.Admin.OIDC, cfg.Admin.OIDC) {
		return
	}
	var callers, admins []jwt.Issuer
	for _, name := range sortedNames(cfg.OIDC) {
		callers = append(callers, issuerOf(name, cfg.OIDC[name]))
	}
	if o := cfg.Admin.OIDC; o.Issuer != "" {
		i := issuerOf(o.Issuer, cfg.OIDC[o.Issuer])
		if i.Header = ""; len(o.Audience) > 0 {
			i.Audience = o.Audience
		}
		if o.Claim != "" {
			i.Claims = maps.Clone(i.Claims)
			i.Claims["roles"] = o.Claim
		}
		admins = append(admins, i)
	}
	h.useIssuers(callers, h.admitToken, func(v *jwt.Verifier) *jwt.Verifier { return h.issuers.Swap(v) })
	h.useIssuers(admins, nil, func(v *jwt.Verifier) *jwt.Verifier { return h.logins.Swap(v) })
}

func issuerOf(name string, i config.Issuer) jwt.Issuer {
	claims := i.Claims
	if len(claims) == 0 {
		claims = map[string]string{"user": "sub"}
	}
	return jwt.Issuer{Name: name, URL: i.URL, Audience: i.Audience, JWKS: i.JWKS, Claims: claims, Require: i.Require, Header: i.Header,
		Leeway: i.Leeway, Refresh: i.Refresh, Stale: i.Stale}
}

type admits = func(*call.Principal) (*call.Principal, *wire.Error)

func (h *Host) useIssuers(list []jwt.Issuer, admit admits, swap func(*jwt.Verifier) *jwt.Verifier) {
	var v *jwt.Verifier
	if len(list) > 0 {
		var err error
		if v, err = jwt.New(jwt.Options{Issuers: list, Admit: admit, Log: h.log}); err != nil {
			panic("BUG: issuers that were checked are refused; got " + err.Error())
		}
		v.Start()
	}
	if was := swap(v); was != nil {
		was.Stop()
	}
}

// closeIssuers ends what openIssuers began.
func (h *Host) closeIssuers() {
	h.useIssuers(nil, nil, func(v *jwt.Verifier) *jwt.Verifier { return h.issuers.Swap(v) })
	h.useIssuers(nil, nil, func(v *jwt.Verifier) *jwt.Verifier { return h.logins.Swap(v) })
}

// admitToken completes a principal of a token.
func (h *Host) admitToken(p *call.Principal) (*call.Principal, *wire.Error) {
	settled, refused := h.settleToken(p)
	if refused != nil {
		return nil, refused
	}
	if err := h.limit(h.held.Load(), settled); err != nil {
		h.log.Error("the limits of a token cannot be held", "principal", p.KeyName, "err", err)
		return nil, wire.Errorf(503, "limits_unavailable", "the limits that hold for the token cannot be applied: try again later")
	}
	return settled, nil
}

// settleToken is a copy of p as the directory completes it. Users of tokens need
// not be in the directory, since the issuer keeps them; one that is there and
// disabled is refused like every other entry.
func (h *Host) settleToken(p *call.Principal) (*call.Principal, *wire.Error) {
	dir, asked := h.directory.Load(), new(*p)
	if dir.Get("user", p.User) == nil && dir.Get("service", p.User) == nil {
		asked.User = ""
	}
	settled, err := dir.Settle(asked)
	if err != nil {
		e := wire.Errorf(403, "token_disabled", "the token is refused: %s", h.unsettled(err))
		e.Class = wire.ClassPolicy
		return nil, e
	}
	settled.User = p.User
	return settled, nil
}
