package host

import (
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

func TestRateHeaders(t *testing.T) {
	direct := &call.Endpoint{}
	for kind, name := range map[call.RateKind]string{call.RequestsRemaining: "x-left", call.RequestsLimit: "x-limit", call.RequestsReset: "x-reset",
		call.TokensRemaining: "x-tokens", call.TokensReset: "x-tokens-reset"} {
		direct.RateHeaders[kind] = name
	}
	adapter := &call.Endpoint{Process: call.NewProcess()}
	f := func(ep *call.Endpoint, headers map[string]string, requests, tokens int64, spent bool) {
		t.Helper()
		c := &call.Credential{}
		noteRate(c, ep, func(name string) []byte { return []byte(headers[name]) })
		now := time.Now().UnixMilli()
		r, _, rok := c.Rate.Requests(now)
		k, _, tok := c.Rate.Tokens(now)
		if !rok {
			r = -1
		}
		if !tok {
			k = -1
		}
		if r != requests || k != tokens || c.Rate.Spent(now) != spent {
			t.Errorf("%v: got %d requests, %d tokens, spent %v", headers, r, k, c.Rate.Spent(now))
		}
	}
	f(direct, nil, -1, -1, false)
	f(direct, map[string]string{"x-left": "7", "x-limit": "10", "x-reset": "6m0s"}, 7, -1, false)
	f(direct, map[string]string{"x-left": "0", "x-reset": "30"}, 0, -1, true)
	f(direct, map[string]string{"x-left": "0"}, -1, -1, false)
	f(direct, map[string]string{"x-left": "-5", "x-reset": "soon", "x-tokens": "NaN"}, -1, -1, false)
	f(direct, map[string]string{"X-Signalbox-Rate": "requests-remaining=0;requests-reset-ms=5000"}, -1, -1, false)
	f(adapter, map[string]string{"X-Signalbox-Rate": "requests-remaining=3;requests-reset-ms=5000;tokens-remaining=0;tokens-reset-ms=60000;x=1;y"}, 3, 0, true)
	f(adapter, map[string]string{"X-Signalbox-Rate": "requests-remaining=-1;requests-reset-ms=99999999999999999"}, -1, -1, false)
	f(adapter, map[string]string{"x-left": "0", "x-reset": "30"}, -1, -1, false)
}

// TestWildResets: a credential is tried again within the hour, whatever its
// provider says of when its limit is whole.
func TestWildResets(t *testing.T) {
	f := func(ep *call.Endpoint, header, value string) {
		t.Helper()
		c := &call.Credential{}
		c.Rate.Note(call.RequestsRemaining, 0)
		noteRate(c, ep, func(name string) []byte {
			if name == header {
				return []byte(value)
			}
			return nil
		})
		now := time.Now()
		if !c.Rate.Spent(now.Add(50*time.Minute).UnixMilli()) || c.Rate.Spent(now.Add(61*time.Minute).UnixMilli()) {
			t.Errorf("%s: %s: the credential does not rest for an hour", header, value)
		}
	}
	direct := &call.Endpoint{}
	direct.RateHeaders[call.RequestsReset] = "x-reset"
	f(direct, "x-reset", "25920000")
	f(direct, "x-reset", time.Now().Add(300*24*time.Hour).Format(time.RFC3339))
	f(&call.Endpoint{Process: call.NewProcess()}, "X-Signalbox-Rate", "requests-remaining=0;requests-reset-ms=25920000000")
}
