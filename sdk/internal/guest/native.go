//go:build !wasip1

package guest

import (
	"sync"

	"github.com/signalbox-ai/signalbox/sdk/abi"
)

// Said is what has been told to the host, where there is none: in the tests of
// a module.
var Said struct {
	sync.Mutex
	Lines    []string
	Counters [abi.MaxCounters]int64
	Metrics  [abi.MaxCounters]float64
}

// Log keeps a line.
func Log(_ uint32, text string) {
	Said.Lock()
	defer Said.Unlock()
	Said.Lines = append(Said.Lines, text)
}

// CounterAdd adds to a counter.
func CounterAdd(id uint32, delta int64) int64 {
	Said.Lock()
	defer Said.Unlock()
	Said.Counters[id] += delta
	return Said.Counters[id]
}

// Metric sets a metric.
func Metric(id uint32, value float64) {
	Said.Lock()
	defer Said.Unlock()
	Said.Metrics[id] = value
}
