//go:build race

package policy

const soundnessCalls = 50 // the detector is slow, and concurrency is tested elsewhere

const leastHits = 0 // of so few
