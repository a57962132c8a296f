package admin

import (
	"context"
	"net/http"
	"strings"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Role is what someone may do through the admin API. Each may do what those
// before it may, but for policy authors: they change policy and nothing else.
type Role uint8

// The roles.
const (
	Nobody       Role = iota
	Viewer            // sees everything but secrets
	PolicyAuthor      // changes policy too
	Operator          // runs the gateway: adapters, modules, reloads
	Owner             // also makes keys, limits, credentials and administrators
)

var roles = [...]string{"nobody", "viewer", "policy_author", "operator", "owner"}

// String returns the role's name.
func (r Role) String() string { return roles[r] }

// ParseRole reads a role's name.
func ParseRole(s string) (Role, bool) {
	for i, name := range roles {
		if name == s && i > 0 {
			return Role(i), true
		}
	}
	return Nobody, false
}

// may reports whether someone of role r may do what need is asked for.
func (r Role) may(need Role) bool {
	return r >= need && (need != PolicyAuthor || r == PolicyAuthor || r == Owner)
}

// Identity is who asks something of the admin API.
type Identity struct {
	Name string // "root" for who has the admin token; loggable
	Role Role
}

type identityKey struct{}

// Who is asking, in the context of an admin request.
func Who(ctx context.Context) Identity {
	id, _ := ctx.Value(identityKey{}).(Identity)
	return id
}

// route is what serves a path, and who may ask for it.
type route struct {
	need  Role
	serve handler
	raw   http.HandlerFunc // in place of serve, of what does not answer with one JSON value
}

func viewers(h handler) route   { return route{need: Viewer, serve: h} }
func authors(h handler) route   { return route{need: PolicyAuthor, serve: h} }
func operators(h handler) route { return route{need: Operator, serve: h} }
func owners(h handler) route    { return route{need: Owner, serve: h} }

// allow refuses those whose role is too low.
func allow(need Role, next http.HandlerFunc, s *Server) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if who := Who(r.Context()); !who.Role.may(need) {
			s.fail(w, wire.Errorf(http.StatusForbidden, "role_required", "%s is %s: %s %s takes the role %s", who.Name, who.Role, r.Method, strings.TrimSuffix(r.URL.Path, "/"), need))
			return
		}
		next(w, r)
	}
}
