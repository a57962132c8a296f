package call

import "time"

// Passed is what the requests come to that finished within a time of one node.
type Passed struct {
	From     time.Time
	Requests int64
	Errors   int64 // failed or refused
	Refused  int64 // by the gateway itself
	Cached   int64 // answered without asking anew
	Input    int64 // tokens
	Output   int64 // tokens
	Cost     int64 // nano-dollars

	// Of those that were not refused, 0: there are none.
	P50, P95 time.Duration
	Overhead time.Duration // the median of what the gateway itself added

	Running int64 // at the end of the time
}
