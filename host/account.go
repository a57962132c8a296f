package host

import (
	"math"
	"strconv"
	"time"

	"github.com/signalbox-ai/signalbox/host/budget"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/meter"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// ledgerRetry is what callers are told while records cannot be written.
const ledgerRetry = 5 * time.Second

// money is what a flight keeps of its budgets.
type money struct {
	chain    *budget.Chain
	covered  bool // the ticket is open
	reserved budget.Amounts
	spent    int64 // nano-dollars, by attempts that failed and may be charged
	step     int64 // tokens of the answer that are reserved so far, 0: all that it can have
	ask      meter.Ask
	warned   bool  // of a soft budget
	held     int64 // nano-dollars of the purse of an inner call
}

// Cover implements dispatch.Account: the reservation holds the bound of every
// attempt that may be charged, this one included. Where that does not fit and
// the limit says so, the answer is made shorter, or reserved step by step.
func (h *Host) Cover(c *call.Call, bound call.Bound) *wire.Error {
	f := c.Owner.(*flight)
	f.spent, _ = spentOn(c.Attempts)
	cand := f.candidate(c.Target)
	alone := cand != nil && bound == cand.Most() // no hedge, which can as well be left
	for range 4 {
		need := budget.Amounts{f.spent + bound.USD, f.tookTokens() + bound.Tokens, 1}
		denied := h.reserve(f, need)
		if denied == nil {
			if err := f.hold(need[call.UnitUSD]); err != nil {
				return err
			}
			if err := h.coverEach(f, need[call.UnitUSD]); err != nil {
				return err
			}
			return f.before()
		}
		if denied.Unavailable || !alone || !h.lower(f, cand, denied.Limit.OnExceed) {
			return overBudget(denied, need, c.Received)
		}
		bound = cand.Most()
	}
	e := wire.Errorf(503, "budget_unavailable", "the budget changes too fast to fit this request in: try again")
	e.Class, e.RetryAfter = wire.ClassPolicy, time.Second
	return e
}

// solvent refuses a call of which nothing can be reserved, as a limit of its
// caller's has nothing left: what looks at it before it is dispatched, and the
// guards that filters ask, cost time and money.
func (h *Host) solvent(f *flight) *wire.Error {
	if f.chain == nil {
		return nil
	}
	need := budget.Amounts{math.MaxInt64, math.MaxInt64, 1}
	for _, t := range f.Model.Targets {
		b, err := h.bound(f, t)
		if err != nil { // candidates says so, if no other target is left
			continue
		}
		need[call.UnitUSD], need[call.UnitTokens] = min(need[call.UnitUSD], b.USD), min(need[call.UnitTokens], b.Tokens)
	}
	if need[call.UnitUSD] == math.MaxInt64 {
		return nil
	}
	if d := h.budget.Dry(f.chain, f.Received, need); d != nil {
		return overBudget(d, need, f.Received)
	}
	return nil
}

// hold makes what is held of an inner call's purse at least need.
func (f *flight) hold(need int64) *wire.Error {
	if f.inner == nil || f.inner.Purse == nil || need <= f.held {
		return nil
	}
	err := f.inner.Purse.Hold(need - f.held)
	if err == nil {
		f.held = need
	}
	return err
}

// before tells whoever makes an inner call that it is about to leave.
func (f *flight) before() *wire.Error {
	if f.inner == nil || f.inner.Before == nil {
		return nil
	}
	tell := f.inner.Before
	f.inner.Before = nil
	return tell()
}

// reserve makes the reservation at least need.
func (h *Host) reserve(f *flight, need budget.Amounts) (denied *budget.Denied) {
	var more budget.Amounts
	for u := range need {
		more[u] = max(0, need[u]-f.reserved[u])
	}
	switch {
	case f.chain == nil:
	case !f.covered:
		denied = h.budget.Reserve(&f.ticket, f.ID, f.chain, f.Received, need)
		f.covered = denied == nil
	default:
		denied = f.ticket.Extend(more)
	}
	if denied != nil {
		return denied
	}
	f.reserved.Add(more)
	if f.chain == nil {
		return nil
	}
	f.Call.Reserved = f.reserved[call.UnitUSD]
	if l, ok := f.ticket.Passed(); ok && !f.warned {
		f.warned = true
		f.warn(&l)
	}
	return nil
}

func (f *flight) candidate(t *call.Target) *call.Candidate {
	for i := range f.Candidates {
		if f.Candidates[i].Target == t {
			return &f.Candidates[i]
		}
	}
	return nil
}

// tookTokens is what attempts have taken whose answers the caller does not get.
func (f *flight) tookTokens() (sum int64) {
	for i := range f.Attempts {
		sum += f.Attempts[i].Tokens
	}
	return sum
}

func overBudget(d *budget.Denied, need budget.Amounts, now time.Time) *wire.Error {
	if d.Unavailable {
		e := wire.Errorf(503, "budget_unavailable", "the budget of %s cannot be checked now: try again", d.Scope)
		e.Class, e.RetryAfter = wire.ClassPolicy, time.Second
		return e
	}
	unit := d.Limit.Unit
	remedy := "wait for the next window, lower max_tokens, or ask for a larger budget"
	if unit == call.UnitRequests {
		remedy = "wait for the next window, or ask for a larger budget"
	}
	e := wire.Errorf(402, "budget_exceeded", "the budget of %s (%s) does not cover this request, which may take up to %s: %s",
		d.Scope, limitText(d.Limit), appendAmount(nil, unit, need[unit]), remedy)
	e.Class = wire.ClassPolicy
	if !d.Until.IsZero() {
		e.RetryAfter = max(0, d.Until.Sub(now))
	}
	return e
}

// limitText is a limit as people say it: "5 USD a day", "1000 tokens in 7 days".
func limitText(l call.Limit) string {
	amount, w := string(appendAmount(nil, l.Unit, l.Max)), l.Window
	switch {
	case l.Unit == call.UnitConcurrent:
		return string(appendAmount(nil, call.UnitRequests, l.Max)) + " at once"
	case w.Unit == "total":
		return amount + " in total"
	case w.Size > 1:
		return amount + " in " + strconv.Itoa(w.Size) + " " + w.Unit + "s"
	case w.Unit == "hour":
		return amount + " an hour"
	}
	return amount + " a " + w.Unit
}

func appendAmount(dst []byte, unit call.Unit, n int64) []byte {
	if unit == call.UnitUSD {
		return append(call.AppendUSD(dst, n), " USD"...)
	}
	dst = append(append(strconv.AppendInt(dst, n, 10), ' '), unit.String()...)
	if n == 1 {
		dst = dst[:len(dst)-1] // of the plural
	}
	return dst
}

// Sent implements dispatch.Account.
func (h *Host) Sent(c *call.Call) {
	if !c.SentUp {
		c.Owner.(*flight).ticket.Sent()
	}
}

// Finish implements dispatch.Account: the record is written first, then the
// reservation settled. A crash between the two is made good at the next start
// from the record.
func (h *Host) Finish(c *call.Call) {
	f := c.Owner.(*flight)
	if f.finished {
		return
	}
	f.finished = true
	if c.Err == nil && f.shared.leads { // for others the answer went on
		c.Err = c.Gone.Why()
	}
	h.price(f)
	f.record = record(f)
	r := &f.record
	if err := h.write(f, r); err != nil {
		h.log.Error("cannot record request", "request", c.ID, "err", err)
		if c.Err == nil {
			c.Err = wire.Errorf(503, codeLedger, "the request was served but could not be recorded: try again later")
		}
	}
	f.ticket.Settle(f.took())
	if f.inner != nil && f.inner.Purse != nil {
		f.inner.Purse.Settle(f.held, f.Cost)
	}
	h.settleRates(f)
	h.metrics.Request(r, f.traced(r))
	h.metrics.Generated(r, c.Target)
	h.watch.fared(f, r)
	h.passing.Finished(r)
	if c.Err == nil {
		h.hints.Answered(c)
	}
	f.outcome(r)
	f.shared.whole(f)
	h.keep(f, r)
	f.logAccess(r)
	f.logContent(r)
}

// took is what the call has taken of its budgets, once it is priced.
func (f *flight) took() (a budget.Amounts) {
	a[call.UnitUSD] = f.Cost
	if f.chain.Counts(call.UnitTokens) {
		a[call.UnitTokens] = f.tookTokens()
		if gave(&f.Call) {
			a[call.UnitTokens] += f.Usage.Total()
		}
	}
	if f.SentUp {
		a[call.UnitRequests] = 1
	}
	return a
}

// price sets what the call cost: reported usage at the target's price, or what
// the provider itself says it cost, an estimate where an answer broke off
// unmetered, and what attempts have cost whose answers the caller does not get.
func (h *Host) price(f *flight) {
	c := &f.Call
	if f.portion.taken { // it has been priced with others
		return
	}
	var weakest call.Provenance
	f.spent, weakest = spentOn(c.Attempts)
	if gave(c) {
		f.answered()
	}
	if f.spent == 0 {
		return
	}
	c.Cost += f.spent
	if c.Provenance == call.CostNone || weakest < c.Provenance {
		c.Provenance = weakest
	}
}

// answered prices an answer.
func (f *flight) answered() {
	c := &f.Call
	price, times := c.Target.Price.At(c.Received), int64(1)
	if price != nil {
		price, times = price.Tier(c.Facts.ServiceTier)
	}
	silent, most := c.Provenance == call.CostNone, f.most()
	if silent {
		var size int64
		if !c.Streamed {
			size = int64(len(c.Buf))
		}
		c.Usage, c.Provenance = meter.Estimate(c.Op, price, &c.Facts, size, c.Events), call.CostEstimated
		if c.Usage == (wire.Usage{}) {
			c.Provenance = call.CostNone
		}
	}
	if price != nil {
		c.Cost = price.CostOf(&c.Usage, price.PerImage(c.Facts.ImageSize, c.Facts.Quality)) * times
		if c.Provenance == call.CostEstimated && most > 0 {
			c.Cost = min(c.Cost, most)
		}
	}
	switch {
	case c.Usage.Cost != 0 || most <= 0:
	case opaque(c) && (price == nil || c.Provenance < call.CostComputed), silent && c.Facts.Unbounded: // it may have cost as much
		c.Cost, c.Provenance = most, call.CostEstimated
	}
	if c.Usage.Cost > 0 && c.Provenance == call.CostComputed {
		f.computed, c.Cost, c.Provenance = c.Cost, c.Usage.Cost, call.CostReported
	}
}

// most is what is reserved for the answer, 0 or less: nothing is. Hedges had
// reservations of their own; those of a session grow with it.
func (f *flight) most() int64 {
	left := f.Reserved - f.spent
	for i := range f.Candidates {
		if cand := &f.Candidates[i]; cand.Target == f.Target && cand.Bound > 0 && f.Op != wire.OpRealtime {
			return min(left, cand.Bound)
		}
	}
	return left
}

func record(f *flight) call.Record {
	c := &f.Call
	r := call.Record{
		ID: c.ID, Op: c.Op, Dialect: c.Dialect, Stream: c.Facts.Stream,
		TTFTUS: c.FirstByte.Microseconds(), Status: 200,
		Attempts: c.Attempts, Usage: c.Usage, Cost: c.Cost, Computed: f.computed, Reserved: c.Reserved, Provenance: c.Provenance,
		Route: c.Plan.Route,
	}
	r.Parent, r.Origin, r.Cached, r.Saved = c.Parent, c.Origin, c.Cached, c.Saved
	took := time.Since(c.Received)
	r.DurationUS = took.Microseconds()
	r.OverheadUS = max(0, took-c.Upstream).Microseconds()
	if p := c.Principal; p != nil {
		r.KeyID, r.KeyName, r.Org, r.Project, r.Team, r.User = p.KeyID, p.KeyName, p.Org, p.Project, p.Team, p.User
	}
	if c.Model != nil {
		r.Asked = c.Model.Name
	}
	if c.Target != nil {
		r.Target = c.Target.Name
	}
	if c.Decision != nil {
		r.Policy = c.Decision.Revision
	}
	if c.Err != nil {
		r.Status, r.Class, r.Code = c.Err.Status, c.Err.Class, c.Err.Code
	}
	return r
}
