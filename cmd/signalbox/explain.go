package main

import (
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

func explainCommand(src *sources) *cobra.Command {
	a := &access{src: src}
	var last int
	c := &cobra.Command{
		Use:   "explain REQUEST-ID",
		Short: "Show how a request was routed and what came of it, and decide it again",
		Long: "Show how a request was routed and what came of it, and decide it again.\n" +
			"The id is in the header x-signalbox-request-id of the answer. Which decisions\n" +
			"are kept, decisions.sample, decisions.per_second and decisions.max say.",
		Example: "  signalbox explain req_0a1b2c3d4e5f6\n  signalbox explain --last 20",
		Args: func(c *cobra.Command, args []string) error {
			if last > 0 && len(args) == 0 {
				return nil
			}
			if last > 0 || len(args) != 1 {
				return hint(fmt.Errorf("explain needs the id of one request, or --last"), "signalbox explain --last 10 lists the latest")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if last > 0 {
				var l decisionList
				return a.show(c, "/admin/decisions?last="+strconv.Itoa(last), &l, l.print)
			}
			var d decision
			return a.show(c, "/admin/decisions/"+url.PathEscape(args[0]), &d, d.print)
		},
	}
	a.flags(c)
	c.Flags().IntVar(&last, "last", 0, "list the latest so many decisions")
	return shown(c)
}

// decisionList is what GET /admin/decisions answers.
type decisionList struct {
	Decisions []struct {
		Request                string
		Time                   time.Time
		Key, Model, By, Target string
		Status                 int
		Cost                   nanoUSD `json:"cost_nano_usd"`
	}
}

// decision is what GET /admin/decisions/{id} answers.
type decision struct {
	Request, Operation, Dialect, Model string
	Time                               time.Time
	Stream                             bool
	Key                                struct{ ID, Name, Org, Team string }
	Policy                             struct {
		Revision, Code    string
		Allow, Restricted bool
		MaxTokens         int64 `json:"max_tokens"`
		Targets, Filters  []string
	}
	Route struct {
		Name, Module, Lane string
		Rule               int
	}
	Facts      *decisionFacts
	Candidates []decisionTarget
	Counters   []struct {
		Counter    uint32
		Add, Value int64
	}
	Plan     *decisionPlan
	Again    *decisionAgain
	Attempts []decisionAttempt
	Filters  []struct {
		Filter, Version, On, Action string
		Code, Findings, Count       uint32
	}
	Outcome decisionOutcome
}

type decisionFacts struct {
	Flags      []string
	InTokens   uint32   `json:"input_tokens_estimated"`
	OutTokens  uint32   `json:"output_tokens_allowed"`
	Bytes      uint32   `json:"bytes"`
	Priority   uint32   `json:"priority"`
	BudgetLeft nanoUSD  `json:"budget_left_nano_usd"`
	BudgetOf   nanoUSD  `json:"budget_nano_usd"`
	NeedTags   []string `json:"tags_needed"`
	DenyTags   []string `json:"tags_denied"`
	Session    string
	Prefix     string
	Last       string `json:"answered_last"`
	Metadata   []string
}

type decisionTarget struct {
	Target, Region, Circuit string
	Tags                    []string
	Priority, Weight        uint32
	PriceIn                 nanoUSD `json:"input_nano_usd_per_1k"`
	PriceOut                nanoUSD `json:"output_nano_usd_per_1k"`
	TTFTMS                  float64 `json:"ttft_ms"`
	TokenMS                 float64 `json:"token_ms"`
	ErrorRate               float64 `json:"error_rate"`
	InFlight                uint32  `json:"in_flight"`
	MaxInFlight             uint32  `json:"max_in_flight"`
	RequestsLeft            *int32  `json:"requests_left"`
	TokensLeft              *int32  `json:"tokens_left"`
	RetryAfterMS            uint32  `json:"retry_after_ms"`
}

type decisionPlan struct {
	By, Reason string
	Code       uint32
	Attempts   []struct {
		Target       string
		TimeoutMS    int64 `json:"timeout_ms"`
		HedgeMS      int64 `json:"hedge_ms"`
		BackoffMS    int64 `json:"backoff_ms"`
		BackoffMaxMS int64 `json:"backoff_max_ms"`
		Check        bool
	}
}

type decisionAgain struct {
	By, Result, Detail string
	Plan               *decisionPlan
}

type decisionAttempt struct {
	Target, Credential, Class, Rejected string
	Status                              int
	StartMS                             float64 `json:"start_ms"`
	FirstByteMS                         float64 `json:"first_byte_ms"`
	DurationMS                          float64 `json:"duration_ms"`
	Hedge, Lost                         bool
	Cost                                nanoUSD `json:"cost_nano_usd"`
}

type decisionOutcome struct {
	Status              int
	Code, Class, Target string
	Usage               map[string]int64
	Cost                nanoUSD `json:"cost_nano_usd"`
	Reserved            nanoUSD `json:"reserved_nano_usd"`
	Provenance          string
	TTFTMS              float64 `json:"ttft_ms"`
	DurationMS          float64 `json:"duration_ms"`
	OverheadMS          float64 `json:"overhead_ms"`
}
