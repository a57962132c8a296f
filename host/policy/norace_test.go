//go:build !race

package policy

const (
	soundnessCalls = 1000 // pairs a policy
	plantedCalls   = 4000 // at most: the first difference ends a run
)
