package policy

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Evaluation is what a bundle says of one input.
type Evaluation struct {
	Revision string
	Input    string // as OPA prints it
	Decision *call.Decision
	Message  string // what the caller would be told, "" where it is allowed
	Error    string // why nothing was decided
	Units    []UnitExplanation
}

// Load reads the bundle at path to try it out. What a request could bring to
// light, probes and tests, is left to Check.
func Load(path string, o Options) (*Trial, error) {
	src, err := load(path)
	if err != nil {
		return nil, err
	}
	src.catalogue = o.Catalogue
	o = o.withDefaults()
	s, err := build(src, &o)
	if err != nil {
		return nil, err
	}
	return &Trial{s}, nil
}

// EvalCall evaluates what policy sees of c.
func (t *Trial) EvalCall(c *call.Call) *Evaluation {
	r := getReader(c, &t.snap.env)
	defer putReader(r)
	return t.eval(r.document())
}

// EvalInput evaluates a sample input over which the JSON object over is laid.
// An address without zones is looked up in those of the bundle.
func (t *Trial) EvalInput(over []byte) (*Evaluation, error) {
	var doc map[string]any
	if err := json.Unmarshal(over, &doc); err != nil {
		return nil, fmt.Errorf("cannot read input: %w", err)
	}
	if net, ok := doc["net"].(map[string]any); ok && net["zones"] == nil {
		ip, _ := net["ip"].(string)
		addr, err := netip.ParseAddr(ip)
		if ip != "" && err != nil {
			return nil, fmt.Errorf("cannot read input.net.ip: %w", err)
		}
		net["zones"] = t.snap.env.zones.find(plainAddr(addr)).list
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("cannot read input: %w", err)
	}
	input, err := t.snap.overlay(raw)
	if err != nil {
		return nil, err
	}
	return t.eval(input), nil
}

func (t *Trial) eval(input *ast.Term) *Evaluation {
	x := &Evaluation{Revision: t.Revision(), Input: input.String()}
	for _, u := range t.snap.units {
		x.Units = append(x.Units, u.explain(input, DetailNone))
	}
	d, err := t.snap.decideInput(t.snap.units[0].bundle, input)
	if err != nil {
		x.Error, d = err.Error(), &call.Decision{Revision: t.Revision(), Reasons: []call.Reason{{Code: CodePolicyError}}}
	}
	if x.Decision = d; !d.Allow {
		x.Message = t.Message(d.Reasons[0])
	}
	return x
}

// UnitCost is what one unit costs in time.
type UnitCost struct {
	Unit   string
	Cold   time.Duration // evaluated, the input document included
	Warm   time.Duration // answered from memory, 0: it is never
	Allocs int64         // of a cold evaluation
}

// Bench measures every unit on c: of several rounds the fastest.
func (t *Trial) Bench(c *call.Call) ([]UnitCost, error) {
	var out []UnitCost
	for _, u := range t.snap.units {
		ask := func() (err error) {
			r := getReader(c, &t.snap.env)
			_, err = u.ask(r)
			putReader(r)
			return err
		}
		cold := func() (err error) {
			r := getReader(c, &t.snap.env)
			_, err = u.eval(r.evaluation())
			putReader(r)
			return err
		}
		cost := UnitCost{Unit: u.name}
		var err error
		if cost.Cold, cost.Allocs, err = fastest(cold); err == nil && u.memo != nil {
			cost.Warm, _, err = fastest(ask)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, cost)
	}
	return out, nil
}

const (
	benchRounds = 5
	benchRound  = 20 * time.Millisecond
)

func fastest(f func() error) (each time.Duration, allocs int64, err error) {
	if err := f(); err != nil {
		return 0, 0, err
	}
	var rounds []time.Duration
	for range benchRounds {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start, n := time.Now(), int64(0)
		for time.Since(start) < benchRound {
			for range 16 { // a look at the clock costs as much as an answer from memory
				if err := f(); err != nil {
					return 0, 0, err
				}
			}
			n += 16
		}
		rounds = append(rounds, time.Since(start)/time.Duration(n))
		runtime.ReadMemStats(&after)
		allocs = int64(after.Mallocs-before.Mallocs) / n
	}
	return slices.Min(rounds), allocs, nil
}
