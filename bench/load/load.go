// Package load is the suite's load generator: keep-alive HTTP/1.1 connections
// in a closed loop, prepared requests, every answer checked.
package load

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Request is one prepared request.
type Request struct {
	Bytes []byte // head and body
	Path  string
}

// Job is what is asked of one target.
type Job struct {
	Addr     string
	Requests []Request // sent in turn, each connection from another start
	Conns    int
	Total    int           // requests in all
	Timeout  time.Duration // for one answer; default 30 s
	Check    Check
}

// Check is what an answer must be.
type Check struct {
	Marker []byte // somewhere in the body
	Events int    // events of a stream, the terminal one included; 0: not a stream
	Exact  []byte // all of the body, but for comments within a stream; nil: not known
}

// Result is what came of a job.
type Result struct {
	Requests int
	Failed   int
	Elapsed  time.Duration
	Bytes    int64
	latency  []time.Duration // sorted
	first    []time.Duration // until the first event of a stream; sorted
}

// Run does a job. The error is the first that an answer gave; the result then
// counts how many failed.
func Run(j Job) (Result, error) {
	if j.Timeout <= 0 {
		j.Timeout = 30 * time.Second
	}
	conns, err := dial(j)
	defer func() {
		for _, c := range conns {
			c.close()
		}
	}()
	if err != nil {
		return Result{}, err
	}
	return drive(j, conns, j.Total)
}

func dial(j Job) ([]*conn, error) {
	conns := make([]*conn, 0, j.Conns)
	for i := range j.Conns {
		c, err := net.DialTimeout("tcp", j.Addr, 5*time.Second)
		if err != nil {
			return conns, fmt.Errorf("cannot reach %q: %w", j.Addr, err)
		}
		conns = append(conns, newConn(c, i*7919))
	}
	return conns, nil
}

// drive sends total requests over conns, whichever is free next.
func drive(j Job, conns []*conn, total int) (Result, error) {
	var left atomic.Int64
	left.Store(int64(total))
	var wg sync.WaitGroup
	start := time.Now()
	for _, c := range conns {
		c.reset(total/len(conns) + 1)
		wg.Go(func() {
			for left.Add(-1) >= 0 && c.fatal == nil {
				c.once(&j)
			}
		})
	}
	wg.Wait()
	return gather(conns, time.Since(start))
}

func gather(conns []*conn, elapsed time.Duration) (Result, error) {
	r := Result{Elapsed: elapsed}
	var errs []error
	for _, c := range conns {
		r.Requests += len(c.latency)
		r.Failed += c.failed
		r.Bytes += c.bytes
		r.latency = append(r.latency, c.latency...)
		r.first = append(r.first, c.firsts...)
		if c.fatal != nil {
			errs = append(errs, c.fatal)
		}
	}
	slices.Sort(r.latency)
	slices.Sort(r.first)
	if len(errs) > 0 {
		return r, fmt.Errorf("%d connections failed, the first: %w", len(errs), errs[0])
	}
	if r.Requests == 0 {
		return r, errors.New("no request was answered")
	}
	return r, nil
}

// Latency is a quantile of the time from the first byte sent to the last one read.
func (r Result) Latency(q float64) time.Duration { return quantile(r.latency, q) }

// FirstEvent is a quantile of the time until a stream's first event.
func (r Result) FirstEvent(q float64) time.Duration { return quantile(r.first, q) }

func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}
