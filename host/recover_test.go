package host

import (
	"testing"

	"github.com/signalbox-ai/signalbox/host/budget"
	"github.com/signalbox-ai/signalbox/host/call"
)

// TestRecordedAndNeverSent: a request that was recorded and whose bytes never
// left takes neither tokens nor requests, also where the gateway died before it
// could give them back.
func TestRecordedAndNeverSent(t *testing.T) {
	f := func(sent bool, want budget.Amounts) {
		t.Helper()
		o := budget.Orphan{Amounts: budget.Amounts{500, 40, 1}, Sent: sent}
		if got := charged(&o, 7); got != want {
			t.Errorf("sent %t: took %v; want %v", sent, got, want)
		}
	}
	f(true, budget.Amounts{call.UnitUSD: 7, call.UnitTokens: 40, call.UnitRequests: 1})
	f(false, budget.Amounts{call.UnitUSD: 7})
}
