package route

import (
	"fmt"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/abi"
	sdk "github.com/signalbox-ai/signalbox/sdk/route"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Shown is a recorded request as people read it. What the record does not know
// is left out.
type Shown struct {
	Time        time.Time     `json:"time"`
	Rand        string        `json:"rand"`
	Model       string        `json:"model"`
	Tenant      string        `json:"tenant,omitempty"`
	Flags       []string      `json:"flags,omitempty"`
	Size        uint32        `json:"bytes"`
	InTokens    uint32        `json:"input_tokens_estimated"`
	OutTokens   uint32        `json:"output_tokens_allowed,omitempty"`
	Priority    uint32        `json:"priority,omitempty"`
	Attempt     uint32        `json:"attempts_before,omitempty"`
	LastError   string        `json:"last_error,omitempty"`
	BudgetLeft  int64         `json:"budget_left_nano_usd,omitempty"`
	BudgetOf    int64         `json:"budget_nano_usd,omitempty"`
	NeedTags    []string      `json:"tags_needed,omitempty"`
	DenyTags    []string      `json:"tags_denied,omitempty"`
	Session     string        `json:"session,omitempty"` // a hash
	Prefix      string        `json:"prefix,omitempty"`  // a hash
	Sticky      string        `json:"answered_last,omitempty"`
	Key         string        `json:"key,omitempty"`
	Team        string        `json:"team,omitempty"`
	User        string        `json:"user,omitempty"`
	Metadata    []string      `json:"metadata,omitempty"`
	Features    *abi.Features `json:"features,omitempty"`
	Candidates  []ShownTarget `json:"-"`
	TargetNames []string      `json:"-"` // of the candidates
}

// ShownTarget is a candidate with its live state at that moment.
type ShownTarget struct {
	Target       string   `json:"target"`
	Region       string   `json:"region,omitempty"`
	Tags         []string `json:"tags,omitempty"`
	Priority     uint32   `json:"priority"`
	Weight       uint32   `json:"weight"`
	Quality      float64  `json:"quality,omitempty"`
	PriceIn      int64    `json:"input_nano_usd_per_1k"`
	PriceOut     int64    `json:"output_nano_usd_per_1k"`
	Context      uint32   `json:"context,omitempty"`
	TTFTMS       float64  `json:"ttft_ms,omitempty"`
	TokenMS      float64  `json:"token_ms,omitempty"`
	ErrorRate    float64  `json:"error_rate"`
	InFlight     uint32   `json:"in_flight"`
	MaxInFlight  uint32   `json:"max_in_flight,omitempty"`
	Circuit      string   `json:"circuit"`
	RequestsLeft *int32   `json:"requests_left,omitempty"`
	TokensLeft   *int32   `json:"tokens_left,omitempty"`
	RetryAfterMS uint32   `json:"retry_after_ms,omitempty"`
}

var flagNames = [...]string{"stream", "tools", "images", "audio", "files", "cache_control"}

var circuitNames = [...]string{"closed", "half-open", "open"}

// Show reads a record; tags are the names of the tags' bits, as far as they are
// known. The result does not refer to it.
func Show(record []byte, tags []string) (*Shown, error) {
	var req sdk.Request
	if err := req.Load(aligned(record)); err != nil {
		return nil, fmt.Errorf("cannot read the record of a decision: %w", err)
	}
	text := func(s abi.Str) string { return strings.Clone(req.Text(s)) }
	s := &Shown{Time: time.UnixMilli(int64(req.NowMS)).UTC(), Rand: hash(req.Rand), Model: text(req.Model), Tenant: text(req.Tenant),
		Flags: bits(uint64(req.Flags), flagNames[:]), Size: req.Size, InTokens: req.InTokens, OutTokens: req.OutTokens,
		Priority: req.Priority, Attempt: req.Attempt, BudgetLeft: req.Budget, BudgetOf: req.BudgetMax,
		NeedTags: bits(req.NeedTags, tags), DenyTags: bits(req.DenyTags, tags), Session: hash(req.Session), Prefix: hash(req.Prefix),
		Key: text(req.Key), Team: text(req.Team), User: text(req.User)}
	if req.LastError != 0 {
		s.LastError = wire.Class(min(req.LastError, abi.ErrorPolicy)).String()
	}
	if meta := text(req.Meta); meta != "" {
		s.Metadata = strings.Split(meta, "\n")
	}
	if req.Features != (abi.Features{}) {
		f := req.Features
		s.Features = &f
	}
	for i := range req.Len() {
		t := showTarget(&req, req.Target(i), tags)
		s.Candidates = append(s.Candidates, t)
		s.TargetNames = append(s.TargetNames, t.Target)
	}
	if n := int(req.Sticky); n > 0 && n <= len(s.TargetNames) {
		s.Sticky = s.TargetNames[n-1]
	}
	return s, nil
}

func showTarget(req *sdk.Request, t *sdk.Target, tags []string) ShownTarget {
	known := func(n int32) *int32 {
		if n < 0 {
			return nil
		}
		return &n
	}
	return ShownTarget{Target: strings.Clone(req.Text(t.ID)), Region: strings.Clone(req.Text(t.Region)), Tags: bits(t.Tags, tags),
		Priority: t.Priority, Weight: t.Weight, Quality: t.Quality, PriceIn: t.PriceIn, PriceOut: t.PriceOut, Context: t.Context,
		TTFTMS: t.TTFTMS, TokenMS: t.TokenMS, ErrorRate: t.ErrorRate, InFlight: t.InFlight, MaxInFlight: t.MaxInFlight,
		Circuit: circuitNames[min(t.Circuit, abi.CircuitOpen)], RequestsLeft: known(t.RequestsLeft), TokensLeft: known(t.TokensLeft),
		RetryAfterMS: t.RetryAfterMS}
}

// bits are the names of the bits that are set.
func bits(set uint64, names []string) (out []string) {
	for i := range 64 {
		switch {
		case set&(1<<i) == 0:
		case i < len(names):
			out = append(out, names[i])
		default:
			out = append(out, fmt.Sprintf("tag %d", i))
		}
	}
	return out
}

func hash(v uint64) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf("%016x", v)
}
