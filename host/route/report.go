package route

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/host/wasm"
	"github.com/signalbox-ai/signalbox/sdk/abi"
)

// Decision is one that was recorded, and what came of it.
type Decision struct {
	Time      time.Time
	Recording            // Module is empty where none was asked
	Plan      *call.Plan // that was acted on
	Outcomes  []Tried
}

// Tried is one attempt of a recorded request.
type Tried struct {
	Target string
	Failed bool
	Cost   int64         // nano-dollars
	TTFT   time.Duration // 0: no byte came
	Total  time.Duration
}

// Report is what repeating recorded decisions on a version has shown.
type Report struct {
	Version    string         `json:"version"`
	Decisions  int            `json:"decisions"`
	From       time.Time      `json:"from,omitzero"`
	To         time.Time      `json:"to,omitzero"`
	RecordedBy map[string]int `json:"recorded_by"` // versions, by label

	Same        int    `json:"same"`         // whole plans
	FirstChoice int    `json:"first_choice"` // of another target
	Later       int    `json:"later"`        // the first choice is the same, what follows or its terms are not
	Declines    int    `json:"declines"`     // by the version; Declined: as recorded
	Declined    int    `json:"declined"`
	Refusals    int    `json:"refusals"`
	Refused     int    `json:"refused"`
	Pairs       []Pair `json:"pairs"` // changed first choices, the commonest first

	Failed    int            `json:"failed"`
	Faults    map[string]int `json:"faults"` // by kind
	FuelP50   int64          `json:"fuel_p50"`
	FuelMax   int64          `json:"fuel_max"`
	FuelLimit int64          `json:"fuel_limit"`
	Checked   int            `json:"checked"` // repeated on fresh instances
	Diverged  int            `json:"diverged"`

	Expected *Expected     `json:"expected,omitempty"` // nil: no outcome is known
	Targets  []TargetMeans `json:"targets"`
	Method   string        `json:"method"`
	Passed   bool          `json:"passed"`
}

// Pair is a first choice that changes; "" stands for a refusal.
type Pair struct {
	From      string `json:"from"`
	To        string `json:"to"`
	Decisions int    `json:"decisions"`
}

// Expected is what requests would come to, beside what those recorded did, per
// request: dollars and milliseconds.
type Expected struct {
	Decisions   int     `json:"decisions"`
	CostBefore  float64 `json:"cost_before_usd"`
	CostThen    float64 `json:"cost_then_usd"`
	TTFTBefore  float64 `json:"ttft_before_ms"`
	TTFTThen    float64 `json:"ttft_then_ms"`
	TotalBefore float64 `json:"total_before_ms"`
	TotalThen   float64 `json:"total_then_ms"`
}

// TargetMeans are what attempts at a target came to: dollars and milliseconds.
type TargetMeans struct {
	Name     string  `json:"name"`
	Attempts int     `json:"attempts"`
	Failed   int     `json:"failed"`
	Cost     float64 `json:"cost_usd"`
	TTFT     float64 `json:"ttft_ms"`
	Total    float64 `json:"total_ms"`
}

// method says how expectations come about.
const method = "Expected figures are the means of each target's recorded attempts in the window, weighted by how often it is the first choice; " +
	"decisions whose old or new first choice has no recorded attempt are left out. What prompts would cost at a target that did not get them is not known."

// freshChecks is how many decisions are repeated on fresh instances as well.
const freshChecks = 32

// Summary is a line on the report.
func (r *Report) Summary() string {
	s := fmt.Sprintf("%d decisions, %d other first choices, %d failures", r.Decisions, r.FirstChoice, r.Failed)
	if r.Diverged > 0 {
		s += fmt.Sprintf(", %d not repeatable", r.Diverged)
	}
	return s
}

// comparison is a report in the making.
type comparison struct {
	*Report
	version *wasm.Version
	in      *wasm.Instance
	fuel    []int64
	pairs   map[[2]string]int
	targets map[string]*means
	fresh   []Decision
	next    int // the decision after which another is checked
	plan    call.Plan
}

type means struct{ attempts, failed, cost, firsts, ttft, total int64 }

// Compare repeats recorded decisions on a version that serves no traffic. each
// hands them over, oldest first. What a decision needs of a module's counters is
// answered by counters of the trial's own, which begin at zero.
func (r *Router) Compare(name string, src lane.Source, each func(func(*Decision) error) error) (*Report, error) {
	src.Apart = true
	v, err := r.Compile(name, src)
	if err != nil {
		return nil, fmt.Errorf("cannot try route %q: %w", name, err)
	}
	defer v.Close()
	c := &comparison{Report: &Report{Version: v.Label, RecordedBy: map[string]int{}, Faults: map[string]int{}, Pairs: []Pair{}, Targets: []TargetMeans{}, Method: method},
		version: v.Module(), pairs: map[[2]string]int{}, targets: map[string]*means{}}
	var slot wasm.Slot
	slot.Swap(v.Module())
	defer slot.Swap(nil)
	err = each(func(d *Decision) error { return c.one(&slot, d) })
	if c.in != nil {
		c.in.Release(nil)
	}
	if err != nil {
		return nil, err
	}
	c.check()
	c.finish()
	return c.Report, nil
}

// one repeats a decision.
func (c *comparison) one(slot *wasm.Slot, d *Decision) error {
	if len(d.Record) < abi.RequestSize || d.Plan == nil {
		return nil // of an older program
	}
	if c.in == nil {
		var err error
		if c.in, err = slot.Acquire(); err != nil {
			return err
		}
	}
	c.Decisions++
	if c.From.IsZero() {
		c.From = d.Time
	}
	c.To = d.Time
	c.RecordedBy[cmp.Or(d.Module, builtin)]++
	for i := range d.Outcomes {
		c.outcome(&d.Outcomes[i])
	}
	declines, err := c.decide(d)
	if err != nil {
		c.Failed++
		c.Faults[wasm.FaultOf(err).String()]++
		c.in.Release(err) // it is torn
		c.in = nil
		return nil
	}
	c.count(d, declines)
	if c.Decisions > c.next && len(c.fresh) < freshChecks { // ever more rarely: they are spread over the window
		c.next = c.next*5/4 + 1
		c.fresh = append(c.fresh, Decision{Recording: Recording{Recording: wasm.Recording{Record: slices.Clone(d.Record), Calls: slices.Clone(d.Calls)}}})
	}
	return nil
}

// decide has the version decide d into c.plan.
func (c *comparison) decide(d *Decision) (declines bool, err error) {
	b, err := c.in.Buffer(len(d.Record))
	if err != nil {
		return false, err
	}
	copy(b, d.Record)
	answer, err := c.in.Call(len(d.Record))
	c.fuel = append(c.fuel, c.in.Spent())
	if err != nil {
		return false, err
	}
	return len(answer) == 0, readPlan(answer, d.Record, targetsOf(d.Record), &c.plan)
}

// targetsOf is how many targets a record has.
func targetsOf(record []byte) int {
	return int(min(binary.LittleEndian.Uint32(record[unsafe.Offsetof(request.Targets):]), call.MaxCandidates))
}

// count adds what c.plan is beside d's.
func (c *comparison) count(d *Decision, declines bool) {
	if declines {
		c.Declines++
	}
	if d.Module != "" && d.Plan.Route == builtin {
		c.Declined++
	}
	if c.plan.Code != 0 {
		c.Refusals++
	}
	if d.Plan.Code != 0 {
		c.Refused++
	}
	from, to := firstTarget(d.Record, d.Plan), firstTarget(d.Record, &c.plan)
	c.pairs[[2]string{from, to}]++
	switch what := difference(d.Plan, &c.plan); {
	case what == "":
		c.Same++
	case from != to:
		c.FirstChoice++
	default:
		c.Later++
	}
}

func (c *comparison) outcome(o *Tried) {
	m := c.targets[o.Target]
	if m == nil {
		m = &means{}
		c.targets[o.Target] = m
	}
	m.attempts++
	m.cost += o.Cost
	m.total += o.Total.Microseconds()
	if o.Failed {
		m.failed++
	}
	if o.TTFT > 0 {
		m.firsts++
		m.ttft += o.TTFT.Microseconds()
	}
}

// check repeats some decisions on fresh instances, twice on each: a module that
// keeps state, or takes chance from elsewhere than the record, is found out.
func (c *comparison) check() {
	for i := range c.fresh {
		r := &c.fresh[i].Recording
		_, err := replay(c.version, r, 1)
		if errors.Is(err, wasm.ErrDiverged) && len(r.Calls) > 0 {
			continue // it asks its counters for something else than the version before
		}
		c.Checked++
		if errors.Is(err, wasm.ErrDiverged) {
			c.Diverged++
		}
	}
}

func (c *comparison) finish() {
	c.FuelLimit = wasm.Fuel
	if n := len(c.fuel); n > 0 {
		slices.Sort(c.fuel)
		c.FuelP50, c.FuelMax = c.fuel[n/2], c.fuel[n-1]
	}
	for _, name := range slices.Sorted(maps.Keys(c.targets)) {
		m := c.targets[name]
		c.Targets = append(c.Targets, TargetMeans{Name: name, Attempts: int(m.attempts), Failed: int(m.failed), Cost: m.meanCost(), TTFT: m.meanTTFT(), Total: m.meanTotal()})
	}
	c.expect()
	for pair, n := range c.pairs {
		if pair[0] != pair[1] {
			c.Pairs = append(c.Pairs, Pair{pair[0], pair[1], n})
		}
	}
	slices.SortFunc(c.Pairs, func(a, b Pair) int {
		return cmp.Or(cmp.Compare(b.Decisions, a.Decisions), strings.Compare(a.From, b.From), strings.Compare(a.To, b.To))
	})
	c.Passed = c.Decisions > 0 && c.Failed == 0 && c.Diverged == 0
}

func (m *means) meanCost() float64  { return float64(m.cost) / float64(m.attempts) / 1e9 }
func (m *means) meanTotal() float64 { return float64(m.total) / float64(m.attempts) / 1e3 }
func (m *means) meanTTFT() float64 {
	if m.firsts == 0 {
		return 0
	}
	return float64(m.ttft) / float64(m.firsts) / 1e3
}

// expect weighs the targets' means by the first choices.
func (c *comparison) expect() {
	var e Expected
	for pair, n := range c.pairs {
		from, to := c.targets[pair[0]], c.targets[pair[1]]
		if from == nil || to == nil {
			continue
		}
		w := float64(n)
		e.Decisions += n
		e.CostBefore += w * from.meanCost()
		e.CostThen += w * to.meanCost()
		e.TTFTBefore += w * from.meanTTFT()
		e.TTFTThen += w * to.meanTTFT()
		e.TotalBefore += w * from.meanTotal()
		e.TotalThen += w * to.meanTotal()
	}
	if e.Decisions == 0 {
		return
	}
	for _, v := range []*float64{&e.CostBefore, &e.CostThen, &e.TTFTBefore, &e.TTFTThen, &e.TotalBefore, &e.TotalThen} {
		*v /= float64(e.Decisions)
	}
	c.Expected = &e
}
