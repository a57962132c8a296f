package call

import (
	"time"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// NotTaken is what the caller is told of a target that takes no request at
// nowMS, where there is no other: that it is full, that the provider limits the
// rate, or that it is left alone since it failed.
func NotTaken(t *Target, nowMS int64) *wire.Error {
	rest := time.Duration(t.Resting(nowMS)) * time.Millisecond
	var e *wire.Error
	switch {
	case t.Provider != nil && t.Provider.Down():
		e = wire.Errorf(503, "provider_down", "the adapter of provider %q has crashed too often and rests: try again later", t.Provider.Name)
		e.Class = wire.ClassNetwork
	case t.Circuit(nowMS) != CircuitClosed:
		e = wire.Errorf(503, "provider_resting", "%s has failed too often and is left alone for now: try again later", t.Name)
		e.Class = wire.ClassOverloaded
	case t.Provider.refused(nowMS):
		e = wire.Errorf(502, "provider_credentials", "provider %q has refused all its credentials: the operator must renew them", t.Provider.Name)
		e.Class = wire.ClassAuth
	case t.Provider.unready(nowMS):
		e = wire.Errorf(503, "provider_token", "provider %q has no token for now: its adapter could not make one of the credential, the gateway's log says why", t.Provider.Name)
		e.Class = wire.ClassNetwork
	case rest > 0:
		e = wire.Errorf(429, "provider_rate_limited", "provider %q takes no more requests to %s for now: try again later", providerName(t), t.Name)
		e.Class = wire.ClassRateLimit
	default:
		e = wire.Errorf(429, "saturated", "%s has as many requests as it may have: try again later", t.Name)
		e.Class = wire.ClassOverloaded
	}
	e.RetryAfter = max(rest, time.Second)
	return e
}

// refused reports whether p has credentials and refuses them all.
func (p *Provider) refused(nowMS int64) bool {
	return p.every(func(c *Credential) bool { return c.BenchedUntil.Load() > nowMS })
}

// unready reports whether p has credentials, of none of which there is a token.
func (p *Provider) unready(nowMS int64) bool {
	return p.every(func(c *Credential) bool { return !c.Ready(nowMS) })
}

func (p *Provider) every(is func(*Credential) bool) bool {
	if p == nil || len(p.Credentials) == 0 {
		return false
	}
	for _, c := range p.Credentials {
		if !is(c) {
			return false
		}
	}
	return true
}

func providerName(t *Target) string {
	if t.Provider == nil {
		return ""
	}
	return t.Provider.Name
}
