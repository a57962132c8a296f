//go:build race

package policy

// The detector is slow, and concurrency is tested elsewhere.
const (
	soundnessCalls = 50
	plantedCalls   = 4000
)
