package provider

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/provider/proto"
)

// Rate is what an upstream says of its rate limit, for the credential that a
// request was made with. Fields that it does not speak of are nil.
type Rate struct {
	RequestsLimit, RequestsRemaining *int64
	TokensLimit, TokensRemaining     *int64
	RequestsReset, TokensReset       *time.Duration // until the limit is whole again
}

// Read reads the headers of an upstream's answer.
func (h RateHeaders) Read(header func(name string) string, now time.Time) (r Rate) {
	for _, f := range []struct {
		name string
		to   **int64
	}{{h.RequestsLimit, &r.RequestsLimit}, {h.RequestsRemaining, &r.RequestsRemaining}, {h.TokensLimit, &r.TokensLimit}, {h.TokensRemaining, &r.TokensRemaining}} {
		if f.name == "" {
			continue
		}
		if n, err := strconv.ParseFloat(strings.TrimSpace(header(f.name)), 64); err == nil && n >= 0 && n < math.MaxInt64/2 {
			whole := int64(n)
			*f.to = &whole
		}
	}
	for _, f := range []struct {
		name string
		to   **time.Duration
	}{{h.RequestsReset, &r.RequestsReset}, {h.TokensReset, &r.TokensReset}} {
		if f.name == "" {
			continue
		}
		if d, ok := ParseReset(header(f.name), now); ok {
			*f.to = &d
		}
	}
	return r
}

// ParseReset reads when a rate limit is whole again: seconds, a duration
// ("6m0s", "120ms"), a time (RFC 3339) or a Unix time in seconds or milliseconds.
func ParseReset(s string, now time.Time) (time.Duration, bool) { return proto.ParseReset(s, now) }

// header is the form on the data socket, "" for nothing.
func (r *Rate) header() string {
	var b []byte
	put := func(name string, n int64) {
		if len(b) > 0 {
			b = append(b, ';')
		}
		b = strconv.AppendInt(append(append(b, name...), '='), n, 10)
	}
	for _, f := range []struct {
		name string
		v    *int64
	}{{"requests-limit", r.RequestsLimit}, {"requests-remaining", r.RequestsRemaining}, {"tokens-limit", r.TokensLimit}, {"tokens-remaining", r.TokensRemaining}} {
		if f.v != nil {
			put(f.name, *f.v)
		}
	}
	for _, f := range []struct {
		name string
		v    *time.Duration
	}{{"requests-reset-ms", r.RequestsReset}, {"tokens-reset-ms", r.TokensReset}} {
		if f.v != nil {
			put(f.name, f.v.Milliseconds())
		}
	}
	return string(b)
}
