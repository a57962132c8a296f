package server

import (
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// rateNames are the headers that tell where a caller stands with one kind of
// rate, canonical as fasthttp writes them.
type rateNames struct{ limit, left, reset []byte }

func named(limit, left, reset string) rateNames {
	return rateNames{[]byte(limit), []byte(left), []byte(reset)}
}

var (
	openAIRequests    = named("X-Ratelimit-Limit-Requests", "X-Ratelimit-Remaining-Requests", "X-Ratelimit-Reset-Requests")
	openAITokens      = named("X-Ratelimit-Limit-Tokens", "X-Ratelimit-Remaining-Tokens", "X-Ratelimit-Reset-Tokens")
	anthropicRequests = named("Anthropic-Ratelimit-Requests-Limit", "Anthropic-Ratelimit-Requests-Remaining", "Anthropic-Ratelimit-Requests-Reset")
	anthropicTokens   = named("Anthropic-Ratelimit-Tokens-Limit", "Anthropic-Ratelimit-Tokens-Remaining", "Anthropic-Ratelimit-Tokens-Reset")
)

// rates tells where the caller stands with the tightest of its rates, as its
// client reads it: Anthropic's names a moment, OpenAI's for how long it is.
func rates(h *fasthttp.ResponseHeader, c *call.Call) {
	if !c.Rates.Requests.Set && !c.Rates.Tokens.Set {
		return
	}
	if c.Dialect == wire.AnthropicMessages {
		rate(h, &anthropicRequests, &c.Rates.Requests, c.Received, true)
		rate(h, &anthropicTokens, &c.Rates.Tokens, c.Received, true)
		return
	}
	rate(h, &openAIRequests, &c.Rates.Requests, c.Received, false)
	rate(h, &openAITokens, &c.Rates.Tokens, c.Received, false)
}

func rate(h *fasthttp.ResponseHeader, n *rateNames, s *call.RateState, now time.Time, moment bool) {
	if !s.Set {
		return
	}
	var scratch [40]byte
	h.SetCanonical(n.limit, strconv.AppendInt(scratch[:0], s.Limit, 10))
	h.SetCanonical(n.left, strconv.AppendInt(scratch[:0], s.Left, 10))
	if moment { // whole seconds, rounded up
		h.SetCanonical(n.reset, now.Add(s.Reset+time.Second-1).UTC().AppendFormat(scratch[:0], time.RFC3339))
	} else {
		h.SetCanonical(n.reset, appendDuration(scratch[:0], s.Reset))
	}
}

// appendDuration appends d like time.Duration's String, to the ms above.
func appendDuration(dst []byte, d time.Duration) []byte {
	ms := int64((d + time.Millisecond - 1) / time.Millisecond)
	switch {
	case ms <= 0:
		return append(dst, "0s"...)
	case ms < 1000:
		return append(strconv.AppendInt(dst, ms, 10), "ms"...)
	}
	h, m := ms/3_600_000, ms/60_000%60
	if h > 0 {
		dst = append(strconv.AppendInt(dst, h, 10), 'h')
	}
	if h > 0 || m > 0 {
		dst = append(strconv.AppendInt(dst, m, 10), 'm')
	}
	dst = strconv.AppendInt(dst, ms/1000%60, 10)
	if frac := ms % 1000; frac > 0 {
		dst = append(dst, '.', byte('0'+frac/100))
		if frac %= 100; frac > 0 {
			if dst = append(dst, byte('0'+frac/10)); frac%10 > 0 {
				dst = append(dst, byte('0'+frac%10))
			}
		}
	}
	return append(dst, 's')
}
