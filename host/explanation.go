package host

import (
	"time"

	"github.com/signalbox-ai/signalbox/host/route"
)

// explanation is a kept decision as people read it.
type explanation struct {
	Request   string    `json:"request"`
	Time      time.Time `json:"time"`
	Operation string    `json:"operation"`
	Dialect   string    `json:"dialect"`
	Stream    bool      `json:"stream"`
	Model     string    `json:"model"`
	Key       struct {
		ID   string `json:"id"`
		Name string `json:"name"`
		Org  string `json:"org,omitempty"`
		Team string `json:"team,omitempty"`
	} `json:"key"`
	Policy     explainedPolicy     `json:"policy"`
	Route      explainedRoute      `json:"route"`
	Facts      *route.Shown        `json:"facts,omitempty"`
	Candidates []route.ShownTarget `json:"candidates,omitempty"`
	Counters   []explainedCounter  `json:"counters,omitempty"`
	Plan       *explainedPlan      `json:"plan,omitempty"`
	Again      *explainedAgain     `json:"again,omitempty"`
	Attempts   []explainedAttempt  `json:"attempts"`
	Filters    []explainedVerdict  `json:"filters,omitempty"`
	Outcome    explainedOutcome    `json:"outcome"`
}

type explainedPolicy struct {
	Revision   string   `json:"revision"`
	Allow      bool     `json:"allow"`
	Code       string   `json:"code,omitempty"`
	MaxTokens  int64    `json:"max_tokens,omitempty"`
	Restricted bool     `json:"restricted"`
	Targets    []string `json:"targets,omitempty"`
	Filters    []string `json:"filters,omitempty"`
	Dry        string   `json:"dry_run,omitempty"` // code for which a unit in a dry run would have refused it
}

type explainedRoute struct {
	Name   string `json:"name,omitempty"`   // "": the built-in order
	Module string `json:"module,omitempty"` // that was asked
	Lane   string `json:"lane,omitempty"`
	Rule   int    `json:"rule,omitempty"` // of the model, from 1
}

// explainedCounter is a counter that the module added to, and what it got.
type explainedCounter struct {
	Counter uint32 `json:"counter"`
	Add     int64  `json:"add"`
	Value   int64  `json:"value"`
}

type explainedPlan struct {
	By       string         `json:"by"`
	Code     uint32         `json:"code,omitempty"`
	Reason   string         `json:"reason,omitempty"`
	Attempts []explainedTry `json:"attempts,omitempty"`
}

type explainedTry struct {
	Target       string `json:"target"`
	TimeoutMS    int64  `json:"timeout_ms,omitempty"`
	HedgeMS      int64  `json:"hedge_ms,omitempty"`
	BackoffMS    int64  `json:"backoff_ms,omitempty"`
	BackoffMaxMS int64  `json:"backoff_max_ms,omitempty"`
	Check        bool   `json:"check,omitempty"`
}

// explainedAgain is what came of making the decision again.
type explainedAgain struct {
	By     string         `json:"by"`     // the module's label, or "builtin"
	Result string         `json:"result"` // same, different, failed, gone
	Detail string         `json:"detail"`
	Plan   *explainedPlan `json:"plan,omitempty"` // where it is another
}

type explainedAttempt struct {
	Target      string  `json:"target"`
	Credential  string  `json:"credential,omitempty"`
	StartMS     float64 `json:"start_ms"` // since the request came
	FirstByteMS float64 `json:"first_byte_ms,omitempty"`
	DurationMS  float64 `json:"duration_ms"`
	Status      int     `json:"status,omitempty"`
	Class       string  `json:"class,omitempty"`
	Hedge       bool    `json:"hedge,omitempty"`
	Lost        bool    `json:"lost,omitempty"`
	Rejected    string  `json:"rejected,omitempty"`
	Cost        int64   `json:"cost_nano_usd,omitempty"`
}

type explainedVerdict struct {
	Filter   string `json:"filter"`
	Version  string `json:"version"`
	On       string `json:"on"`     // request, answer
	Action   string `json:"action"` // pass, replace, block, more, escalate, failed
	Code     uint32 `json:"code,omitempty"`
	Findings uint32 `json:"findings"`
	Count    uint32 `json:"count"`
}

type explainedOutcome struct {
	Status     int              `json:"status"`
	Code       string           `json:"code,omitempty"`
	Class      string           `json:"class,omitempty"`
	Target     string           `json:"target,omitempty"`
	Usage      map[string]int64 `json:"usage,omitempty"`
	Cost       int64            `json:"cost_nano_usd"`
	Reserved   int64            `json:"reserved_nano_usd,omitempty"`
	Provenance string           `json:"provenance"`
	TTFTMS     float64          `json:"ttft_ms,omitempty"`
	DurationMS float64          `json:"duration_ms"`
	OverheadMS float64          `json:"overhead_ms"`
}
