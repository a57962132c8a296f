package admin

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Admins keeps administrators, with errors like those of Keys.
type Admins interface {
	ListAdmins(context.Context) ([]Admin, error)
	// IssueAdmin makes an administrator, or a new token for one.
	IssueAdmin(context.Context, NewAdmin) (Created, error)
	RevokeAdmin(ctx context.Context, name string) error
}

// Admin is an administrator without its token.
type Admin struct {
	Name          string    `json:"name"`
	Role          string    `json:"role"`
	Source        string    `json:"source"` // "store", "config"
	ID            string    `json:"id,omitempty"`
	Created       time.Time `json:"created,omitzero"`
	Expires       time.Time `json:"expires,omitzero"`
	PreviousUntil time.Time `json:"previous_until,omitzero"`
	Used          time.Time `json:"used,omitzero"` // on this node, since it started
}

// NewAdmin is an administrator to be made.
type NewAdmin struct {
	Name    string
	Role    Role
	Expires time.Time // zero: never
	// Rotate: it is there, and gets a new token; the one before counts for Overlap.
	Rotate  bool
	Overlap time.Duration
}

func (s *Server) adminRoutes(guarded map[string]route) {
	guarded["GET /admin/whoami"] = viewers(s.whoami)
	if s.opt.Admins == nil {
		return
	}
	guarded["GET /admin/admins"] = viewers(s.listAdmins)
	guarded["POST /admin/admins"] = owners(s.createAdmin)
	guarded["POST /admin/admins/{name}/rotate"] = owners(s.rotateAdmin)
	guarded["DELETE /admin/admins/{name}"] = owners(s.revokeAdmin)
}

func (s *Server) whoami(_ http.ResponseWriter, r *http.Request) (any, error) {
	who := Who(r.Context())
	return map[string]string{"name": who.Name, "role": who.Role.String()}, nil
}

func (s *Server) listAdmins(_ http.ResponseWriter, r *http.Request) (any, error) {
	list, err := s.opt.Admins.ListAdmins(r.Context())
	return map[string]any{"admins": append([]Admin{}, list...)}, err
}

func (s *Server) createAdmin(_ http.ResponseWriter, r *http.Request) (any, error) {
	var q struct {
		Name    string    `json:"name"`
		Role    string    `json:"role"`
		Expires time.Time `json:"expires"`
	}
	if err := strict(r.Body, &q); err != nil {
		return nil, invalid("cannot read the body: %v", err)
	}
	role, ok := ParseRole(q.Role)
	switch {
	case !ok:
		return nil, invalid("role is %q: give one of %s", q.Role, strings.Join(roles[1:], ", "))
	case !keyName.MatchString(q.Name) || q.Name == "root":
		return nil, invalid("name is %q: give letters, digits, '.', '_', ':', '@' and '-', at most 128; root is whoever has admin.token", q.Name)
	case !q.Expires.IsZero() && q.Expires.Before(time.Now()):
		return nil, invalid("expires is in the past: %s", q.Expires.Format(time.RFC3339))
	}
	return s.opt.Admins.IssueAdmin(r.Context(), NewAdmin{Name: q.Name, Role: role, Expires: q.Expires})
}

func (s *Server) rotateAdmin(_ http.ResponseWriter, r *http.Request) (any, error) {
	var q struct {
		Overlap string `json:"overlap"`
	}
	if err := strict(r.Body, &q); err != nil {
		return nil, invalid("cannot read the body: %v", err)
	}
	overlap, err := overlapOf(q.Overlap, 0)
	if err != nil {
		return nil, err
	}
	return s.opt.Admins.IssueAdmin(r.Context(), NewAdmin{Name: r.PathValue("name"), Rotate: true, Overlap: overlap})
}

func (s *Server) revokeAdmin(_ http.ResponseWriter, r *http.Request) (any, error) {
	name := r.PathValue("name")
	if err := s.opt.Admins.RevokeAdmin(r.Context(), name); err != nil {
		return nil, err
	}
	return map[string]string{"revoked": name}, nil
}

// overlapOf reads for how long two secrets count.
func overlapOf(text string, usual time.Duration) (time.Duration, error) {
	if text == "" {
		return usual, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > maxKeyOverlap {
		return 0, invalid("overlap is %q: give a duration such as 24h, at most %s", text, maxKeyOverlap)
	}
	return d, nil
}

// The errors that Admins answers with when a name cannot be used.
var (
	ErrAdminExists  = wire.Errorf(http.StatusConflict, "admin_exists", "there is an administrator of this name already: choose another, or revoke that one")
	ErrAdminUnknown = wire.Errorf(http.StatusNotFound, "admin_unknown", "there is no administrator of this name: list them with signalbox admin list")
	ErrAdminConfig  = wire.Errorf(http.StatusConflict, "admin_of_config", "the administrator is written in the configuration: change it there")
)
