package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/bench/load"
	"github.com/signalbox-ai/signalbox/bench/proc"
	"github.com/signalbox-ai/signalbox/bench/upstream"
)

const (
	soakRequests = 100_000
	idleStreams  = 9_000
	spareFiles   = 500 // descriptors that a process needs beside its streams
)

// soak measures the gateway's resident memory after many requests of all keys.
func (s *suite) soak(ctx context.Context) error {
	t := s.lab.targets["lease"]
	n := s.size(soakRequests, 16)
	smp, err := s.lab.measure(t, shape1K, 16, n)
	if err != nil {
		return err
	}
	s.measures["soak/requests"] = float64(n)
	s.measures["soak/keys"] = keyCount
	s.measures["soak/allocs"] = smp.Allocs
	tree, err := proc.Tree(t.child.PID())
	if err != nil {
		return err
	}
	for i, p := range tree {
		rss, err := p.RSS()
		if err != nil {
			return err
		}
		name := "host"
		if i > 0 {
			name = strings.TrimPrefix(p.Name, "signalbox-provider-")
		}
		s.measures["soak/rss_mb/"+name] = float64(rss) / 1e6
	}
	return ctx.Err()
}

// idle measures what a stream costs in memory while nothing comes.
func (s *suite) idle(ctx context.Context) error {
	n := s.size(idleStreams, 1)
	if most := int(files()-spareFiles) / 2; n > most {
		return fmt.Errorf("%d idle streams need %d descriptors a process; raise the hard limit of open files from %d", n, 2*n+spareFiles, files())
	}
	for _, name := range []string{"nginx", "bare", "lease"} {
		if !s.opt.measures(name) {
			continue
		}
		kb, err := s.hold(s.lab.targets[name], n)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		s.measures["idle/kb_per_stream/"+name] = kb
		fmt.Fprintf(s.out, "idle streams: %s\n", name)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	s.measures["idle/streams"] = float64(n)
	return nil
}

// hold opens n streams through t and returns how much memory each adds, in
// KB, counted in all processes of t. All of them must then end as they should.
func (s *suite) hold(t *target, n int) (float64, error) {
	if err := s.lab.warm(t); err != nil {
		return 0, err
	}
	if err := s.lab.settle(t); err != nil {
		return 0, err
	}
	before, err := resident(t.child.PID())
	if err != nil {
		return 0, err
	}
	held, err := load.Hold(load.Job{Addr: t.addr(shapeHeld), Requests: t.requests(shapeHeld), Conns: n})
	if err != nil {
		return 0, err
	}
	defer held.Close()
	time.Sleep(time.Second) // what opening them has left behind is collected meanwhile
	after, err := resident(t.child.PID())
	if err != nil {
		return 0, err
	}
	if err := upstream.ReleaseAt(s.lab.upstream); err != nil {
		return 0, err
	}
	if err := held.Finish(t.check(shapeHeld)); err != nil {
		return 0, fmt.Errorf("cannot end the streams: %w", err)
	}
	return float64(after-before) / 1024 / float64(n), s.lab.running()
}

// resident is the memory of a process and its descendants in bytes.
func resident(pid int) (sum int64, err error) {
	tree, err := proc.Tree(pid)
	if err != nil {
		return 0, err
	}
	for _, p := range tree {
		rss, err := p.RSS()
		if err != nil {
			return 0, err
		}
		sum += rss
	}
	return sum, nil
}
