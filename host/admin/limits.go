package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Limits are those of scopes, with errors like those of Keys.
type Limits interface {
	// Limits lists all, of the configuration and of the store.
	Limits(context.Context) ([]ScopeLimits, error)
	// PutLimits replaces those of the store that scope has, if they have the
	// given revision, 0: whichever.
	PutLimits(ctx context.Context, scope string, limits []call.Limit, revision int64) (ScopeLimits, error)
	RemoveLimits(ctx context.Context, scope string) error
}

// ScopeLimits are the limits that one scope has by itself.
type ScopeLimits struct {
	Scope    string       `json:"scope"`
	Source   string       `json:"source"` // "store", or "config" for those of the configuration
	Limits   []call.Limit `json:"limits"`
	Revision int64        `json:"revision,omitempty"`
	Changed  time.Time    `json:"changed,omitzero"`
	Problem  string       `json:"problem,omitempty"` // the scope is no longer known
}

// AppliedLimit is one of the limits that hold for a scope.
type AppliedLimit struct {
	Scope  string     `json:"scope"`
	Source string     `json:"source"` // "key": its own, "config" or "store"
	Holds  bool       `json:"holds"`  // false: a stricter one stands in for it
	Limit  call.Limit `json:"limit"`
}

// MaxLimits are the most that a scope has in the store.
const MaxLimits = 8

func (s *Server) limitRoutes(guarded map[string]route) {
	if s.opt.Limits == nil {
		return
	}
	const one = " /admin/limits/{kind}/{name...}"
	guarded["GET /admin/limits"] = viewers(func(_ http.ResponseWriter, r *http.Request) (any, error) {
		list, err := s.opt.Limits.Limits(r.Context())
		return map[string]any{"limits": append([]ScopeLimits{}, list...)}, err
	})
	guarded["GET"+one] = viewers(s.showLimits)
	guarded["PUT"+one] = owners(s.putLimits)
	guarded["DELETE"+one] = owners(func(_ http.ResponseWriter, r *http.Request) (any, error) {
		scope := scopeOf(r)
		return map[string]string{"removed": scope}, s.opt.Limits.RemoveLimits(r.Context(), scope)
	})
}

func scopeOf(r *http.Request) string { return r.PathValue("kind") + "/" + r.PathValue("name") }

func (s *Server) showLimits(_ http.ResponseWriter, r *http.Request) (any, error) {
	scope, list, err := s.opt.Applying(r.Context(), scopeOf(r))
	if err != nil {
		return nil, err
	}
	for i := range list {
		list[i].Limit.Scope = ""
	}
	return map[string]any{"scope": scope, "applies": append([]AppliedLimit{}, list...)}, nil
}

func (s *Server) putLimits(_ http.ResponseWriter, r *http.Request) (any, error) {
	var q struct {
		Limits   limitList `json:"limits"`
		Revision int64     `json:"revision"`
	}
	q.Limits.name = "limits"
	if err := strict(r.Body, &q); err != nil {
		return nil, unread(err)
	}
	limits := q.Limits.list
	if n := len(limits); n == 0 || n > MaxLimits {
		return nil, invalid("limits has %d entries: give 1 to %d, or remove them with DELETE", n, MaxLimits)
	}
	for i := range limits {
		if l := limits[i]; l.Scope != "" {
			return nil, invalid("limits[%d].scope is %q: the scope is in the path, leave it out", i, l.Scope)
		}
	}
	return s.opt.Limits.PutLimits(r.Context(), scopeOf(r), limits, q.Revision)
}

// limitList is limits in a body. An error names the entry, and the member of it
// that is at fault.
type limitList struct {
	name string // of the list
	list []call.Limit
}

// UnmarshalJSON implements json.Unmarshaler.
func (e *limitList) UnmarshalJSON(b []byte) error {
	var texts []json.RawMessage
	if json.Unmarshal(b, &texts) != nil {
		return invalid("%s is no list: give one of objects, as [{\"usd\": 5, \"window\": \"day\"}]", e.name)
	}
	e.list = make([]call.Limit, len(texts))
	for i, text := range texts {
		err := json.Unmarshal(text, &e.list[i])
		if err == nil {
			continue
		}
		at := fmt.Sprintf("%s[%d]", e.name, i)
		var m *call.MemberError
		if errors.As(err, &m) && m.Member != "" {
			at += "." + m.Member
		}
		return invalid("%s: %v", at, err)
	}
	return nil
}

// unread is an error of a body's, which may say already what is at fault.
func unread(err error) error {
	var said *wire.Error
	if errors.As(err, &said) {
		return said
	}
	return invalid("cannot read the body: %v", err)
}

// The errors that Limits answers with.
var (
	ErrLimitsChanged = wire.Errorf(http.StatusConflict, "limits_changed", "the limits have been changed meanwhile: read them again")
	ErrLimitsUnknown = wire.Errorf(http.StatusNotFound, "limits_unknown", "the scope has no limits in the store: list them with signalbox limit list")
	ErrLimitsConfig  = wire.Errorf(http.StatusConflict, "limits_of_config", "the limits are written in the configuration: change them there")
)
