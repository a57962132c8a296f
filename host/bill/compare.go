package bill

import (
	"cmp"
	"math/big"
	"slices"
)

// Booked is what the ledger has of one model on one day.
type Booked struct {
	Day, Model                    string
	Cost                          int64 // nano-dollars, as those that follow: its parts
	Reported, Computed, Estimated int64
	Input, Output                 int64 // tokens
}

// Tolerance is what may differ.
type Tolerance struct {
	PPM  int64 // of what is billed, in millionths
	Nano int64 // or so many nano-dollars, if that is more
}

// Group is a day and model of both.
type Group struct {
	Day, Model string
	Bill       Line
	Ledger     Booked
	Beyond     bool // the difference is beyond the tolerance
}

// Cost is how much more money the ledger has.
func (g *Group) Cost() int64 { return g.Ledger.Cost - g.Bill.Cost }

// Tokens is how many more tokens the ledger has.
func (g *Group) Tokens() int64 {
	return g.Ledger.Input + g.Ledger.Output - g.Bill.Input - g.Bill.Output
}

// Compare puts both side by side, by day and model; alias says what the ledger
// calls a model of the bill whose name does not say it. Figures that the bill
// does not have are not compared. Of a bill without models all of a day is.
func Compare(lines []Line, booked []Booked, alias map[string]string, tolerance Tolerance) []Group {
	type key struct{ day, model string }
	groups := map[key]*Group{}
	of := func(day, model string) *Group {
		g := groups[key{day, model}]
		if g == nil {
			g = &Group{Day: day, Model: model}
			groups[key{day, model}] = g
		}
		return g
	}
	whole, has := true, Has(0)
	for i := range lines {
		l := &lines[i]
		whole, has = whole && l.Model == "", has|l.Has
		model := Name(l.Model)
		if as, ok := alias[l.Model]; ok {
			model = Name(as)
		}
		g := of(l.Day, model)
		g.Bill.Cost += l.Cost
		g.Bill.Input += l.Input
		g.Bill.Output += l.Output
	}
	for i := range booked {
		b := &booked[i]
		model := Name(b.Model)
		if whole {
			model = ""
		}
		l := &of(b.Day, model).Ledger
		l.Cost += b.Cost
		l.Reported += b.Reported
		l.Computed += b.Computed
		l.Estimated += b.Estimated
		l.Input += b.Input
		l.Output += b.Output
	}
	out := make([]Group, 0, len(groups))
	for _, g := range groups {
		g.Bill.Has = has
		g.Beyond = has&HasCost != 0 && tolerance.beyond(g.Cost(), g.Bill.Cost, tolerance.Nano) ||
			has&HasTokens != 0 && (tolerance.beyond(g.Ledger.Input-g.Bill.Input, g.Bill.Input, 0) || tolerance.beyond(g.Ledger.Output-g.Bill.Output, g.Bill.Output, 0))
		out = append(out, *g)
	}
	slices.SortFunc(out, func(a, b Group) int { return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Model, b.Model)) })
	return out
}

// beyond reports whether a difference from what is billed is too large.
func (t Tolerance) beyond(difference, billed, least int64) bool {
	d := new(big.Int).Abs(big.NewInt(difference))
	if d.Cmp(big.NewInt(least)) <= 0 {
		return false
	}
	most := new(big.Int).Abs(new(big.Int).Mul(big.NewInt(billed), big.NewInt(t.PPM)))
	return d.Mul(d, big.NewInt(1e6)).Cmp(most) > 0
}
