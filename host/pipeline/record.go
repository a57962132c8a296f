package pipeline

import (
	"encoding/json"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Status is what became of a run or a step.
type Status string

// The statuses.
const (
	StatusOK        Status = "ok"
	StatusFailed    Status = "failed"
	StatusSkipped   Status = "skipped"   // its condition did not hold, or on_error: skip
	StatusDefaulted Status = "defaulted" // on_error: default
	StatusCancelled Status = "cancelled" // another step failed, or the caller left
)

// USD is an amount in nano-dollars that JSON shows as dollars.
type USD int64

// MarshalJSON implements json.Marshaler.
func (u USD) MarshalJSON() ([]byte, error) { return call.AppendUSD(nil, int64(u)), nil }

// UnmarshalJSON implements json.Unmarshaler.
func (u *USD) UnmarshalJSON(b []byte) error {
	n, err := call.ParseUSD(string(b))
	*u = USD(n)
	return err
}

// Record is what a run did.
type Record struct {
	ID       string        `json:"id"`
	Object   string        `json:"object"` // "pipeline.run"
	Pipeline string        `json:"pipeline"`
	Status   Status        `json:"status"`
	Began    time.Time     `json:"created_at"`
	Duration float64       `json:"duration_ms"`
	Output   any           `json:"output"`
	Steps    []*StepRecord `json:"steps"`
	Cost     USD           `json:"cost_usd"`
	Tree     *CostNode     `json:"cost"`
	Usage    Tokens        `json:"usage"`
	Error    *ErrorRecord  `json:"error,omitempty"`

	usage wire.Usage // of all steps
}

// StepRecord is what one step did, or one item of a step that has each.
type StepRecord struct {
	Name     string        `json:"name"`
	Index    *int          `json:"index,omitempty"` // of an item
	Op       string        `json:"op,omitempty"`
	Model    string        `json:"model,omitempty"` // provider/model that answered, or was asked last
	Status   Status        `json:"status"`
	Request  string        `json:"request_id,omitempty"`  // of the last try
	Requests []string      `json:"request_ids,omitempty"` // of all, where there were several
	Attempts int           `json:"attempts"`              // at upstreams, over all tries
	Cost     USD           `json:"cost_usd"`
	Duration float64       `json:"duration_ms"`
	Usage    *Tokens       `json:"usage,omitempty"`
	Error    *ErrorRecord  `json:"error,omitempty"`
	Items    []*StepRecord `json:"items,omitempty"` // of each
	Steps    []*StepRecord `json:"steps,omitempty"` // of a group

	usage wire.Usage
}

// Tokens are counts of tokens.
type Tokens struct {
	Input  int64 `json:"input_tokens"`
	Output int64 `json:"output_tokens"`
	Total  int64 `json:"total_tokens"`
}

// ErrorRecord is why something failed.
type ErrorRecord struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// CostNode is a step in the tree of what a run cost.
type CostNode struct {
	Name     string      `json:"name"`
	Cost     USD         `json:"cost_usd"`
	Children []*CostNode `json:"children,omitempty"`
}

func tokensOf(u *wire.Usage) Tokens {
	return Tokens{Input: u.Prompt(), Output: u.Completion(), Total: u.Total()}
}

func errorOf(e *wire.Error) *ErrorRecord {
	if e == nil {
		return nil
	}
	return &ErrorRecord{Code: e.Code, Message: e.Message}
}

// took notes how long it was since began, in milliseconds.
func took(began time.Time) float64 {
	return float64(time.Since(began).Microseconds()) / 1000
}

// sum adds up what lies within r.
func (r *StepRecord) sum() {
	for _, list := range [][]*StepRecord{r.Items, r.Steps} {
		for _, s := range list {
			r.Cost += s.Cost
			r.Attempts += s.Attempts
			r.usage.Add(&s.usage)
		}
	}
	if r.usage != (wire.Usage{}) {
		t := tokensOf(&r.usage)
		r.Usage = &t
	}
}

// finish adds up what a run did.
func (r *Record) finish() {
	r.Duration = took(r.Began)
	r.Sum()
	r.Usage = tokensOf(&r.usage)
}

// Sum makes the tree of what a run cost.
func (r *Record) Sum() {
	r.Tree = &CostNode{Name: "pipeline/" + r.Pipeline}
	for _, s := range r.Steps {
		r.Cost += s.Cost
		r.usage.Add(&s.usage)
		r.Tree.Children = append(r.Tree.Children, s.node())
	}
	r.Tree.Cost = r.Cost
}

func (r *StepRecord) node() *CostNode {
	n := &CostNode{Name: r.Name, Cost: r.Cost}
	for _, list := range [][]*StepRecord{r.Items, r.Steps} {
		for _, s := range list {
			n.Children = append(n.Children, s.node())
		}
	}
	return n
}

// AllUsage is that of all steps.
func (r *Record) AllUsage() wire.Usage { return r.usage }

// Append appends r as JSON.
func (r *Record) Append(dst []byte) ([]byte, *wire.Error) {
	output, err := appendJSON(nil, r.Output, maxRequest)
	if err != nil {
		return nil, wire.Errorf(500, "output_too_large", "the output of pipeline %q cannot be written: %v", r.Pipeline, err)
	}
	shown := *r
	shown.Output = json.RawMessage(output)
	b, err := json.Marshal(&shown)
	if err != nil {
		return nil, wire.Errorf(500, "internal_error", "the record of pipeline %q cannot be written: %v", r.Pipeline, err)
	}
	return append(dst, b...), nil
}
