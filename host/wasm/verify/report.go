package verify

import (
	"fmt"
	"io"
	"strings"

	"github.com/signalbox-ai/signalbox/sdk/module"
)

// Result is how a case went.
type Result string

// The results.
const (
	Passed  Result = "passed"
	Failed  Result = "failed"
	LeftOut Result = "left out" // with the reason
)

// Case is one thing that was looked at.
type Case struct {
	ID     string `json:"id"`
	Title  string `json:"title"`
	Result Result `json:"result"`
	Detail string `json:"detail,omitempty"` // what was seen or measured
	Why    string `json:"why,omitempty"`    // it matters, of a failed case
	Fix    string `json:"fix,omitempty"`    // of a failed case
}

// Report is the outcome of one run.
type Report struct {
	Name   string      `json:"name"`
	Kind   module.Kind `json:"kind"`
	SHA256 string      `json:"sha256"`
	Size   int         `json:"size"`
	Cases  []Case      `json:"cases"`
}

// Count is the number of cases with a result.
func (r *Report) Count(want Result) (n int) {
	for _, c := range r.Cases {
		if c.Result == want {
			n++
		}
	}
	return n
}

// Failures are the ids of the cases that failed.
func (r *Report) Failures() (ids []string) {
	for _, c := range r.Cases {
		if c.Result == Failed {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// Print writes the report for people.
func (r *Report) Print(w io.Writer) {
	fmt.Fprintf(w, "%s, a %s of %d bytes, sha256 %s\n", r.Name, r.Kind, r.Size, r.SHA256)
	mark := map[Result]string{Passed: "✓", Failed: "✗", LeftOut: "–"}
	for _, c := range r.Cases {
		fmt.Fprintf(w, "  %s %-12s %s\n", mark[c.Result], c.ID, c.Title)
		switch {
		case c.Result == Failed:
			fmt.Fprintf(w, "      seen:   %s\n      why:    %s\n      remedy: %s\n", indent(c.Detail), c.Why, c.Fix)
		case c.Detail != "":
			fmt.Fprintf(w, "      %s\n", indent(c.Detail))
		}
	}
	fmt.Fprintf(w, "%d passed, %d failed, %d left out\n", r.Count(Passed), r.Count(Failed), r.Count(LeftOut))
}

func indent(s string) string { return strings.ReplaceAll(s, "\n", "\n              ") }
