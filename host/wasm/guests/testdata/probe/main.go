// Probe reads all kinds of fields of the records that it gets and tells what it
// has read as a number: SDKs of all languages have to tell the same.
package main

import (
	"math"

	"github.com/signalbox-ai/signalbox/sdk/abi"
	"github.com/signalbox-ai/signalbox/sdk/filter"
	"github.com/signalbox-ai/signalbox/sdk/observe"
	"github.com/signalbox-ai/signalbox/sdk/route"
)

func init() {
	route.Handle(decide)
	filter.Handle(look)
	observe.Handle(learn)
	route.OnConfig(read)
}

func main() {}

var sum, configured uint64

func number(n uint64) { sum = route.Mix(sum ^ n) }

func text(s string) {
	number(uint64(len(s)))
	for i := range len(s) {
		number(uint64(s[i]))
	}
}

func float(f float64) { number(math.Float64bits(f)) }

// told is the sum in letters.
func told() string {
	var out [16]byte
	for i := range out {
		out[i] = 'a' + byte(sum>>(4*i)&15)
	}
	return string(out[:])
}

func read(c route.Config) error {
	sum = 0
	text(c.Name)
	text(string(c.JSON))
	number(c.Tag("eu"))
	number(c.Tag("fast"))
	number(c.Tag("none"))
	configured = sum
	return nil
}

func decide(r *route.Request, p *route.Plan) {
	sum = configured
	for _, n := range []uint64{r.ID, r.NowMS, r.Rand, uint64(r.Flags), uint64(r.Kind), uint64(r.InTokens), uint64(r.OutTokens), uint64(r.Budget),
		r.DenyTags, uint64(r.LastError), uint64(r.Size), r.Session, r.Prefix, uint64(r.BudgetMax), uint64(r.Sticky), uint64(r.Features.Messages), uint64(r.Features.Foreign)} {
		number(n)
	}
	for _, s := range []abi.Str{r.Model, r.Tenant, r.Key, r.Team, r.User, r.Meta} {
		text(r.Text(s))
	}
	for i := range r.Len() {
		t := r.Target(i)
		text(r.Text(t.ID))
		text(r.Text(t.Region))
		for _, n := range []uint64{t.Tags, uint64(t.PriceIn), uint64(t.PriceOut), uint64(int64(t.RequestsLeft)), uint64(t.RetryAfterMS), uint64(t.Weight), uint64(t.Priority), uint64(t.Capabilities)} {
			number(n)
		}
		float(t.TTFTMS)
		float(t.ErrorRate)
		float(t.Quality)
	}
	p.Because(told())
	if r.Flags&abi.FlagStream == 0 {
		p.Refuse(uint32(sum)|1, told())
		return
	}
	a := p.Try(r.Len() - 1)
	a.TimeoutMS, a.HedgeMS, a.BackoffMS, a.BackoffMaxMS, a.Weight, a.Flags = 1000, 200, 10, 40, 9, abi.AttemptCheck
	p.Try(0)
}

func look(w *filter.Window, v *filter.Verdict) {
	sum = configured
	for _, n := range []uint64{w.ID, w.NowMS, w.Rand, uint64(w.Flags), uint64(w.Kind), uint64(w.Channel), uint64(w.Index), uint64(w.Choice), w.Start, uint64(w.Seen)} {
		number(n)
	}
	for _, s := range []string{string(w.Text()), string(w.State()), w.Label(), w.Model(), w.Tenant()} {
		text(s)
	}
	number(uint64(w.Cut(3)))
	v.Because(told())
	switch w.Index { // which verdict is wanted
	case 1:
		v.Pass(12)
		v.Save([]byte("s1"))
	case 2:
		v.Write([]byte("write to "))
		v.Fill('[', 1)
		v.Write([]byte("e-mail]"))
		v.Replace(20)
		v.Save([]byte("s2"))
		v.Findings, v.Code = 1, 7
	case 3:
		v.Block(451, "secret")
		v.Findings = 2
	case 4:
		v.More()
		v.Save([]byte("s3"))
	case 5:
		v.Escalate(20)
		v.Save([]byte("s4"))
		v.Code = 9
	}
}

func learn(b *observe.Batch) {
	sum = 0
	number(b.Dropped)
	number(b.NowMS)
	for i := range b.Len() {
		o := b.Outcome(i)
		number(o.ID)
		number(o.EndMS)
		text(b.Text(o.Target))
		text(b.Text(o.Model))
		text(b.Text(o.Tenant))
		float(o.TTFTMS)
		float(o.TotalMS)
		number(uint64(o.Cost))
		number(uint64(o.OutTokens))
		number(uint64(o.Flags))
	}
	route.CounterAdd(5, int64(sum>>1))
	route.Metric(6, 0.25)
	route.Log(abi.LevelWarn, "learned")
}
