package call

import "time"

// RateState is where a caller stands with the tightest of its rates of one unit.
type RateState struct {
	Set   bool // there is one
	Limit int64
	Left  int64
	Reset time.Duration // from Received until nothing is counted any more
}

// RateStates are those that answers tell of.
type RateStates struct{ Requests, Tokens RateState }
