package route

import "github.com/signalbox-ai/signalbox/sdk/internal/guest"

// Config is what an instance is configured with before its first decision.
type Config = guest.Config

// One instance runs one call at a time, so this is all the memory it needs.
var (
	decide  func(*Request, *Plan)
	request Request
	plan    Plan
)

// Handle sets the decision; call it in init.
func Handle(f func(*Request, *Plan)) { decide = f }

// OnConfig sets what reads the configuration; an error refuses the module. Call it in init.
func OnConfig(f func(Config) error) { guest.OnConfig = f }

// Run decides on an encoded record, aligned to 8 bytes, and returns the encoded
// plan, nil when the module declines. The gateway's call ends here, and so may
// an author's test. The bytes are valid until the next Run.
func Run(record []byte) []byte {
	if decide == nil || request.Load(record) != nil {
		return nil
	}
	plan.Reset()
	decide(&request, &plan)
	return plan.Bytes()
}

// Configure gives the module an encoded configuration, aligned to 8 bytes.
func Configure(record []byte) error { return guest.Configure(record) }

// Log tells the gateway's log a line, abi.LevelInfo or another; the manifest
// grants it by "log". In an author's test nothing is told.
func Log(level uint32, text string) { guest.Log(level, text) }

// CounterAdd adds to one of 64 counters that all instances of the module share,
// and that outlive them and their version, and returns what it then is; the
// manifest grants it by "counters". It is for decisions, not for OnConfig: what
// it answers is recorded, so that a decision can be repeated.
func CounterAdd(id uint32, delta int64) int64 { return guest.CounterAdd(id, delta) }

// Metric sets one of 64 metrics of the module; the manifest grants it by "metrics".
func Metric(id uint32, value float64) { guest.Metric(id, value) }
