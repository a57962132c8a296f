package main

import (
	"fmt"
	"time"

	"github.com/signalbox-ai/signalbox/bench/load"
	"github.com/signalbox-ai/signalbox/bench/proc"
)

// sample is one measurement of one target.
type sample struct {
	Host     float64 `json:"host_us"`    // CPU µs a request: the gateway, or all of a baseline
	Adapters float64 `json:"adapter_us"` // CPU µs a request: the gateway's adapters
	P50      float64 `json:"p50_us"`
	P99      float64 `json:"p99_us"`
	First    float64 `json:"first_us"` // median until a stream's first event
	Rate     float64 `json:"per_second"`
	Allocs   float64 `json:"allocs"` // of the gateway a request
	Requests int     `json:"requests"`
}

// CPU is all that a request costs.
func (s sample) CPU() float64 { return s.Host + s.Adapters }

// measure runs total requests of shape s over conns connections against t. The
// processor time is read when everything that the requests left to do is done.
func (l *lab) measure(t *target, s shape, conns, total int) (sample, error) {
	if err := l.warm(t); err != nil {
		return sample{}, err
	}
	if err := l.settle(t); err != nil {
		return sample{}, err
	}
	mallocs, err := t.mallocs() // outside of the time that is measured, as below
	if err != nil {
		return sample{}, err
	}
	before, err := usage(t.child.PID())
	if err != nil {
		return sample{}, err
	}
	r, err := load.Run(load.Job{Addr: t.addr(s), Requests: t.requests(s), Conns: conns, Total: total, Check: t.check(s)})
	if err != nil {
		return sample{}, fmt.Errorf("%s: %w", t.name, err)
	}
	out := sample{
		P50: micros(r.Latency(0.5)), P99: micros(r.Latency(0.99)), First: micros(r.FirstEvent(0.5)),
		Rate: float64(r.Requests) / r.Elapsed.Seconds(), Requests: r.Requests,
	}
	if err := l.settle(t); err != nil {
		return sample{}, err
	}
	after, err := usage(t.child.PID())
	if err != nil {
		return sample{}, err
	}
	now, err := t.mallocs()
	if err != nil {
		return sample{}, err
	}
	n := float64(r.Requests)
	out.Allocs = (now - mallocs) / n
	for pid, cpu := range after {
		spent := micros(cpu-before[pid]) / n
		if t.gateway != nil && pid != t.child.PID() {
			out.Adapters += spent
		} else {
			out.Host += spent
		}
	}
	return out, l.running()
}

// warm sends one request with every key: while others were measured, t has let
// go of what it keeps for keys in use.
func (l *lab) warm(t *target) error {
	_, err := load.Run(load.Job{Addr: t.addr(shape1K), Requests: t.requests(shape1K), Conns: 1, Total: keyCount, Check: t.check(shape1K)})
	if err != nil {
		return fmt.Errorf("cannot warm up %s: %w", t.name, err)
	}
	return nil
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// usage is the processor time of a process and of its descendants so far.
func usage(pid int) (map[int]time.Duration, error) {
	tree, err := proc.Tree(pid)
	if err != nil {
		return nil, err
	}
	out := make(map[int]time.Duration, len(tree))
	for _, p := range tree {
		if out[p.PID], err = p.CPU(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// settle waits until t has nothing left to do: the ledger's folding is asked
// for, and then the process and its children must be idle.
func (l *lab) settle(t *target) error {
	if t.gateway != nil {
		if _, err := t.gateway.usage("bench-0"); err != nil {
			return err
		}
	}
	end := time.Now().Add(settleTimeout)
	for last := time.Duration(-1); ; {
		now, err := total(t.child.PID())
		if err != nil {
			return err
		}
		if last >= 0 && now-last < quietCPU {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s does not come to rest: it still uses %s of CPU each %s", t.name, now-last, quietFor)
		}
		last = now
		time.Sleep(quietFor)
	}
}

func total(pid int) (sum time.Duration, err error) {
	all, err := usage(pid)
	for _, d := range all {
		sum += d
	}
	return sum, err
}
