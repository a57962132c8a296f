package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
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
	Expires time.Time    // zero: never
}

// Created is a key that was made; its token is shown this once.
type Created struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Token string `json:"token"`
}

// Key is a key without its secret.
type Key struct {
	ID      string       `json:"id"`
	Name    string       `json:"name"`
	Source  string       `json:"source"` // "store", or "config" for keys of the configuration
	Org     string       `json:"org,omitempty"`
	Project string       `json:"project,omitempty"`
	Team    string       `json:"team,omitempty"`
	User    string       `json:"user,omitempty"`
	Env     string       `json:"env,omitempty"`
	Roles   []string     `json:"roles,omitempty"`
	Budgets []call.Limit `json:"-"`
	Created time.Time    `json:"created,omitzero"`
	Expires time.Time    `json:"expires,omitzero"`
	Revoked time.Time    `json:"revoked,omitzero"`
}

// MarshalJSON writes budgets as they are given.
func (k Key) MarshalJSON() ([]byte, error) {
	type plain Key
	budgets := make([]budget, len(k.Budgets))
	for i, l := range k.Budgets {
		budgets[i] = budget{USD: usd(l.Max), Window: window(l.Window)}
	}
	return json.Marshal(struct {
		plain
		Budgets []budget `json:"budgets,omitempty"`
	}{plain(k), budgets})
}

// budget is a limit in dollars within a window, in JSON.
type budget struct {
	USD    usd    `json:"usd"`
	Window window `json:"window"`
}

// usd is an amount in nano-dollars that is written as a number of dollars.
type usd int64

// MarshalJSON writes all digits.
func (u usd) MarshalJSON() ([]byte, error) { return call.AppendUSD(nil, int64(u)), nil }

// UnmarshalJSON reads a number, or text for more digits than clients keep.
func (u *usd) UnmarshalJSON(b []byte) error {
	nano, err := call.ParseUSD(strings.Trim(string(b), `"`))
	*u = usd(nano)
	return err
}

// window is written as its unit, or as an object where that does not say all.
type window call.Window

type windowObject struct {
	Unit string `json:"unit"`
	Size int    `json:"size,omitempty"`
	TZ   string `json:"tz,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (w window) MarshalJSON() ([]byte, error) {
	if w.Size <= 1 && w.TZ == "" {
		return json.Marshal(w.Unit)
	}
	return json.Marshal(windowObject(w))
}

// UnmarshalJSON implements json.Unmarshaler.
func (w *window) UnmarshalJSON(b []byte) error {
	o := windowObject{Size: 1}
	var err error
	if b[0] == '"' {
		err = json.Unmarshal(b, &o.Unit)
	} else {
		err = strict(bytes.NewReader(b), &o)
	}
	*w = window(o)
	return err
}

var windowUnits = []string{"minute", "hour", "day", "week", "month", "total"}

func (w window) check() error {
	if !slices.Contains(windowUnits, w.Unit) {
		return invalid("a budget's window is %q: give one of %s", w.Unit, strings.Join(windowUnits, ", "))
	}
	if w.Size < 1 || w.Size > 10_000 {
		return invalid("a budget's window has size %d: give 1 to 10000", w.Size)
	}
	if _, err := time.LoadLocation(w.TZ); err != nil || w.TZ == "Local" {
		return invalid("a budget's window has time zone %q: give an IANA name such as Europe/Berlin", w.TZ)
	}
	return nil
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
	Budgets []budget          `json:"budgets"`
	Expires time.Time         `json:"expires"`
}

const maxBudgets = 8

var keyName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}$`)

func (q *keyRequest) key() (NewKey, error) {
	k := NewKey{Name: q.Name, Org: q.Org, Project: q.Project, Team: q.Team, User: q.User, Env: q.Env,
		Roles: slices.Sorted(slices.Values(q.Roles)), Attrs: q.Attrs, Expires: q.Expires}
	switch {
	case !keyName.MatchString(q.Name):
		return k, invalid("name is %q: give letters, digits, '.', '_', ':', '@' and '-', at most 128", q.Name)
	case len(q.Budgets) > maxBudgets:
		return k, invalid("budgets has %d entries: give at most %d", len(q.Budgets), maxBudgets)
	case !q.Expires.IsZero() && q.Expires.Before(time.Now()):
		return k, invalid("expires is in the past: %s", q.Expires.Format(time.RFC3339))
	}
	for _, b := range q.Budgets {
		if err := b.Window.check(); err != nil {
			return k, err
		}
		k.Budgets = append(k.Budgets, call.Limit{Unit: call.UnitUSD, Window: call.Window(b.Window), Max: int64(b.USD)})
	}
	return k, nil
}

func (s *Server) createKey(w http.ResponseWriter, r *http.Request) (any, error) {
	if s.opt.Keys == nil {
		return nil, notFound("there are no keys here")
	}
	var q keyRequest
	if err := strict(r.Body, &q); err != nil {
		return nil, invalid("cannot read the body: %v", err)
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
