package host

import (
	"strconv"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/provider/proto"
)

// longestReset is for how long a provider's limit is believed to be spent: one
// wild value must not take a credential out of use for days.
const longestReset = time.Hour

// noteRate keeps what an answer says of the rate limit of the credential that
// the request was made with: on a direct lease in the upstream's own headers,
// from an adapter in one of the contract.
func noteRate(cred *call.Credential, ep *call.Endpoint, header func(name string) []byte) {
	if !ep.Direct() {
		if h := header(proto.HeaderRate); len(h) > 0 {
			noteTold(cred, string(h), time.Now())
		}
		return
	}
	for kind, name := range ep.RateHeaders {
		if name == "" {
			continue
		}
		if v := header(name); len(v) > 0 {
			noteHeader(cred, call.RateKind(kind), string(v), time.Now())
		}
	}
}

func noteHeader(cred *call.Credential, kind call.RateKind, text string, now time.Time) {
	if kind == call.RequestsReset || kind == call.TokensReset {
		if d, ok := proto.ParseReset(text, now); ok {
			cred.Rate.Note(kind, now.Add(min(d, longestReset)).UnixMilli())
		}
		return
	}
	if n, err := strconv.ParseFloat(text, 64); err == nil && n >= 0 && n < 1<<53 {
		cred.Rate.Note(kind, int64(n))
	}
}

// noteTold reads the contract's header: "requests-remaining=12;tokens-reset-ms=350".
func noteTold(cred *call.Credential, text string, now time.Time) {
	for part := range strings.SplitSeq(text, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 {
			continue
		}
		plain, isReset := strings.CutSuffix(name, "-ms")
		for kind := range call.NumRateKinds {
			if kind.String() != plain {
				continue
			}
			if isReset {
				n = now.UnixMilli() + min(n, longestReset.Milliseconds())
			}
			cred.Rate.Note(kind, n)
		}
	}
}
