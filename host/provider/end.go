package provider

import (
	"context"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// stop asks the unit to end: its process finishes what it serves, unless
// force is closed.
func (u *unit) stop() {
	u.mu.Lock()
	defer u.mu.Unlock()
	select {
	case <-u.stopping:
	default:
		close(u.stopping)
		u.endLife()
	}
}

// hurry gives a unit that ends a short time to finish.
func (u *unit) hurry() {
	u.mu.Lock()
	defer u.mu.Unlock()
	select {
	case <-u.force:
	default:
		close(u.force)
	}
}

// end drains the process to zero in flight and ends it.
func (u *unit) end() {
	t := &u.sup.timing
	u.setState(Draining, nil)
	u.pause(t.grace)
	var direct []leased
	for _, l := range u.leases {
		if l.endpoint.Direct() {
			direct = append(direct, l)
		}
	}
	dropped := u.publish(direct, false)
	u.await(u.in.counter.Retire())

	ctx, cancel := context.WithTimeout(context.Background(), t.stop)
	defer cancel()
	select {
	case <-u.in.proc.done:
	default:
		u.in.drain(ctx)
	}
	u.in.kill()
	closeAll(dropped)
	for _, l := range direct {
		if l.endpoint.Transport != nil {
			l.endpoint.Transport.Close()
		}
	}
	u.in = nil
	u.setState(Stopped, nil)
}

// pause gives requests that hold an older configuration the time to begin.
func (u *unit) pause(d time.Duration) {
	u.mu.Lock()
	used := len(u.providers) > 0
	u.mu.Unlock()
	if !used {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-u.force:
	case <-u.in.proc.done:
	}
}

// await waits until the process serves nothing, or for as long as it may.
func (u *unit) await(idle <-chan struct{}) {
	long := time.NewTimer(u.sup.timing.drain)
	defer long.Stop()
	select {
	case <-idle:
		return
	case <-u.in.proc.done:
		return
	case <-long.C:
		u.sup.opts.Log.Warn("adapter ends with requests in flight", "provider", u.spec.Name, "requests", u.in.counter.InFlight())
		return
	case <-u.force:
	}
	short := time.NewTimer(u.sup.timing.stop)
	defer short.Stop()
	select {
	case <-idle:
	case <-u.in.proc.done:
	case <-short.C:
	}
}

// adopt moves the providers of old, which ends, to u: requests that began
// before a reload then find the new process. It is right only when both were
// allowed the same hosts, because those requests carry the old credentials.
func (u *unit) adopt(old *unit) {
	old.mu.Lock()
	moved := append([]*call.Provider(nil), old.providers...)
	old.providers = nil
	old.mu.Unlock()
	for _, p := range moved {
		u.hideAll(p)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, p := range moved {
		u.detachLocked(p)
		p.Publish(u.endpoints)
	}
	// Those that began with u are newer: of too many the oldest are let go.
	u.providers = append(moved, u.providers...)
	u.providers = u.providers[max(len(u.providers)-maxAttached, 0):]
}
