package call

import "time"

// Alert is something that people are to be told of once: whoever notices it
// again, here or on another node, finds it known by Kind, Scope, Window, Start
// and Mark.
type Alert struct {
	ID     int64
	Kind   string // "budget", "ledger", …
	Scope  string // what it is about: "team/core", "openai/main"
	Window string // "1 day Europe/Berlin"
	Start  int64  // of the window, Unix seconds
	End    int64  // of the window, Unix seconds; math.MaxInt64: never
	Mark   string // what of the window was passed: "80", "forecast"
	Time   time.Time
	Body   []byte // JSON, what receivers get

	Deliveries []Delivery
}

// Delivery is an alert on its way to one receiver.
type Delivery struct {
	ID    int64
	To    string
	Tries int
	Next  time.Time // when it is tried; zero: never again
	Done  time.Time // zero: it has not arrived
	Err   string    // of the last try
	Alert *Alert
}
