package provider

import (
	"slices"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	protobuf "google.golang.org/protobuf/proto"
)

// publish makes list what the unit's providers serve. Endpoints that stay the
// same stay the same object, with their connections. It returns the transports
// that are no longer needed. restarting tells requests that more is to come.
func (u *unit) publish(list []leased, restarting bool) (dropped []call.Transport) {
	old := u.leases
	changed := len(old) != len(list) || restarting != u.restarting
	u.restarting = restarting
	endpoints := make([]*call.Endpoint, len(list))
	for i := range list {
		if before := find(old, &list[i]); before != nil {
			list[i].endpoint = before
		} else {
			changed = true
			if list[i].endpoint.Transport == nil && u.sup.opts.NewTransport != nil {
				list[i].endpoint.Transport = u.sup.opts.NewTransport(list[i].endpoint)
			}
		}
		endpoints[i] = list[i].endpoint
	}
	u.leases = list
	if !changed {
		return nil
	}
	set := call.NewEndpoints(endpoints)
	set.Restarting = restarting
	u.mu.Lock()
	u.endpoints = set
	u.stat.Endpoints = describe(list)
	for _, p := range u.providers {
		p.Publish(set)
	}
	u.mu.Unlock()
	for _, l := range old {
		if !holds(list, l.endpoint) && l.endpoint.Transport != nil {
			dropped = append(dropped, l.endpoint.Transport)
		}
	}
	return dropped
}

func closeAll(list []call.Transport) {
	for _, t := range list {
		t.Close()
	}
}

// find returns the endpoint of an equal lease of the same process, nil if there is none.
func find(list []leased, l *leased) *call.Endpoint {
	for _, o := range list {
		if o.endpoint == l.endpoint || o.endpoint.Process == l.endpoint.Process && protobuf.Equal(o.claim, l.claim) {
			return o.endpoint
		}
	}
	return nil
}

func holds(list []leased, e *call.Endpoint) bool {
	for _, l := range list {
		if l.endpoint == e {
			return true
		}
	}
	return false
}

// maxAttached bounds how many generations of a provider are kept up to date:
// requests that began before a reload still use theirs.
const maxAttached = 8

// attach lets p see what the unit publishes.
func (u *unit) attach(p *call.Provider) {
	u.hideAll(p)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.detachLocked(p)
	if u.providers = append(u.providers, p); len(u.providers) > maxAttached {
		u.providers = u.providers[1:]
	}
	p.Publish(u.endpoints)
}

// attached are the providers that see what the unit publishes.
func (u *unit) attached() []*call.Provider {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.providers)
}

// detach ends that; p keeps what it has.
func (u *unit) detach(p *call.Provider) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.detachLocked(p)
}

func (u *unit) detachLocked(p *call.Provider) {
	for i, o := range u.providers {
		if o == p {
			u.providers = append(u.providers[:i:i], u.providers[i+1:]...)
			return
		}
	}
}

func (u *unit) nextExpiry() time.Duration {
	next := time.Duration(1<<63 - 1)
	for _, l := range u.leases {
		if l.endpoint.Direct() {
			next = min(next, time.Until(l.expires))
		}
	}
	return max(next, 0)
}

func (u *unit) expire(now time.Time) {
	var left []leased
	for _, l := range u.leases {
		if !l.endpoint.Direct() || l.expires.After(now) {
			left = append(left, l)
		}
	}
	closeAll(u.publish(left, u.restarting))
}
