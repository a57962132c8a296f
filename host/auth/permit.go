package auth

import (
	"strings"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Permit reports whether c is within the scope of its principal, as far as can
// be told before its model is known: operation, address, certificate. It does
// not allocate unless it refuses.
func Permit(c *call.Call) *wire.Error {
	p := c.Principal
	s := p.Scope
	switch {
	case s == nil:
		return nil
	case !s.HasAddr(c.Remote):
		return refuse("key_not_from_here", "key %q may not be used from %s: send the request from one of its networks, or have the operator add yours with signalbox key update --from", p.KeyName, address(c))
	case len(s.Certificates) > 0 && (c.Peer == nil || !c.Peer.Certified(s.Certificates)):
		return refuse("key_not_from_here", "key %q may be used with a client certificate alone, one for %s: connect with that", p.KeyName, strings.Join(s.Certificates, " or "))
	case c.Op != wire.OpNone && !s.HasOp(c.Op):
		return refuse("key_not_for_operation", "key %q may not be used for %s but for %s: use another key, or have the operator add it with signalbox key update --operation", p.KeyName, c.Op, strings.Join(s.Operations, ", "))
	case s.ReadOnly && c.Op != wire.OpNone && c.Method != "GET":
		return refuse("key_not_for_operation", "key %q only reads: it may be used for GET requests alone", p.KeyName)
	}
	return nil
}

// PermitModel reports whether p may ask for the model called name.
func PermitModel(p *call.Principal, name string) *wire.Error {
	if p.Scope == nil || p.Scope.HasModel(name) {
		return nil
	}
	e := refuse("key_not_for_model", "key %q may not be used for model %q but for %s: ask for one of those, or have the operator add it with signalbox key update --model", p.KeyName, name, strings.Join(p.Scope.Models, ", "))
	e.Param = "model"
	return e
}

func refuse(code, format string, args ...any) *wire.Error {
	e := wire.Errorf(403, code, format, args...)
	e.Class = wire.ClassPolicy
	return e
}

func address(c *call.Call) string {
	if !c.Remote.IsValid() {
		return "an unknown address"
	}
	return c.Remote.String()
}
