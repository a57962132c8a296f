package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/signalbox-ai/signalbox/host/bill"
	"github.com/signalbox-ai/signalbox/host/call"
)

// reconciliation is what is compared, and how.
type reconciliation struct {
	provider, file, tolerance, toleranceUSD string
	columns                                 []string
	models                                  []string
	asJSON                                  bool
}

func ledgerReconcileCommand(a *access) *cobra.Command {
	var q reconciliation
	c := &cobra.Command{
		Use:   "reconcile",
		Short: "Compare the ledger with a provider's bill",
		Long: "Compare the ledger with a provider's bill, by day (UTC) and model, in money and in tokens.\n" +
			"It ends with an error where a difference is beyond the tolerance.\n" +
			"Files: OpenAI's costs or usage (JSON of the API, CSV of the dashboard), Anthropic's cost or usage report (JSON), any CSV with --columns.",
		Example: "  signalbox ledger reconcile --provider openai --file costs.json --tolerance 0.5%",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return q.run(c, a) },
	}
	f := c.Flags()
	f.StringVar(&q.provider, "provider", "", "provider, as the configuration names it")
	f.StringVar(&q.file, "file", "", "the bill; - for the standard input")
	f.StringVar(&q.tolerance, "tolerance", "1%", "what may differ, of what is billed")
	f.StringVar(&q.toleranceUSD, "tolerance-usd", "0.01", "what may differ in any case, in dollars")
	f.StringSliceVar(&q.columns, "columns", nil, "columns of another CSV file, as in day=Date,model=SKU,cost=Amount,input=In,output=Out")
	f.StringArrayVar(&q.models, "model", nil, "what the ledger calls a model of the bill, as in --model 'GPT 4o=gpt-4o' (repeatable)")
	f.BoolVar(&q.asJSON, "json", false, "print it as JSON")
	return c
}

func (q *reconciliation) run(c *cobra.Command, a *access) error {
	if q.provider == "" || q.file == "" {
		return hint(errors.New("a provider and its bill are needed"), "give --provider, as the configuration names it, and --file")
	}
	tolerance, err := q.most()
	if err != nil {
		return err
	}
	alias, err := equations("--model", q.models)
	if err != nil {
		return err
	}
	lines, err := q.lines(c.InOrStdin())
	if err != nil {
		return err
	}
	api, err := a.open()
	if err != nil {
		return err
	}
	work := progressOf(c.ErrOrStderr(), "ledger reconcile: the gateway sums up its ledger", 0, plainly)
	booked, err := q.booked(c, api, lines)
	work.end()
	if err != nil {
		return err
	}
	groups := bill.Compare(lines, booked, alias, tolerance)
	show := printGroups
	if q.asJSON {
		show = jsonGroups
	}
	if err := show(c.OutOrStdout(), groups); err != nil {
		return err
	}
	beyond := 0
	for _, g := range groups {
		if g.Beyond {
			beyond++
		}
	}
	if beyond == 0 {
		return nil
	}
	return hint(fmt.Errorf("the ledger and the bill differ beyond the tolerance in %d of %d", beyond, len(groups)),
		"see signalbox ledger export --since DAY --until DAY --where provider=%s for the requests", q.provider)
}

func (q *reconciliation) most() (t bill.Tolerance, err error) {
	share, ok := strings.CutSuffix(q.tolerance, "%")
	nano, err := call.ParseUSD(share) // a decimal number, × 10⁹
	if !ok || err != nil || nano > 100e9 {
		return t, hint(fmt.Errorf("cannot read --tolerance %q", q.tolerance), "write a share such as 0.5%%")
	}
	t.PPM = nano / 1e5
	if t.Nano, err = call.ParseUSD(q.toleranceUSD); err != nil {
		return t, fmt.Errorf("cannot read --tolerance-usd %q: %w", q.toleranceUSD, err)
	}
	return t, nil
}

func (q *reconciliation) lines(stdin io.Reader) ([]bill.Line, error) {
	named, err := equations("--columns", q.columns)
	if err != nil {
		return nil, err
	}
	columns := bill.Columns{Day: named["day"], Model: named["model"], Cost: named["cost"], Input: named["input"], Output: named["output"]}
	for name := range named {
		switch name {
		case "day", "model", "cost", "input", "output":
		default:
			return nil, hint(fmt.Errorf("unknown column %q in --columns", name), "known are day, model, cost, input, output")
		}
	}
	in := stdin
	if q.file != "-" {
		f, err := os.Open(q.file)
		if err != nil {
			return nil, fmt.Errorf("cannot open --file: %w", err)
		}
		defer f.Close()
		in = f
	}
	return bill.Parse(in, columns)
}

func equations(flag string, list []string) (map[string]string, error) {
	out := map[string]string{}
	for _, p := range list {
		name, value, ok := strings.Cut(p, "=")
		if !ok || name == "" || value == "" {
			return nil, hint(fmt.Errorf("cannot read %s %q", flag, p), "write name=value")
		}
		out[name] = value
	}
	return out, nil
}

// booked asks the ledger for the days of the bill.
func (q *reconciliation) booked(c *cobra.Command, api *client, lines []bill.Line) ([]bill.Booked, error) {
	first, last := lines[0].Day, lines[0].Day
	for _, l := range lines {
		first, last = min(first, l.Day), max(last, l.Day)
	}
	end, err := time.Parse(time.DateOnly, last)
	if err != nil {
		return nil, err
	}
	v := url.Values{"by": {"day,model"}, "provider": {q.provider}, "from": {first}, "to": {end.AddDate(0, 0, 1).Format(time.DateOnly)}}
	var answer usageAnswer
	if err := api.do(c.Context(), http.MethodGet, "/admin/usage?"+v.Encode(), nil, &answer); err != nil {
		return nil, err
	}
	var out []bill.Booked
	for i := range answer.Rows {
		r := &answer.Rows[i]
		t := &r.Tokens
		b := bill.Booked{Day: r.of["day"], Model: r.of["model"],
			Output: t.Output + t.Reasoning + t.AudioOutput + t.ImageOutput}
		b.Input = t.Total - b.Output
		for to, text := range map[*int64]json.Number{&b.Cost: r.CostUSD, &b.Reported: r.ReportedUSD, &b.Computed: r.ComputedUSD, &b.Estimated: r.EstimatedUSD} {
			if *to, err = call.ParseUSD(text.String()); err != nil {
				return nil, fmt.Errorf("cannot read the gateway's answer: %w", err)
			}
		}
		if b.Cost != 0 || t.Total != 0 { // what reached nobody is on no bill
			out = append(out, b)
		}
	}
	return out, nil
}

func usd(nano int64) string { return string(call.AppendUSD(nil, nano)) }

func printGroups(w io.Writer, groups []bill.Group) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	cost, tokens := groups[0].Bill.Has&bill.HasCost != 0, groups[0].Bill.Has&bill.HasTokens != 0
	line := func(day, model string, g *bill.Group, verdict string) {
		fmt.Fprintf(t, "%s\t%s\t", day, dash(model))
		if cost {
			fmt.Fprintf(t, "%s\t%s\t%s\t", usd(g.Bill.Cost), usd(g.Ledger.Cost), usd(g.Cost()))
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t", usd(g.Ledger.Reported), usd(g.Ledger.Computed), usd(g.Ledger.Estimated))
		if tokens {
			fmt.Fprintf(t, "%d\t%d\t%d\t", g.Bill.Input+g.Bill.Output, g.Ledger.Input+g.Ledger.Output, g.Tokens())
		}
		fmt.Fprintf(t, "%s\t\n", verdict)
	}
	fmt.Fprint(t, "DAY\tMODEL\t")
	if cost {
		fmt.Fprint(t, "BILL USD\tLEDGER USD\tDIFFERENCE\t")
	}
	fmt.Fprint(t, "REPORTED\tCOMPUTED\tESTIMATED\t")
	if tokens {
		fmt.Fprint(t, "BILL TOKENS\tLEDGER TOKENS\tDIFFERENCE\t")
	}
	fmt.Fprintln(t, "\t")
	var all bill.Group
	for i := range groups {
		g, verdict := &groups[i], "ok"
		if g.Beyond {
			verdict = "BEYOND"
		}
		line(g.Day, g.Model, g, verdict)
		all.Bill.Cost += g.Bill.Cost
		all.Bill.Input += g.Bill.Input
		all.Bill.Output += g.Bill.Output
		for to, v := range map[*int64]int64{&all.Ledger.Cost: g.Ledger.Cost, &all.Ledger.Reported: g.Ledger.Reported, &all.Ledger.Computed: g.Ledger.Computed,
			&all.Ledger.Estimated: g.Ledger.Estimated, &all.Ledger.Input: g.Ledger.Input, &all.Ledger.Output: g.Ledger.Output} {
			*to += v
		}
	}
	line("total", "", &all, "")
	return t.Flush()
}

func jsonGroups(w io.Writer, groups []bill.Group) error {
	type figures struct {
		USD    json.Number `json:"usd"`
		Input  int64       `json:"input_tokens"`
		Output int64       `json:"output_tokens"`
	}
	type group struct {
		Day        string      `json:"day"`
		Model      string      `json:"model"`
		Bill       figures     `json:"bill"`
		Ledger     figures     `json:"ledger"`
		Reported   json.Number `json:"reported_usd"`
		Computed   json.Number `json:"computed_usd"`
		Estimated  json.Number `json:"estimated_usd"`
		Difference json.Number `json:"difference_usd"`
		Tokens     int64       `json:"difference_tokens"`
		Beyond     bool        `json:"beyond"`
	}
	n := func(nano int64) json.Number { return json.Number(usd(nano)) }
	for i := range groups {
		g := &groups[i]
		l := &g.Ledger
		err := printLine(w, group{Day: g.Day, Model: g.Model, Bill: figures{n(g.Bill.Cost), g.Bill.Input, g.Bill.Output}, Ledger: figures{n(l.Cost), l.Input, l.Output},
			Reported: n(l.Reported), Computed: n(l.Computed), Estimated: n(l.Estimated), Difference: n(g.Cost()), Tokens: g.Tokens(), Beyond: g.Beyond})
		if err != nil {
			return err
		}
	}
	return nil
}
