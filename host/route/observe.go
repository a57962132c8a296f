package route

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/host/wasm"
	"github.com/signalbox-ai/signalbox/host/wasm/record"
	"github.com/signalbox-ai/signalbox/sdk/abi"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

const (
	pumpRoom  = 8 * abi.MaxOutcomes // outcomes that wait, at most
	pumpEvery = 100 * time.Millisecond
	pumpBytes = 24 << 10 // of one observation: guests have buffers of 32 KiB
	// pumpFaults is how many observations in a row a version may fail before it
	// is told of no more outcomes. It goes on to decide.
	pumpFaults = 3
)

// pump tells the active version how attempts ended, in batches and off the path
// of requests. What it learns, it keeps in counters, which belong to the
// module's name: so the versions of canaries and shadows are not told.
type pump struct {
	handle *Handle
	on     atomic.Bool // the active version wants to be told

	mu         sync.Mutex
	waiting    []record.Outcome
	dropped    uint64 // since the last observation
	wake, full chan struct{}

	spare    []record.Outcome
	unwanted *lane.Version // has failed too often
	failed   int           // in a row

	stop, stopped chan struct{} // nil: no worker runs

	told, lost, faults atomic.Int64
}

// Observing is what became of outcomes.
type Observing struct {
	Told    int64 // to the active version
	Dropped int64 // nobody was told
	Faults  int64 // observations that failed
}

func (p *pump) stats() *Observing {
	s := &Observing{Told: p.told.Load(), Dropped: p.lost.Load(), Faults: p.faults.Load()}
	if *s == (Observing{}) && !p.on.Load() {
		return nil
	}
	return s
}

// follow makes v the one that is told, nil for none.
func (p *pump) follow(v *lane.Version) {
	observes := v != nil && v.Module().Observes()
	if !observes {
		p.on.Store(false)
	}
	switch {
	case observes == (p.stop != nil):
	case observes:
		if p.waiting == nil {
			p.waiting, p.spare = make([]record.Outcome, 0, pumpRoom), make([]record.Outcome, 0, pumpRoom)
			p.wake, p.full = make(chan struct{}, 1), make(chan struct{}, 1)
		}
		p.stop, p.stopped = make(chan struct{}), make(chan struct{})
		go p.run(p.stop, p.stopped)
		p.on.Store(true)
	default:
		close(p.stop)
		<-p.stopped
		p.stop = nil
	}
}

// Observe notes how the attempts of a request ended, for a module that exports
// sb_observe. It is cheap, and cheaper where none does.
func (h *Handle) Observe(c *call.Call) {
	if h == nil || !h.pump.on.Load() || len(c.Attempts) == 0 {
		return
	}
	cost := c.Cost
	for i := range c.Attempts {
		cost -= c.Attempts[i].Cost
	}
	o := record.Outcome{ID: uint64(c.ID), Model: modelName(c), Tenant: tenant(c), Kind: uint32(c.Op)}
	for i := range c.Attempts {
		a := &c.Attempts[i]
		if a.Target == nil {
			continue
		}
		o.Attempt = uint32(i)
		fill(&o, c, a)
		if a.Class == wire.ClassNone && !a.Lost && a.Target == c.Target {
			o.Cost, o.InTokens, o.OutTokens = max(cost, 0), clip(c.Usage.Prompt()), clip(c.Usage.Completion())
		}
		h.pump.add(&o)
	}
}

// fill writes what an attempt alone says.
func fill(o *record.Outcome, c *call.Call, a *call.Attempt) {
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	o.Target, o.Error = a.Target.Name, uint32(a.Class)
	o.EndMS = c.Received.Add(a.Start + a.Duration).UnixMilli()
	o.TTFTMS, o.TotalMS = ms(a.FirstByte), ms(a.Duration)
	o.Cost, o.InTokens, o.OutTokens, o.Flags = a.Cost, 0, 0, 0
	if c.Facts.Stream {
		o.Flags |= abi.OutcomeStream
	}
	if a.Hedge {
		o.Flags |= abi.OutcomeHedge
	}
	if a.Lost {
		o.Flags |= abi.OutcomeLost
	}
}

func (p *pump) add(o *record.Outcome) {
	p.mu.Lock()
	n := len(p.waiting)
	if n == cap(p.waiting) {
		p.dropped++
		p.mu.Unlock()
		p.lost.Add(1)
		return
	}
	p.waiting = append(p.waiting, *o)
	p.mu.Unlock()
	switch n {
	case 0:
		poke(p.wake)
	case abi.MaxOutcomes - 1:
		poke(p.full)
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run delivers until stop.
func (p *pump) run(stop, stopped chan struct{}) {
	defer close(stopped)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-stop:
			return
		case <-p.full:
		case <-p.wake:
			timer.Reset(pumpEvery)
			select {
			case <-stop:
				return
			case <-p.full:
			case <-timer.C:
			}
		}
		p.flush()
	}
}

// flush delivers what waits. One goroutine at a time calls it.
func (p *pump) flush() {
	p.mu.Lock()
	batch, dropped := p.waiting, p.dropped
	p.waiting, p.dropped = p.spare[:0], 0
	p.mu.Unlock()
	for rest := batch; len(rest) > 0; {
		o := record.Observation{Dropped: dropped, Outcomes: rest[:min(len(rest), abi.MaxOutcomes)]}
		for o.Size() > pumpBytes && len(o.Outcomes) > 1 {
			o.Outcomes = o.Outcomes[:len(o.Outcomes)/2]
		}
		rest = rest[len(o.Outcomes):]
		if p.deliver(&o) {
			dropped = 0
			p.told.Add(int64(len(o.Outcomes)))
			continue
		}
		dropped += uint64(len(o.Outcomes))
		p.lost.Add(int64(len(o.Outcomes)))
	}
	if dropped > 0 {
		p.mu.Lock()
		p.dropped += dropped
		p.mu.Unlock()
	}
	clear(batch)
	p.spare = batch[:0]
}

// deliver reports whether the active version took o.
func (p *pump) deliver(o *record.Observation) bool {
	v := p.handle.lanes.View().Active
	if v == nil || v == p.unwanted || !v.Module().Observes() {
		return false
	}
	o.NowMS, o.Seed = time.Now().UnixMilli(), rand.Uint64()
	in, err := v.Acquire()
	if in == nil && err == nil {
		return false // it has just left its lane
	}
	if err == nil {
		err = show(in, o)
		in.Release(err)
	}
	if err == nil {
		p.failed = 0
		return true
	}
	p.faults.Add(1)
	p.handle.log.Warn("routing module failed to observe", "version", v.Label, "fault", wasm.FaultOf(err), "error", err)
	if p.failed++; p.failed >= pumpFaults {
		p.unwanted, p.failed = v, 0
		p.handle.log.Error("routing module is told of outcomes no more until another version is active", "version", v.Label)
	}
	return false
}

// show hands an instance an observation.
func show(in *wasm.Instance, o *record.Observation) error {
	size := o.Size()
	b, err := in.Buffer(size)
	if err != nil {
		return err
	}
	o.Encode(b)
	return in.Observe(size)
}
