package conform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
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
	Why    string `json:"why"`
	Result Result `json:"result"`
	Detail string `json:"detail,omitempty"` // what was seen
	Fix    string `json:"fix,omitempty"`    // of a failed case
}

// Report is the outcome of one run.
type Report struct {
	Path    string `json:"path"`
	Name    string `json:"name"`
	Version string `json:"version"`
	Cases   []Case `json:"cases"`
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

// Failed reports whether any case failed.
func (r *Report) Failed() bool { return r.Count(Failed) > 0 }

// Print writes the report for people.
func (r *Report) Print(w io.Writer) {
	fmt.Fprintf(w, "%s %s\n", or(r.Name, r.Path), r.Version)
	mark := map[Result]string{Passed: "✓", Failed: "✗", LeftOut: "–"}
	for _, c := range r.Cases {
		fmt.Fprintf(w, "  %s %-44s %s\n", mark[c.Result], c.ID, c.Title)
		switch c.Result {
		case Failed:
			fmt.Fprintf(w, "      seen:   %s\n      why:    %s\n      remedy: %s\n", indent(c.Detail), c.Why, c.Fix)
		case LeftOut:
			fmt.Fprintf(w, "      left out: %s\n", indent(c.Detail))
		}
	}
	fmt.Fprintf(w, "%d passed, %d failed, %d left out\n", r.Count(Passed), r.Count(Failed), r.Count(LeftOut))
}

func indent(s string) string { return strings.ReplaceAll(s, "\n", "\n              ") }

// check is a case before it runs.
type check struct {
	id, title, why, fix string
	run                 func(ctx context.Context, k *kit) error
	fatal               bool // without it nothing else can be looked at
}

// targetCheck is a case that runs for every operation and dialect served on the socket.
type targetCheck struct {
	id, title, why, fix string
	run                 func(ctx context.Context, k *kit, t *target) error
}

// skipped is the error of a case that does not apply.
type skipped struct{ reason string }

func (s skipped) Error() string { return s.reason }

func skipf(format string, args ...any) error { return skipped{fmt.Sprintf(format, args...)} }

func (k *kit) do(c check) {
	if k.failed || !c.fatal && !k.wanted(c.id) {
		return
	}
	got := k.run(Case{ID: c.id, Title: c.title, Why: c.why, Fix: c.fix}, func(ctx context.Context) error { return c.run(ctx, k) })
	k.failed = k.failed || c.fatal && got == Failed
}

func (k *kit) doFor(t *target, c targetCheck) {
	if k.failed || c.id != "json" && c.id != "stream" && !k.wanted(t.name()+"/"+c.id) {
		return
	}
	k.run(Case{ID: t.name() + "/" + c.id, Title: c.title, Why: c.why, Fix: c.fix}, func(ctx context.Context) error { return c.run(ctx, k, t) })
}

func (k *kit) wanted(id string) bool { return k.opts.only == "" || k.opts.only == id }

// run runs one case within the patience that each has.
func (k *kit) run(c Case, f func(context.Context) error) Result {
	ctx, cancel := context.WithTimeout(k.ctx, k.opts.Patience)
	defer cancel()
	k.up.behave(behaviour{})
	var skip skipped
	err := k.leave(c.ID)
	if err == nil {
		err = f(ctx)
	}
	switch {
	case err == nil:
		c.Result, c.Fix = Passed, ""
	case errors.As(err, &skip):
		c.Result, c.Fix, c.Detail = LeftOut, "", skip.reason
	default:
		c.Result, c.Detail = Failed, k.hide(err.Error())
	}
	k.report.Cases = append(k.report.Cases, c)
	return c.Result
}

func (k *kit) leave(id string) error {
	for _, key := range []string{id, id[strings.LastIndexByte(id, '/')+1:]} {
		if reason, ok := k.opts.Leave[key]; ok {
			return skipped{or(reason, "as asked")}
		}
	}
	return nil
}

// hide removes the credentials from what a report quotes.
func (k *kit) hide(s string) string {
	for _, secret := range k.secrets {
		s = strings.ReplaceAll(s, secret, "[credential]")
	}
	return s
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}
