package host

import (
	"slices"
	"time"

	"github.com/signalbox-ai/signalbox/host/budget"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/gather"
	"github.com/signalbox-ai/signalbox/host/telemetry"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// gathering is what a configuration says of embeddings that go together,
// readied.
type gathering struct {
	cfg    *config.Gather
	table  *gather.Table[*flight]
	rev    *sharing        // what tells requests apart
	models map[string]bool // that say something
}

// newGathering reads what cfg says, nil: each request goes alone.
func newGathering(cfg *config.Config) *gathering {
	if cfg.Gather == nil {
		return nil
	}
	with := *cfg
	with.Share = &config.Share{MaxAnswer: 1}
	g := &gathering{cfg: cfg.Gather, rev: newSharing(&with, nil), models: map[string]bool{}}
	g.table = gather.New[*flight](gather.Limits{Window: cfg.Gather.Window, Inputs: cfg.Gather.MaxInputs, Bytes: int64(cfg.Gather.MaxTokens) * call.BytesPerToken})
	for name, m := range cfg.Models {
		if m.Gather != nil {
			g.models[name] = *m.Gather
		}
	}
	return g
}

func (g *gathering) of(f *flight) bool {
	on, says := g.models[f.Model.Name]
	return f.Op == wire.OpEmbeddings && f.Dialect == wire.OpenAIEmbeddings && f.inner == nil && (on || !says && g.cfg.Models == "all")
}

// portion is a flight's part of what was asked for several together.
type portion struct {
	taken  bool // cost and usage are those of its part
	answer call.Answer
	err    *wire.Error
	alone  bool                   // it has to ask for itself
	joint  *gather.Batch[*flight] // whom a request is for that is made for several
}

// askGathered asks for f's answer, together with others where it may.
func (h *Host) askGathered(f *flight) (call.Answer, *wire.Error) {
	g := f.gen.gathering
	if g == nil || !g.of(f) || !f.remembers() {
		return h.ask(f)
	}
	r, ok := gather.Read(f.Body)
	if !ok || r.Inputs() >= g.cfg.MaxInputs {
		return h.ask(f)
	}
	a := askeds.Get().(*asked)
	defer a.release()
	if !f.asks(a, g.rev.rev) {
		return h.ask(f)
	}
	if a.Body, ok = a.canon.Append(a.body[:0], r.Rest, nil); !ok {
		return h.ask(f)
	}
	a.body, a.Scope = a.Body, scopeOf(g.cfg.Scope, f.Principal)
	key := gather.Key(g.rev.keys.KeyOf("gather "+string(r.Kind), &a.Asked))
	if err := h.coverMost(f, 0); err != nil {
		return call.Answer{}, err
	}
	return h.together(f, key, r)
}

// dearest is what one attempt of f may take at any of its candidates.
func (f *flight) dearest() budget.Amounts {
	most := budget.Amounts{0, 0, 1}
	for i := range f.Candidates {
		most[call.UnitUSD] = max(most[call.UnitUSD], f.Candidates[i].Bound)
		most[call.UnitTokens] = max(most[call.UnitTokens], f.Candidates[i].Tokens)
	}
	return most
}

// coverMost reserves what f may cost at any of its candidates, and more: the
// request that is made for several has no budget of its own.
func (h *Host) coverMost(f *flight, more int64) *wire.Error {
	need := f.dearest()
	need[call.UnitUSD] += more
	if denied := h.reserve(f, need); denied != nil {
		return overBudget(denied, need, f.Received)
	}
	return nil
}

// coverEach has those that f is made for hold what it may cost beyond one
// attempt, for which they have reserved already.
func (h *Host) coverEach(f *flight, need int64) *wire.Error {
	b := f.portion.joint
	if b == nil {
		return nil
	}
	for i, more := range gather.Portion(max(0, need-f.dearest()[call.UnitUSD]), weigh(b)) {
		if err := h.coverMost(b.Members[i], more); err != nil {
			return err
		}
	}
	return nil
}

func (h *Host) together(f *flight, key gather.Key, r *gather.Request) (call.Answer, *wire.Error) {
	began, table := time.Now(), f.gen.gathering.table
	b, carries := table.Add(key, r, f)
	if carries {
		table.Close(key, b)
		if len(b.Members) == 1 {
			return h.ask(f)
		}
		h.carry(b)
	} else {
		<-b.Done // whoever carries it ends it
	}
	p := &f.portion
	if p.alone {
		if err := h.place(f); err != nil { // it has given its own up
			return call.Answer{}, err
		}
		return h.ask(f)
	}
	f.Upstream += time.Since(began)
	f.FirstByte = time.Since(f.Received)
	return p.answer, p.err
}

// carry asks once for all of b, and gives each its part.
func (h *Host) carry(b *gather.Batch[*flight]) {
	defer close(b.Done)
	for _, f := range b.Members { // if this panics
		f.portion.err = wire.Errorf(500, "internal_error", "the gateway failed at this request")
		if f.covered {
			f.ticket.Sent()
		}
		f.Place.Leave() // one of them is enough
	}
	c := h.New()
	defer h.Done(c)
	f := c.Owner.(*flight)
	defer f.wanted(b)()
	ans, err := h.joint(f, b)
	h.price(f)
	h.settleRates(f)
	if err != nil && f.SentUp && (err.Status == 400 || err.Status == 402 || err.Status == 413 || err.Status == 422) { // the others' may be good
		b.Members[0].gen.gathering.table.Split()
		for i, cost := range gather.Portion(f.Cost, weigh(b)) {
			m := b.Members[i]
			if m.portion.alone = true; cost > 0 {
				m.Attempts = append(m.Attempts[:0], call.Attempt{Target: f.Target, Class: err.Class, Status: err.Status, Cost: cost, Provenance: f.Provenance})
			}
		}
		return
	}
	f.divide(b)
	if err != nil {
		for _, m := range b.Members {
			same := *err
			m.portion.err = &same
		}
		return
	}
	tokens := make([]int64, len(b.Members))
	for i, m := range b.Members {
		tokens[i] = m.Usage.Prompt()
	}
	parts, serr := gather.Split(ans.Body, b.Requests, tokens)
	for i, m := range b.Members {
		if serr != nil {
			m.portion.err = wire.Errorf(502, "bad_answer", "the provider's answer to several requests is not one for all of them: try again")
			m.portion.err.Class = wire.ClassServer
			continue
		}
		m.portion.answer, m.portion.err = call.Answer{Status: ans.Status, ContentType: ans.ContentType, Body: parts[i]}, nil
	}
}

// wanted ends f, which is made for all of b, once the last of their callers has
// left. What it returns ends that.
func (f *flight) wanted(b *gather.Batch[*flight]) (end func()) {
	over, ended := make(chan struct{}), make(chan struct{})
	if !slices.ContainsFunc(b.Members, func(m *flight) bool { return !m.Gone.Left() }) {
		f.Gone.Leave() // before a byte has left
	}
	go func() {
		defer close(ended)
		for _, m := range b.Members {
			select {
			case <-m.Gone.Done():
			case <-over:
				return
			}
		}
		f.Gone.Leave()
	}()
	return func() {
		close(over)
		<-ended
	}
}

// joint makes f the request for all of b, and asks. It has no record: each of
// those that it is for has one.
func (h *Host) joint(f *flight, b *gather.Batch[*flight]) (call.Answer, *wire.Error) {
	first, c := b.Members[0], &f.Call
	f.gen, f.finished, f.portion.joint = first.gen, true, b
	c.ID, c.Received, c.Op, c.Dialect = first.ID, time.Now(), first.Op, first.Dialect
	c.Principal, c.Decision, c.Model, c.Header = first.Principal, first.Decision, first.Model, first.Header
	c.Remote, c.TLS, c.Priority, c.Strict, c.Trace = first.Remote, first.TLS, first.Priority, first.Strict, first.Trace
	if c.Body = gather.Join(b.Requests); first.Gate != nil {
		c.Gate = f.gate
	}
	err := scan.Operation(&c.Facts, c.Op, c.Dialect, c.Body)
	if err == nil {
		err = h.candidates(f)
	}
	if err == nil {
		f.estimate = f.tokensWanted()
		err = h.place(f)
	}
	if err != nil {
		return call.Answer{}, err
	}
	return h.ask(f)
}

// weigh is by what sums are divided among b.
func weigh(b *gather.Batch[*flight]) []int64 {
	weights := make([]int64, len(b.Requests))
	for i, r := range b.Requests {
		weights[i] = r.Bytes()
	}
	return weights
}

// divide gives each of b its part of what f has cost and used, by the size of
// what it asked for.
func (f *flight) divide(b *gather.Batch[*flight]) {
	weights := weigh(b)
	for i, cost := range gather.Portion(f.Cost, weights) {
		m := b.Members[i]
		m.portion.taken = true
		m.Cost, m.Provenance, m.Target, m.SentUp, m.Status = cost, f.Provenance, f.Target, f.SentUp, f.Status
		m.Dropped = append(m.Dropped[:0], f.Dropped...)
		m.Attempts = append(m.Attempts[:0], f.Attempts...)
		for j := range m.Attempts {
			m.Attempts[j].Cost = 0 // it is in the sum
		}
	}
	for j := range f.Attempts {
		for i, tokens := range gather.Portion(f.Attempts[j].Tokens, weights) {
			b.Members[i].Attempts[j].Tokens = tokens
		}
	}
	for k, n := range f.Usage.Buckets() {
		for i, part := range gather.Portion(*n, weights) {
			*b.Members[i].Usage.Buckets()[k] = part
		}
	}
}

// gatherFamilies are the figures of embeddings that went together.
func (h *Host) gatherFamilies() []telemetry.Family {
	one := func(name, help string, value func(gather.Stats) int64) telemetry.Family {
		return telemetry.Family{Name: name, Help: help, Collect: func(emit telemetry.Emit) {
			if g := h.gen.Load().gathering; g != nil {
				emit(float64(value(g.table.Stats())))
			}
		}}
	}
	return []telemetry.Family{
		one("gather_calls_total", "Requests to providers that were made for several.", func(s gather.Stats) int64 { return s.Calls }),
		one("gather_requests_total", "Requests that those were made for.", func(s gather.Stats) int64 { return s.Requests }),
		one("gather_alone_total", "Requests that no other came to join.", func(s gather.Stats) int64 { return s.Alone }),
		one("gather_split_total", "Requests made for several that were refused, so that each went alone.", func(s gather.Stats) int64 { return s.Split }),
	}
}
