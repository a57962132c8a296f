package gather

import (
	"math/bits"
	"slices"
)

// Portion divides a sum by weights: the parts add up to the sum, and none is
// more than one away from its exact share. Weights below 1 count as 1.
func Portion(sum int64, weights []int64) []int64 {
	out, rests := make([]int64, len(weights)), make([]uint64, len(weights))
	var total uint64
	for _, w := range weights {
		total += uint64(max(w, 1))
	}
	left := sum
	for i, w := range weights {
		hi, lo := bits.Mul64(uint64(sum), uint64(max(w, 1)))
		var share uint64
		share, rests[i] = bits.Div64(hi, lo, total)
		out[i] = int64(share)
		left -= out[i]
	}
	byRest := make([]int, len(weights))
	for i := range byRest {
		byRest[i] = i
	}
	slices.SortStableFunc(byRest, func(a, b int) int {
		switch {
		case rests[a] > rests[b]:
			return -1
		case rests[a] < rests[b]:
			return 1
		}
		return 0
	})
	for _, i := range byRest[:left] {
		out[i]++
	}
	return out
}
