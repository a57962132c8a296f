package call

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Credential is one secret of a provider with its live state.
type Credential struct {
	Name  string
	Value string // as the operator gave it; never logged
	// Weight is its share of the requests among its provider's usable
	// credentials; one of weight 0 serves when no other can.
	Weight int
	// Minted says that not Value but a token made from it is sent upstream.
	Minted bool
	// Rate is how much of the provider's rate limit is left.
	Rate Rate

	// BenchedUntil is the Unix ms until which the provider is taken to refuse it.
	BenchedUntil atomic.Int64
	// CooldownUntil is the Unix ms until which it is rate limited.
	CooldownUntil atomic.Int64
	strikes       atomic.Int32
	token         atomic.Pointer[Token]
}

// Token is what an adapter has made of a credential.
type Token struct {
	Value   string // never logged
	Made    time.Time
	Expires time.Time // zero: never
}

// freshToken is the age below which a refused token is not made anew: the next
// one would be refused as well.
const freshToken = time.Minute

// Token returns what was minted last, nil if nothing was.
func (c *Credential) Token() *Token { return c.token.Load() }

// SetToken replaces what is sent upstream in place of Value.
func (c *Credential) SetToken(t *Token) { c.token.Store(t) }

// Secret is what upstream requests are made with.
func (c *Credential) Secret() string {
	if t := c.token.Load(); t != nil {
		return t.Value
	}
	return c.Value
}

// Bench takes c out of use after a 401 or 403: a minute, doubling to an hour.
// Refusals of requests that ran at the same time count as one.
func (c *Credential) Bench(now time.Time) {
	until, strikes := c.BenchedUntil.Load(), c.strikes.Load()
	if until > now.UnixMilli() {
		return
	}
	rest := min(time.Minute<<min(strikes, 6), time.Hour)
	if !c.BenchedUntil.CompareAndSwap(until, now.Add(rest).UnixMilli()) {
		return
	}
	c.strikes.Store(strikes + 1)
	if t := c.token.Load(); t != nil && now.Sub(t.Made) >= freshToken {
		c.token.CompareAndSwap(t, &Token{Value: t.Value, Made: t.Made, Expires: now}) // to be made anew
	}
}

// Renewed replaces the token and, as a new one may be taken, ends a rest after
// refusals.
func (c *Credential) Renewed(t *Token) {
	c.token.Store(t)
	c.BenchedUntil.Store(0)
}

// Ready reports whether there is something to send: of a credential that
// tokens are made of, a token that is still good.
func (c *Credential) Ready(nowMS int64) bool {
	if !c.Minted {
		return true
	}
	t := c.token.Load()
	return t != nil && (t.Expires.IsZero() || t.Expires.UnixMilli() > nowMS)
}

// Usable reports whether c may be tried at nowMS (Unix ms).
func (c *Credential) Usable(nowMS int64) bool {
	return c.BenchedUntil.Load() <= nowMS && c.CooldownUntil.Load() <= nowMS && c.Ready(nowMS) && !c.Rate.Spent(nowMS)
}

// Accepted says that the provider has taken c.
func (c *Credential) Accepted() {
	if c.strikes.Load() != 0 {
		c.strikes.Store(0)
	}
}

// PickCredential returns one of the provider's usable credentials, by their
// weights; ok is false when it has some but none may be used now.
func (p *Provider) PickCredential(now time.Time) (cred *Credential, ok bool) {
	switch len(p.Credentials) {
	case 0:
		return nil, !p.Awaiting
	case 1:
		c := p.Credentials[0]
		return c, c.Usable(now.UnixMilli())
	}
	ms, sum := now.UnixMilli(), 0
	for _, c := range p.Credentials {
		if !c.Usable(ms) {
			continue
		}
		sum += c.Weight
		// Each replaces the one before with the chance that its share has of the sum.
		if cred == nil || c.Weight > 0 && rand.IntN(sum) < c.Weight {
			cred = c
		}
	}
	return cred, cred != nil
}

// Rate is what a provider has last said of one credential's rate limit. The
// zero Rate knows nothing.
type Rate struct{ requests, tokens quota }

// quota is what is left of one limit until it is whole again.
type quota struct {
	limit atomic.Int64
	left  atomic.Int64 // 1 + what is left; 0: unknown
	reset atomic.Int64 // Unix ms
}

// Left is what is left of one limit; ok is false when that is not known or has
// been renewed since.
func (q *quota) Left(nowMS int64) (left, limit int64, ok bool) {
	n := q.left.Load()
	return n - 1, q.limit.Load(), n > 0 && q.reset.Load() > nowMS
}

func (q *quota) spent(nowMS int64) bool { return q.left.Load() == 1 && q.reset.Load() > nowMS }

// Spent reports whether the provider has said that it takes nothing more yet.
func (r *Rate) Spent(nowMS int64) bool { return r.requests.spent(nowMS) || r.tokens.spent(nowMS) }

// Requests is how many requests are left.
func (r *Rate) Requests(nowMS int64) (left, limit int64, ok bool) { return r.requests.Left(nowMS) }

// Tokens is how many tokens are left.
func (r *Rate) Tokens(nowMS int64) (left, limit int64, ok bool) { return r.tokens.Left(nowMS) }

// Resets are when both limits are whole again, in Unix ms.
func (r *Rate) Resets() (requests, tokens int64) {
	return r.requests.reset.Load(), r.tokens.reset.Load()
}

// RateKind says what of a rate limit a number is.
type RateKind uint8

// The kinds, as a lease names their headers.
const (
	RequestsLimit RateKind = iota
	RequestsRemaining
	RequestsReset // Unix ms
	TokensLimit
	TokensRemaining
	TokensReset // Unix ms
	NumRateKinds
)

var rateKinds = [NumRateKinds]string{"requests-limit", "requests-remaining", "requests-reset", "tokens-limit", "tokens-remaining", "tokens-reset"}

// String returns the kind's name in a lease.
func (k RateKind) String() string { return rateKinds[k] }

// Note keeps one number that the provider told.
func (r *Rate) Note(k RateKind, n int64) {
	q := &r.requests
	if k >= TokensLimit {
		q = &r.tokens
	}
	switch k {
	case RequestsLimit, TokensLimit:
		q.limit.Store(n)
	case RequestsRemaining, TokensRemaining:
		q.left.Store(max(n, 0) + 1)
	case RequestsReset, TokensReset:
		q.reset.Store(n)
	}
}
