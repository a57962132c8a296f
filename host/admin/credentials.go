package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Credentials keeps the credentials of providers. A *wire.Error that it
// returns is shown to the caller as it is, any other error is logged and hidden.
type Credentials interface {
	ListCredentials(context.Context) ([]Credential, error)
	CredentialKeeper
}

// CredentialKeeper changes what is kept.
type CredentialKeeper interface {
	AddCredential(context.Context, NewCredential) error
	RotateCredential(ctx context.Context, c NewCredential, overlap time.Duration) error
	RemoveCredential(ctx context.Context, provider, name string) error
}

// NewCredential is a provider's secret to be kept.
type NewCredential struct {
	Provider, Name string
	Value          string // never shown again; JSON for what is made of several parts
	Weight         int
}

// Credential is a provider's secret without itself, and how it fares.
type Credential struct {
	Provider     string    `json:"provider"`
	Name         string    `json:"name"`
	Source       string    `json:"source"` // "store", or "config"
	Weight       int       `json:"weight"`
	State        string    `json:"state"` // usable, refused, rate limited, no token
	Until        time.Time `json:"until,omitzero"`
	TokenExpires time.Time `json:"token_expires,omitzero"`
	Requests     *Quota    `json:"requests,omitempty"` // what the provider says is left
	Tokens       *Quota    `json:"tokens,omitempty"`
	Created      time.Time `json:"created,omitzero"`
	Retires      time.Time `json:"retires,omitzero"`
}

// Quota is what is left of a limit.
type Quota struct {
	Left  int64     `json:"left"`
	Limit int64     `json:"limit,omitempty"`
	Reset time.Time `json:"reset,omitzero"`
}

// The errors that Credentials answers with.
var (
	ErrProviderUnknown   = wire.Errorf(http.StatusNotFound, "provider_unknown", "no provider of this name is configured: add it under providers first")
	ErrCredentialText    = wire.Errorf(http.StatusBadRequest, "invalid_request", "value is empty, too long, or holds spaces, control or non-ASCII characters: it travels as a header")
	ErrCredentialExists  = wire.Errorf(http.StatusConflict, "credential_exists", "the provider has a credential of this name already: rotate it, or choose another name")
	ErrCredentialUnknown = wire.Errorf(http.StatusNotFound, "credential_unknown", "the provider has no credential of this name: list them with signalbox credential list")
	ErrCredentialConfig  = wire.Errorf(http.StatusConflict, "credential_of_config", "the credential is written in the configuration: change it there, and it is taken up without a restart")
)

// maxOverlap bounds how long a replaced credential stands by.
const maxOverlap = 30 * 24 * time.Hour

func (s *Server) listCredentials(_ http.ResponseWriter, r *http.Request) (any, error) {
	if s.opt.Credentials == nil {
		return nil, notFound("there are no credentials here")
	}
	list, err := s.opt.Credentials.ListCredentials(r.Context())
	return map[string]any{"credentials": append([]Credential{}, list...)}, err
}

func (s *Server) addCredential(_ http.ResponseWriter, r *http.Request) (any, error) {
	if s.opt.Credentials == nil {
		return nil, notFound("there are no credentials here")
	}
	q := struct {
		Name   string `json:"name"`
		Value  string `json:"value"`
		Weight *int   `json:"weight"`
	}{}
	if err := strict(r.Body, &q); err != nil {
		return nil, invalid("cannot read the body: %v", err)
	}
	c := NewCredential{Provider: r.PathValue("provider"), Name: q.Name, Value: q.Value, Weight: 1}
	if q.Weight != nil {
		c.Weight = *q.Weight
	}
	switch {
	case !keyName.MatchString(q.Name):
		return nil, invalid("name is %q: give letters, digits, '.', '_', ':', '@' and '-', at most 128", q.Name)
	case c.Weight < 0 || c.Weight > 1000:
		return nil, invalid("weight is %d: give 0 to 1000", c.Weight)
	}
	if err := s.opt.Credentials.AddCredential(r.Context(), c); err != nil {
		return nil, err
	}
	return map[string]string{"added": c.Provider + "/" + c.Name}, nil
}

func (s *Server) rotateCredential(_ http.ResponseWriter, r *http.Request) (any, error) {
	if s.opt.Credentials == nil {
		return nil, notFound("there are no credentials here")
	}
	q := struct {
		Value   string `json:"value"`
		Overlap string `json:"overlap"`
	}{Overlap: "24h"}
	if err := strict(r.Body, &q); err != nil {
		return nil, invalid("cannot read the body: %v", err)
	}
	overlap, err := time.ParseDuration(q.Overlap)
	if err != nil || overlap < 0 || overlap > maxOverlap {
		return nil, invalid("overlap is %q: give a duration from 0s to 720h", q.Overlap)
	}
	c := NewCredential{Provider: r.PathValue("provider"), Name: r.PathValue("name"), Value: q.Value}
	if err := s.opt.Credentials.RotateCredential(r.Context(), c, overlap); err != nil {
		return nil, err
	}
	return map[string]string{"rotated": c.Provider + "/" + c.Name}, nil
}

func (s *Server) removeCredential(_ http.ResponseWriter, r *http.Request) (any, error) {
	if s.opt.Credentials == nil {
		return nil, notFound("there are no credentials here")
	}
	provider, name := r.PathValue("provider"), r.PathValue("name")
	if err := s.opt.Credentials.RemoveCredential(r.Context(), provider, name); err != nil {
		return nil, err
	}
	return map[string]string{"removed": provider + "/" + name}, nil
}
