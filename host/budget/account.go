package budget

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

const (
	// maxChain is the most accounts that bound one request.
	maxChain = 12
	// unlimited is what a bank may grant of what only soft limits watch.
	unlimited = math.MaxInt64 / 2
)

// units is how many units budgets are of: money, tokens and requests.
const units = int(call.UnitRequests) + 1

// Amounts are what a request reserves or spends, by call.Unit.
type Amounts [units]int64

// Add adds b to a.
func (a *Amounts) Add(b Amounts) {
	for u := range a {
		a[u] += b[u]
	}
}

// Chain is a set of limits, resolved, that a request must fit into.
type Chain struct {
	limits []bound
	hard   [units]bool
}

// Bounds reports whether a limit that can refuse counts unit.
func (ch *Chain) Bounds(unit call.Unit) bool { return ch != nil && ch.hard[unit] }

// Counts reports whether any limit counts unit.
func (ch *Chain) Counts(unit call.Unit) bool {
	return ch != nil && slices.ContainsFunc(ch.limits, func(b bound) bool { return b.counter.unit == unit })
}

// bound is what holds for one counter: a limit that can refuse, a soft one, or
// both.
type bound struct {
	limit   call.Limit // Max is unlimited where there is none that can refuse
	soft    call.Limit
	hasHard bool
	hasSoft bool
	counter *counter
}

// counter is a scope with a unit and a kind of window; it lives as long as the pool.
type counter struct {
	scope  string
	unit   call.Unit
	window window
	name   string   // of unit and window, in the bank
	now    *account // of the newest window in use, nil at first
	latest int64    // where the newest window that was ever in use starts
	limit  bound    // as a chain had it last, for lists
}

type counterKey struct{ scope, name string }

// account is a counter in one window: what a row of the bank and a word of the
// pool file are about. Pool.mu guards it.
type account struct {
	counter    *counter // nil for one that a former process left
	unit       call.Unit
	word       int
	row        int64 // 0 until the bank has been asked
	start, end int64 // of the window, Unix seconds
	granted    int64 // out of the bank in all, leased or spent
	reserved   int64 // by open slots
	max        int64 // the limit, as the last request that needed some had it
	last       int64 // the last grant's amount
	peak       int64 // the most that was reserved at once since the last look for idle accounts
	excess     int64 // held beyond any use of late: to be handed back
	demand     int64 // lacked by requests that wait for the round's end
	least      int64 // the smallest of what they lack
	waited     bool  // whether there are such requests
	open       int   // slots that hold it
	queued     bool
	retired    bool // its window is over, or it is an orphan's: hand back, then forget
	touched    bool // since the last look for idle accounts
	others     others
}

// others is what is known of other nodes' part in an account.
type others struct {
	held     int64     // leased to them and not reserved, as they told last
	reserved int64     // of it by their running requests
	recall   bool      // another node is refused for want of what lies here
	tight    time.Time // until then nothing is fetched ahead of need
	asking   time.Time // since when others are asked to hand back, zero: they are not
	quiet    time.Time // until then a refusal by the bank stands
	report   bool      // the bank is to be told how things stand
	told     bool      // that this node has something of it: it must hear when that is over, or a fence would hand it back again
}

// over reports whether nothing is taken out of a any more.
func (a *account) over() bool { return a.retired && a.open == 0 }

// counterName is what the bank knows counters of unit and window by, beside their scope.
func counterName(unit call.Unit, w *window) string {
	if unit == call.UnitUSD {
		return w.name
	}
	return unit.String() + " " + w.name
}

// Name is what the bank knows the counter of l by, beside its scope.
func Name(l call.Limit) (string, error) {
	w, err := newWindow(l.Window)
	return counterName(l.Unit, &w), err
}

// SplitName is the unit and the window of a name.
func SplitName(name string) (unit call.Unit, window string) {
	for _, u := range []call.Unit{call.UnitTokens, call.UnitRequests} {
		if rest, ok := strings.CutPrefix(name, u.String()+" "); ok {
			return u, rest
		}
	}
	return call.UnitUSD, name
}

// Chain resolves limits; rates among them are not its own. Of those on the same
// scope, unit and window the lowest and strictest holds; soft ones stand apart,
// so that one can warn of another. An empty list gives a nil Chain, which
// bounds nothing.
func (p *Pool) Chain(limits []call.Limit) (*Chain, error) {
	ch := &Chain{}
	for _, l := range limits {
		if l.Rate {
			continue
		}
		if err := p.add(ch, l); err != nil {
			return nil, fmt.Errorf("cannot use limit on %q: %w", l.Scope, err)
		}
	}
	if len(ch.limits) == 0 {
		return nil, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range ch.limits {
		b := &ch.limits[i]
		b.counter.limit = *b
		ch.hard[b.counter.unit] = ch.hard[b.counter.unit] || b.hasHard
	}
	return ch, nil
}

// CheckLimit says why l can be no budget.
func CheckLimit(l call.Limit) error {
	if err := CheckScope(l.Scope); err != nil {
		return err
	}
	if int(l.Unit) >= units {
		return fmt.Errorf("its unit is %q; money, tokens and requests can be budgeted", l.Unit)
	}
	if l.Max < 0 {
		return fmt.Errorf("its maximum is %d; it must not be negative", l.Max)
	}
	_, err := newWindow(l.Window)
	return err
}

// CheckScope says why scope names nobody whose budget could be counted.
func CheckScope(scope string) error {
	kind, name, _ := strings.Cut(scope, "/")
	switch {
	case scope == "":
		return fmt.Errorf("its scope is empty; name whose budget it is")
	case !slices.Contains(call.ScopeKinds, kind):
		return fmt.Errorf("its scope is of kind %q; give one of %s, a slash and a name", kind, strings.Join(call.ScopeKinds, ", "))
	case name == "":
		return fmt.Errorf("its scope names no %s; the caller may have none", kind)
	}
	return nil
}

func (p *Pool) add(ch *Chain, l call.Limit) error {
	if err := CheckLimit(l); err != nil {
		return err
	}
	w, err := newWindow(l.Window)
	if err != nil {
		return err
	}
	c := p.counter(l.Scope, l.Unit, w)
	for i := range ch.limits {
		if b := &ch.limits[i]; b.counter == c {
			b.merge(l)
			return nil
		}
	}
	if len(ch.limits) == maxChain {
		return fmt.Errorf("it is one more than the %d that can bound a request; merge or drop some", maxChain)
	}
	b := bound{limit: l, counter: c}
	b.limit.Max, b.limit.OnExceed = unlimited, call.OnWarn
	b.merge(l)
	ch.limits = append(ch.limits, b)
	return nil
}

// merge adds l to what holds.
func (b *bound) merge(l call.Limit) {
	if l.OnExceed == call.OnWarn {
		if !b.hasSoft || l.Max < b.soft.Max {
			b.soft = l
		}
		b.hasSoft = true
		return
	}
	b.limit.Max = min(b.limit.Max, l.Max, unlimited)
	b.limit.OnExceed = min(b.limit.OnExceed, l.OnExceed)
	b.hasHard = true
}

func (p *Pool) counter(scope string, unit call.Unit, w window) *counter {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := counterKey{scope, counterName(unit, &w)}
	c := p.counters[key]
	if c == nil {
		c = &counter{scope: scope, unit: unit, window: w, name: key.name}
		p.counters[key] = c
	}
	return c
}

// current returns c's account for the window that now lies in, nil when the
// pool has no room for another. A clock that steps back stays in the window, and
// so does a request that has waited: of an older one there may be an account
// still, which running requests hold, and must not be a second.
func (p *Pool) current(c *counter, now time.Time) *account {
	if a := c.now; a != nil && now.Unix() < a.end {
		return a
	}
	if len(p.freeWords) == 0 {
		return nil
	}
	if old := c.now; old != nil {
		old.retired = true
		p.enqueue(old)
	}
	if now.Unix() < c.latest {
		now = time.Unix(c.latest, 0)
	}
	start, end := c.window.bounds(now)
	a := &account{counter: c, unit: c.unit, start: start, end: end, word: p.freeWords[len(p.freeWords)-1]}
	p.freeWords = p.freeWords[:len(p.freeWords)-1]
	c.now, c.latest = a, start
	return a
}

func (p *Pool) avail(a *account) int64 { return p.im.m[p.im.word(a.word, wordAvail)] }

// spent is what of a's limit is reserved, settled, or leased elsewhere.
func (p *Pool) spent(a *account) int64 {
	return a.granted - p.avail(a) - p.im.m[p.im.word(a.word, wordReturning)]
}

// enqueue has the banker look at a.
func (p *Pool) enqueue(a *account) {
	if !a.queued {
		a.queued = true
		p.queue = append(p.queue, a)
	}
	p.banker.wake()
}

// forget frees a's word; the caller commits.
func (p *Pool) forget(a *account) {
	p.im.set(p.im.word(a.word, wordRow), 0)
	if a.row != 0 {
		delete(p.byRow, a.row)
	}
	if a.counter != nil && a.counter.now == a {
		a.counter.now = nil
	}
	p.freeWords = append(p.freeWords, a.word)
	a.word = -1
}
