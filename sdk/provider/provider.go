// Package provider is the author's side of a provider adapter: a small program
// that teaches the gateway one AI service. The gateway starts it as a process
// of its own and asks it where requests go; either straight to the service (a
// Lease: the gateway moves the bytes and adds the credential) or to the
// adapter itself (a Route: a handler here answers).
//
//	type acme struct{}
//
//	func (acme) Manifest() provider.Manifest {
//		return provider.Manifest{Name: "acme", Version: "1.0.0", Hosts: []string{"api.acme.example"}}
//	}
//
//	func (acme) Configure(provider.Config) (*provider.Setup, error) {
//		return &provider.Setup{Leases: []provider.Lease{{
//			Op: wire.OpChat, Dialect: wire.OpenAIChat,
//			URL:     "https://api.acme.example/v1/chat/completions",
//			Headers: []provider.Header{provider.Bearer()},
//		}}}, nil
//	}
//
//	func main() { provider.Serve(acme{}) }
package provider

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Provider is what an author writes.
type Provider interface {
	// Manifest says what the adapter is. It holds no secrets and never changes.
	Manifest() Manifest
	// Configure turns a configuration into what is served from then on. It is
	// called again when the configuration changes; on an error what was
	// served before stays.
	Configure(Config) (*Setup, error)
}

// Checker is an optional interface of a Provider that can tell whether it is
// able to serve. It is asked every few seconds and must not call the upstream.
type Checker interface {
	Health(ctx context.Context) error
}

// TokenSource is an optional interface of a Provider whose upstream wants a
// token in place of the stored credential (OAuth, cloud identities). The
// gateway keeps the token and asks again before it expires. An error of class
// auth says that the credential is refused, any other that it may be good.
type TokenSource interface {
	Token(ctx context.Context, credential Secret) (Token, error)
}

// Token is sent in place of a credential until it expires.
type Token struct {
	Value   Secret
	Expires time.Time // zero: never
}

// Manifest describes an adapter.
type Manifest struct {
	Name    string
	Version string
	// Operations that it serves in some configuration.
	Operations []Operation
	Models     []Model // well known ones; others can be asked for all the same
	// Config is a pointer to or value of the struct that Configure decodes
	// into: its json, doc and enum tags become the configuration's schema.
	Config any
	// Hosts that credentials go to unless the operator says otherwise: "host"
	// for https, "host:port" for anything else.
	Hosts []string
	// HostsBy narrows Hosts for adapters of several services: key of the
	// configuration → its value, "" when it is not set → hosts of that service.
	HostsBy    map[string]map[string][]string
	Credential Need
}

// Operation is one kind of request.
type Operation struct {
	Op      wire.Op
	Dialect wire.Dialect
}

// Model is one of the provider's models.
type Model struct {
	Name         string // as in provider/name
	Ops          []wire.Op
	Capabilities []string // "tools", "images", "reasoning", "json_schema"
	Context      int64    // tokens of prompt and answer together, 0: unknown
	MaxOutput    int64    // tokens of one answer, 0: unknown
}

// Need says whether a provider wants a credential.
type Need uint8

// The needs.
const (
	CredentialRequired Need = iota
	CredentialOptional
	CredentialNone
)

// String returns the name that the contract uses.
func (n Need) String() string { return [...]string{"required", "optional", "none"}[n] }

// Setup is what a configured adapter serves; it is not changed after Configure
// has returned it.
//
// A chat dialect that no route and no lease serves is served all the same when
// a lease speaks one that it can be translated to: the first such lease is used.
type Setup struct {
	Leases []Lease
	Routes []Route
	Models []Model // of this configuration; nil: the manifest's
}

// Lease lets the gateway talk to the upstream by itself, for one kind of
// request that the upstream understands as it is.
type Lease struct {
	Op          wire.Op
	Dialect     wire.Dialect
	URL         string            // of the operation, https; may hold {model}, which is escaped as one segment, and, for operations with paths of their own, {path}
	StreamURL   string            // of requests whose answer streams, "": URL
	Headers     []Header          // to set
	PassHeaders []string          // of the caller, to pass on when present; a static header of that name is a default
	Models      map[string]string // model as configured → as upstream calls it; absent: unchanged
	Errors      []ErrorRule       // first match wins, then the status decides
	StreamUsage bool              // streams report usage only when stream_options.include_usage asks
	MaxTokens   string            // JSON member that caps an answer, "": max_tokens
	TTL         time.Duration     // how long it outlives a crash of the adapter, 0: a minute
	Rate        RateHeaders       // where the upstream tells how much of its rate limit is left

	// The gateway cannot do these by itself: with one of the first two, what
	// the lease serves goes by way of the adapter, its own dialect included.

	// Sign finishes a request, whose headers are those of the lease, by
	// setting headers (a signature): it may set no others than headers. It
	// must not keep the credential. A credential that cannot be used is best
	// told by a *wire.Error of class auth, which does not quote it.
	Sign        func(r *http.Request, body []byte, credential Secret) error
	Framing     Framing // of streams
	ErrorHeader string  // header of errors that names their type, "": the body does
}

// RateHeaders names the upstream's headers that tell how much of its rate
// limit is left, "": it has no such header. A reset is read as seconds, as a
// duration ("6m0s", "120ms"), as a time (RFC 3339) or as a Unix time.
type RateHeaders struct {
	RequestsLimit, RequestsRemaining, RequestsReset string
	TokensLimit, TokensRemaining, TokensReset       string
}

// Header is a header of upstream requests: Prefix, then the credential if
// Credential is set, then Suffix.
type Header struct {
	Name           string
	Prefix, Suffix string
	Credential     bool
}

// Bearer is "Authorization: Bearer <credential>".
func Bearer() Header { return Header{Name: "Authorization", Prefix: "Bearer ", Credential: true} }

// Key is a header that holds the credential and nothing else.
func Key(name string) Header { return Header{Name: name, Credential: true} }

// Static is a header with a fixed value.
func Static(name, value string) Header { return Header{Name: name, Prefix: value} }

// ErrorRule classifies an error of the upstream.
type ErrorRule struct {
	Status int    // 0: any
	Code   string // text in the body's error code or type, "": any
	Class  wire.Class
}

// Matches reports whether the rule is about an upstream's error: by its status
// and what its body says.
func (r ErrorRule) Matches(status int, said wire.ErrorBody) bool {
	return (r.Status == 0 || r.Status == status) && (r.Code == "" ||
		strings.EqualFold(r.Code, said.Code) || strings.EqualFold(r.Code, said.Type) || strings.Contains(said.Message, r.Code))
}

// Route serves one kind of request in the adapter.
type Route struct {
	Op      wire.Op
	Dialect wire.Dialect
	Handle  HandlerFunc

	via *Lease // of a bridge: where it leads
}

// HandlerFunc answers one request: with w.JSON, or with w.Stream, or by
// returning an error, best a *wire.Error, which is rendered in the request's
// dialect. r and w are valid until it returns, and within the stream function
// until that returns.
type HandlerFunc func(r *Request, w *Writer) error

// Secret is a string that is not printed by accident; string(s) is the value.
type Secret string

const hidden = "[secret]"

// String hides the value.
func (Secret) String() string { return hidden }

// GoString hides the value.
func (Secret) GoString() string { return hidden }

// LogValue hides the value.
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText hides the value.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }
