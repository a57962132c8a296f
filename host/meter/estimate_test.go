package meter_test

import (
	"testing"

	"github.com/signalbox-ai/signalbox/host/meter"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

func TestEstimate(t *testing.T) {
	f := func(facts scan.Facts, bytes, events int64, want wire.Usage) {
		t.Helper()
		if got := meter.Estimate(wire.OpChat, nil, &facts, bytes, events); got != want {
			t.Errorf("Estimate(%+v, %d, %d) = %+v, want %+v", facts, bytes, events, got, want)
		}
	}
	f(scan.Facts{Size: 300}, 0, 0, wire.Usage{Input: 100})
	f(scan.Facts{Size: 301}, 90, 0, wire.Usage{Input: 101, Output: 30})
	f(scan.Facts{Size: 3}, 0, 50, wire.Usage{Input: 1, Output: 50})
	f(scan.Facts{Size: 3, MaxTokens: 10}, 900, 0, wire.Usage{Input: 1, Output: 10})
	f(scan.Facts{Size: 3, MaxTokens: 10, N: 3}, 0, 40, wire.Usage{Input: 1, Output: 30})
}
