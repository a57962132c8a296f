package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// NewKey is a key to be made.
type NewKey struct {
	Name    string
	Org     string
	Project string
	Team    string
	User    string
	Env     string
	Roles   []string // sorted
	Attrs   map[string]string
	Budgets []call.Limit // without scope: the key's own
	Rates   []call.Limit // the same
	Scope   *call.Scope  // checked, nil: good for anything
	Expires time.Time    // zero: never
}

// Created is a key that was made; its token is shown this once.
type Created struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Token string `json:"token"`
	// PreviousUntil is how long the secret before it counts, of a rotated key.
	PreviousUntil time.Time `json:"previous_until,omitzero"`
}

// Key is a key without its secret.
type Key struct {
	ID            string            `json:"id"`
	Name          string            `json:"name"`
	Source        string            `json:"source"` // "store", or "config" for keys of the configuration
	Org           string            `json:"org,omitempty"`
	Project       string            `json:"project,omitempty"`
	Team          string            `json:"team,omitempty"`
	User          string            `json:"user,omitempty"`
	Env           string            `json:"env,omitempty"`
	Roles         []string          `json:"roles,omitempty"`
	Attrs         map[string]string `json:"attrs,omitempty"`
	Budgets       []call.Limit      `json:"budgets,omitempty"`
	Rates         []call.Limit      `json:"rates,omitempty"`
	Scope         *call.Scope       `json:"scope,omitempty"`
	Created       time.Time         `json:"created,omitzero"`
	Expires       time.Time         `json:"expires,omitzero"`
	Revoked       time.Time         `json:"revoked,omitzero"`
	Rotated       time.Time         `json:"rotated,omitzero"`
	PreviousUntil time.Time         `json:"previous_until,omitzero"`
	Used          time.Time         `json:"used,omitzero"`     // last, to about a minute
	Refused       string            `json:"refused,omitempty"` // why callers are refused, by the directory
}

// keyRequest is the body of POST /admin/keys.
type keyRequest struct {
	Name    string            `json:"name"`
	Org     string            `json:"org"`
	Project string            `json:"project"`
	Team    string            `json:"team"`
	User    string            `json:"user"`
	Env     string            `json:"env"`
	Roles   []string          `json:"roles"`
	Attrs   map[string]string `json:"attrs"`
	Budgets limitList         `json:"budgets"`
	Rates   limitList         `json:"rates"`
	Scope   *call.Scope       `json:"scope"`
	Expires expiry            `json:"expires"`
}

// newKeyRequest is one that leaves all as k has it, but for the attributes.
func newKeyRequest(k *NewKey) keyRequest {
	return keyRequest{k.Name, k.Org, k.Project, k.Team, k.User, k.Env, k.Roles, nil, limitList{"budgets", k.Budgets}, limitList{"rates", k.Rates},
		k.Scope, expiry{Time: k.Expires}}
}

// expiry is a time, null for never, and whether it is given.
type expiry struct {
	time.Time
	given bool
}

// UnmarshalJSON implements json.Unmarshaler.
func (e *expiry) UnmarshalJSON(b []byte) error {
	*e = expiry{given: true}
	return json.Unmarshal(b, &e.Time)
}

// What a key may have at most.
const (
	maxBudgets    = 8
	maxNames      = 64 // roles, attrs
	maxKeyOverlap = 90 * 24 * time.Hour
	// usualOverlap is for how long both secrets of a rotated key count.
	usualOverlap = 24 * time.Hour
)

var keyName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}$`)

func (q *keyRequest) key() (NewKey, error) {
	k := NewKey{Name: q.Name, Org: q.Org, Project: q.Project, Team: q.Team, User: q.User, Env: q.Env,
		Roles: slices.Sorted(slices.Values(q.Roles)), Attrs: q.Attrs, Budgets: q.Budgets.list, Rates: q.Rates.list, Scope: q.Scope, Expires: q.Expires.Time}
	switch {
	case !keyName.MatchString(q.Name):
		return k, invalid("name is %q: give letters, digits, '.', '_', ':', '@' and '-', at most 128", q.Name)
	case len(k.Budgets) > maxBudgets || len(k.Rates) > maxBudgets:
		return k, invalid("budgets has %d and rates %d entries: give at most %d of each", len(k.Budgets), len(k.Rates), maxBudgets)
	case len(q.Roles) > maxNames || len(q.Attrs) > maxNames:
		return k, invalid("roles and attrs have at most %d entries each", maxNames)
	case q.Expires.given && !q.Expires.IsZero() && q.Expires.Before(time.Now()):
		return k, invalid("expires is in the past: %s", q.Expires.Format(time.RFC3339))
	}
	for i, b := range k.Budgets {
		if b.Scope != "" || b.Rate {
			return k, invalid("budgets[%d] must be a budget of the key's own: leave scope and per out", i)
		}
	}
	for i, l := range k.Rates {
		if l.Scope != "" || !l.Rate {
			return k, invalid("rates[%d] must be a rate of the key's own: leave scope out, and write per in place of window", i)
		}
	}
	if err := q.Scope.Check(); err != nil {
		return k, invalid("scope.%v", err)
	}
	return k, nil
}

func (s *Server) createKey(w http.ResponseWriter, r *http.Request) (any, error) {
	if s.opt.Keys == nil {
		return nil, notFound("there are no keys here")
	}
	q := newKeyRequest(&NewKey{})
	if err := strict(r.Body, &q); err != nil {
		return nil, unread(err)
	}
	k, err := q.key()
	if err != nil {
		return nil, err
	}
	return s.opt.Keys.CreateKey(r.Context(), k)
}

func (s *Server) listKeys(_ http.ResponseWriter, r *http.Request) (any, error) {
	if s.opt.Keys == nil {
		return nil, notFound("there are no keys here")
	}
	keys, err := s.opt.Keys.ListKeys(r.Context())
	return map[string]any{"keys": append([]Key{}, keys...)}, err
}

func (s *Server) revokeKey(_ http.ResponseWriter, r *http.Request) (any, error) {
	if s.opt.Keys == nil {
		return nil, notFound("there are no keys here")
	}
	name := r.PathValue("name")
	if err := s.opt.Keys.RevokeKey(r.Context(), name); err != nil {
		return nil, err
	}
	return map[string]string{"revoked": name}, nil
}

func (s *Server) showKey(_ http.ResponseWriter, r *http.Request) (any, error) {
	if s.opt.Keys == nil {
		return nil, notFound("there are no keys here")
	}
	keys, err := s.opt.Keys.ListKeys(r.Context())
	if err != nil {
		return nil, err
	}
	var found *Key
	for i := range keys { // of a name that has been used again the live key is meant, and an id goes before a name
		switch k := &keys[i]; {
		case k.ID == r.PathValue("name"):
			return k, nil
		case k.Name == r.PathValue("name") && (found == nil || !found.Revoked.IsZero()):
			found = k
		}
	}
	if found == nil {
		return nil, ErrKeyUnknown
	}
	return found, nil
}

// updateKey takes what is to change; what is left out stays. Lists are
// replaced, an empty one takes what was there away.
func (s *Server) updateKey(_ http.ResponseWriter, r *http.Request) (any, error) {
	if s.opt.KeyChanges == nil {
		return nil, notFound("there are no keys here")
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, invalid("cannot read the body: %v", err)
	}
	return s.opt.KeyChanges.UpdateKey(r.Context(), r.PathValue("name"), func(k *NewKey) error {
		q := newKeyRequest(k)
		if err := strict(bytes.NewReader(body), &q); err != nil {
			return unread(err)
		}
		if q.Name != k.Name {
			return invalid("a key keeps its name: make another, and revoke this one")
		}
		if q.Attrs == nil {
			q.Attrs = k.Attrs
		}
		var err error
		*k, err = q.key()
		return err
	})
}

// rotation is the body of POST /admin/keys/{name}/rotate.
type rotation struct {
	Overlap string `json:"overlap"` // "24h", the usual one; "0": none
	Finish  bool   `json:"finish"`  // make no new secret, but end the previous one
}

func (s *Server) rotateKey(_ http.ResponseWriter, r *http.Request) (any, error) {
	if s.opt.KeyChanges == nil {
		return nil, notFound("there are no keys here")
	}
	var q rotation
	if err := strict(r.Body, &q); err != nil {
		return nil, invalid("cannot read the body: %v", err)
	}
	if q.Finish {
		return s.opt.KeyChanges.FinishKey(r.Context(), r.PathValue("name"))
	}
	overlap, err := overlapOf(q.Overlap, usualOverlap)
	if err != nil {
		return nil, err
	}
	return s.opt.KeyChanges.RotateKey(r.Context(), r.PathValue("name"), overlap)
}

// strict decodes one JSON value without unknown names or trailing data.
func strict(r io.Reader, v any) error {
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more after the JSON value")
	}
	return nil
}

// The errors that Keys answers with when a name cannot be used.
var (
	ErrKeyExists  = wire.Errorf(http.StatusConflict, "key_exists", "a live key has this name already: choose another, or revoke that one")
	ErrKeyUnknown = wire.Errorf(http.StatusNotFound, "key_unknown", "no live key has this name or id: list them with signalbox key list")
	ErrKeyConfig  = wire.Errorf(http.StatusConflict, "key_of_config", "the key is written in the configuration: change it there")
)
