package filter

import "github.com/signalbox-ai/signalbox/sdk/internal/guest"

// Config is what an instance is configured with before its first window.
type Config = guest.Config

// One instance runs one call at a time, so this is all the memory it needs.
var (
	look    func(*Window, *Verdict)
	window  Window
	verdict Verdict
)

// Handle sets what looks at windows; call it in init.
func Handle(f func(*Window, *Verdict)) { look = f }

// OnConfig sets what reads the configuration; an error refuses the module. Call it in init.
func OnConfig(f func(Config) error) { guest.OnConfig = f }

// Run looks at an encoded window, aligned to 8 bytes, and returns the encoded
// verdict. The gateway's call ends here, and so may an author's test. The bytes
// are valid until the next Run; nil is no verdict.
func Run(record []byte) []byte {
	if look == nil || window.Load(record) != nil {
		return nil
	}
	verdict.Reset()
	look(&window, &verdict)
	return verdict.Bytes()
}

// Configure gives the module an encoded configuration, aligned to 8 bytes.
func Configure(record []byte) error { return guest.Configure(record) }

// Log tells the gateway's log a line, abi.LevelInfo or another; the manifest
// grants it by "log". In an author's test nothing is told.
func Log(level uint32, text string) { guest.Log(level, text) }

// CounterAdd adds to one of 64 counters that all instances of the module share,
// and that outlive them and their version, and returns what it then is; the
// manifest grants it by "counters". It is not for OnConfig.
func CounterAdd(id uint32, delta int64) int64 { return guest.CounterAdd(id, delta) }

// Metric sets one of 64 metrics of the module; the manifest grants it by "metrics".
func Metric(id uint32, value float64) { guest.Metric(id, value) }
