// Package jwt tells who makes a request from a token that an OpenID Connect
// issuer has signed. What was verified once is remembered until it expires;
// issuers' keys are fetched, kept through an outage of theirs, and renewed.
package jwt

import (
	"context"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json" // minds the case of names, and refuses one that comes twice

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// MaxToken is the longest token that is looked at.
const MaxToken = 8 << 10

// algorithms are those that tokens may be signed with. That none of them works
// with a shared secret is what keeps a public key from being taken for one.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.PS256, jose.EdDSA}

// Issuer is one whose tokens count. Zero durations get defaults.
type Issuer struct {
	Name     string // here; part of the ids of its callers
	URL      string // that tokens name as iss
	Audience []string
	JWKS     string            // where its keys are, "": where its discovery document says
	Claims   map[string]string // what of a principal comes from which claim: "user": "sub"
	Require  map[string]string // claims that must have, or hold, a value
	Header   string            // that its tokens come in, "": Authorization

	Leeway  time.Duration // between clocks; default 1 minute
	Refresh time.Duration // of its keys; default 10 minutes
	Retry   time.Duration // between looks for a key that is not known; default 10 s
	Stale   time.Duration // for how long keys are used that could not be refreshed; default 24 h
}

// Options of a Verifier. Zero fields get defaults.
type Options struct {
	Issuers []Issuer
	// Admit completes a principal, or refuses it. It is asked once for equal
	// claims, until Forget.
	Admit  func(*call.Principal) (*call.Principal, *wire.Error)
	Client *http.Client
	Log    *slog.Logger
}

// Verifier verifies tokens. All methods may be called at once.
type Verifier struct {
	opt     Options
	issuers map[string]*issuer // by URL
	headers []string
	epoch   atomic.Uint64 // moves where what was verified has to be verified again
	cache   cache

	mu         sync.Mutex
	principals map[string]*call.Principal // by their claims, within an epoch
	within     uint64

	life context.Context // until Stop
	end  context.CancelFunc
	done sync.WaitGroup
}

// maxPrincipals bounds those that are remembered; beyond, all are forgotten.
const maxPrincipals = 16 << 10

// New makes a verifier that fetches nothing before Start or the first token.
func New(opt Options) (*Verifier, error) {
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	if opt.Admit == nil {
		opt.Admit = func(p *call.Principal) (*call.Principal, *wire.Error) { return p, nil }
	}
	if opt.Client == nil {
		opt.Client = &http.Client{Timeout: fetchTimeout}
	}
	v := &Verifier{opt: opt, issuers: map[string]*issuer{}}
	v.life, v.end = context.WithCancel(context.Background())
	v.cache.seed = maphash.MakeSeed()
	for _, o := range opt.Issuers {
		if v.issuers[o.URL] != nil {
			return nil, fmt.Errorf("cannot use issuer %q: another has the same URL", o.Name)
		}
		v.issuers[o.URL] = newIssuer(o, opt.Client)
		if o.Header != "" && !slices.Contains(v.headers, o.Header) {
			v.headers = append(v.headers, o.Header)
		}
	}
	return v, nil
}

// Headers are those beside Authorization that tokens come in.
func (v *Verifier) Headers() []string { return v.headers }

// Looks reports whether text has the form of a token.
func Looks(text []byte) bool {
	dots := 0
	for _, c := range text {
		if c == '.' {
			dots++
		}
	}
	return dots == 2 && len(text) > 2 && text[0] == 'e' && text[1] == 'y' // {" in base64
}

// Forget has every token verified again: what principals are admitted by has changed.
func (v *Verifier) Forget() { v.epoch.Add(1) }

// Verify returns who the token stands for at the moment now, that came in the
// header of that name, "": Authorization. It does not allocate for a token that
// it has verified before.
func (v *Verifier) Verify(token []byte, header string, now time.Time) (*call.Principal, *wire.Error) {
	if len(token) > MaxToken {
		return nil, invalid("it is longer than %d bytes", MaxToken)
	}
	epoch := v.epoch.Load()
	hash := v.cache.hash(token)
	if p := v.cache.get(hash, token, header, epoch, now.Unix()); p != nil {
		return p, nil
	}
	p, until, err := v.verify(string(token), header, now)
	if err != nil {
		return nil, err
	}
	v.cache.put(&verified{hash: hash, token: string(token), header: header, epoch: epoch, until: until, principal: p})
	return p, nil
}

func (v *Verifier) verify(token, header string, now time.Time) (p *call.Principal, until int64, err *wire.Error) {
	sig, failed := jose.ParseSignedCompact(token, algorithms)
	if failed != nil {
		return nil, 0, invalid("it cannot be read as a JWT signed with one of %s", algorithmNames())
	}
	h := &sig.Signatures[0].Protected
	if err := plain(h); err != nil {
		return nil, 0, err
	}
	var said claims
	if json.Unmarshal(sig.UnsafePayloadWithoutVerification(), &said.all) != nil {
		return nil, 0, invalid("its claims are not a JSON object with each name once")
	}
	url, _ := said.all["iss"].(string)
	i := v.issuers[url]
	if i == nil || i.opt.Header != header {
		return nil, 0, refuse(401, "token_issuer_unknown", "the token's issuer is not one of this gateway's: get a token from one of them")
	}
	keys, fresh, err := v.keys(i, h, now)
	if err != nil {
		return nil, 0, err
	}
	if !slices.ContainsFunc(keys, func(k *jose.JSONWebKey) bool { _, failed := sig.Verify(k.Key); return failed == nil }) {
		return nil, 0, invalid("its signature is not the issuer's")
	}
	if until, err = said.check(&i.opt, now); err != nil {
		return nil, 0, err
	}
	p, err = v.principal(i, &said)
	return p, min(until, fresh), err // an issuer that is gone vouches for nothing, remembered or not
}

// plain refuses headers that say more than a token of ours needs. Keys, and
// addresses of keys, that a header brings along (jwk, jku, x5c, x5u) are not looked at.
func plain(h *jose.Header) *wire.Error {
	if h.ExtraHeaders["crit"] != nil || h.ExtraHeaders["b64"] != nil {
		return invalid("its header has crit or b64, which are not understood here")
	}
	switch typ, _ := h.ExtraHeaders[jose.HeaderType].(string); strings.ToLower(strings.TrimPrefix(typ, "application/")) {
	case "", "jwt", "at+jwt":
		return nil
	}
	return invalid("its typ says that it is for something else")
}

// principal is who the claims stand for, one for all equal ones.
func (v *Verifier) principal(i *issuer, said *claims) (*call.Principal, *wire.Error) {
	p, err := said.principal(&i.opt)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("%q", []any{p.KeyID, p.User, p.Org, p.Project, p.Team, p.Env, p.Roles, p.Attrs}) // maps print sorted
	epoch := v.epoch.Load()
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.principals == nil || v.within != epoch || len(v.principals) >= maxPrincipals {
		v.principals, v.within = map[string]*call.Principal{}, epoch
	}
	if known := v.principals[name]; known != nil {
		return known, nil
	}
	if p, err = v.opt.Admit(p); err == nil {
		v.principals[name] = p
	}
	return p, err
}

func algorithmNames() string {
	var names []string
	for _, a := range algorithms {
		names = append(names, string(a))
	}
	return strings.Join(names, ", ")
}

func invalid(format string, args ...any) *wire.Error {
	return refuse(401, "token_invalid", "the token is refused: %s; get a new one from your issuer", fmt.Sprintf(format, args...))
}

func refuse(status int, code, format string, args ...any) *wire.Error {
	e := wire.Errorf(status, code, format, args...)
	if status == http.StatusForbidden {
		e.Class = wire.ClassPolicy
	}
	return e
}
