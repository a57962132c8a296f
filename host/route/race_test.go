//go:build race

package route

// leakCalls is how often the leak test calls.
const leakCalls = 30_000
