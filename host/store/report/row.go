package report

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// AppendUnits appends what r used beside text tokens as JSON, nothing if it did
// not.
func AppendUnits(b []byte, r *call.Record) []byte {
	start := len(b)
	add := func(name string, v int64) {
		sep := byte(',')
		if len(b) == start {
			sep = '{'
		}
		b = append(append(append(b, sep, '"'), name...), `":`...)
		b = strconv.AppendInt(b, v, 10)
	}
	for i, v := range r.Usage.Buckets() {
		if i >= TextBuckets && *v != 0 {
			add(wire.BucketNames[i], *v)
		}
	}
	if r.Computed != 0 {
		add(computed, r.Computed)
	}
	if len(b) == start {
		return b
	}
	return append(b, '}')
}

const computed = "computed_cost"

// ReadUnits puts units into r.
func ReadUnits(units []byte, r *call.LedgerRow) error {
	if len(units) == 0 {
		return nil
	}
	var values map[string]int64
	if err := json.Unmarshal(units, &values); err != nil {
		return fmt.Errorf("cannot read units of row %s: %w", r.ID, err)
	}
	for i, v := range r.Usage.Buckets() {
		if i >= TextBuckets {
			*v = values[wire.BucketNames[i]]
		}
	}
	r.Computed = values[computed]
	return nil
}

// attempt is how the ledger shows one.
type attempt struct {
	Target string `json:"target"`
	Status int    `json:"status,omitempty"`
	Class  string `json:"class,omitempty"`
	US     int64  `json:"us"`
	Cost   int64  `json:"cost,omitempty"`
}

// Attempts is attempts as JSON, nil for a single one: it says nothing that the
// row does not.
func Attempts(attempts []call.Attempt) ([]byte, error) {
	if len(attempts) < 2 {
		return nil, nil
	}
	list := make([]attempt, len(attempts))
	for i, a := range attempts {
		list[i] = attempt{Status: a.Status, Class: a.Class.String(), US: a.Duration.Microseconds(), Cost: a.Cost}
		if a.Target != nil {
			list[i].Target = a.Target.Name
		}
	}
	return json.Marshal(list)
}

// Sums add up what a batch of rows comes to.
type Sums struct {
	Requests, Cost, Saved int64
	Usage                 wire.Usage
}

// Add adds r.
func (s *Sums) Add(r *call.Record) {
	s.Requests += r.Requests()
	s.Cost += r.Cost
	s.Saved += r.Saved
	s.Usage.Add(&r.Usage)
}

// Hour is the hour that r counts for, since 1970.
func Hour(r *call.Record) int64 { return (int64(r.ID)>>22/1000 + epoch) / hour }

// Columns of Requests that are no field of a row as they are.
const (
	RowID = iota
	RowCount
	RowStream   = 14
	RowUnits    = 34
	RowAttempts = 35
	RowParent   = 36
	NumRow      = 37
)

// RowFields are where texts and numbers of a row go, by column; nil: elsewhere.
func RowFields(r *call.LedgerRow) (texts [NumRow]*string, numbers [NumRow]*int64) {
	copy(texts[2:], []*string{&r.KeyID, &r.KeyName, &r.Org, &r.Project, &r.Team, &r.User,
		&r.Op, &r.Dialect, &r.Asked, &r.Target, &r.Route, &r.Policy, nil,
		&r.Origin, &r.Cached, nil, &r.Class, &r.Code, &r.Provenance, &r.Address})
	u := &r.Usage
	copy(numbers[17:], []*int64{&r.Status, nil, nil, nil, nil, &r.DurationUS, &r.OverheadUS, &r.TTFTUS,
		&u.Input, &u.CacheRead, &u.CacheWrite5m, &u.CacheWrite1h, &u.Output, &u.Reasoning, &r.Cost, &r.Reserved, &r.Saved})
	return texts, numbers
}
