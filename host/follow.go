package host

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/sdk/module"
)

// changed takes over what this node or another has changed in the store, by
// topic; "" is everything.
func (h *Host) changed(ctx context.Context, topic string) error {
	var errs []error
	for _, take := range []func(context.Context, string) error{h.identityChanged, h.credentialsChanged, h.modulesChanged, h.policyChanged, h.cacheChanged} {
		errs = append(errs, take(ctx, topic))
	}
	return errors.Join(errs...)
}

func (h *Host) credentialsChanged(ctx context.Context, topic string) error {
	if topic != "" && topic != store.TopicCredentials {
		return nil
	}
	h.reload.Lock()
	defer h.reload.Unlock()
	if h.closed {
		return nil
	}
	g := h.gen.Load()
	list, err := h.store.Credentials(ctx, time.Now())
	if err != nil || sameCredentials(g.stored, list) { // as after a change of this node's own
		return err
	}
	return h.replace(ctx, g.cfg)
}

func (h *Host) modulesChanged(ctx context.Context, topic string) error {
	kind, ok := strings.CutPrefix(topic, store.TopicModules)
	if topic != "" && !ok {
		return nil
	}
	var errs []error
	if topic == "" || kind == string(module.Route) {
		errs = append(errs, h.routes.Refresh(ctx))
	}
	if topic == "" || kind == string(module.Filter) {
		errs = append(errs, h.filterMods.Refresh(ctx))
	}
	return errors.Join(errs...)
}

// follower keeps this node in step with the others, and tells them that it
// lives. What cannot be taken over is tried again.
type follower struct {
	h      *Host
	every  time.Duration
	mu     sync.Mutex
	topics map[string]bool // that have changed and are not taken over yet
	wake   chan struct{}
	stop   context.CancelFunc
	done   sync.WaitGroup
	unfit  atomic.Pointer[error] // why this node must not serve
}

func newFollower(h *Host, every time.Duration) *follower {
	f := &follower{h: h, every: every, topics: map[string]bool{}, wake: make(chan struct{}, 1)}
	ctx, stop := context.WithCancel(context.Background())
	f.stop = stop
	f.done.Go(func() { _ = h.store.Watch(ctx, f.note) }) // it returns when ctx ends
	f.done.Go(func() { f.run(ctx) })
	return f
}

// Stop may be called twice, and of none.
func (f *follower) Stop() {
	if f != nil {
		f.stop()
		f.done.Wait()
	}
}

// note is told of changes.
func (f *follower) note(topic string) {
	if name, ok := strings.CutPrefix(topic, store.TopicCancels); ok {
		f.h.tools.door.Cancelled(name) // nothing that is to be taken over, and it cannot wait
		return
	}
	f.mu.Lock()
	f.topics[topic] = true
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default: // it has been woken and has not looked yet
	}
}

func (f *follower) run(ctx context.Context) {
	tick := time.NewTicker(f.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.wake:
		case <-tick.C:
			f.beat(ctx)
		}
		f.take(ctx)
	}
}

// take takes over what has changed. What fails waits for the next time.
func (f *follower) take(ctx context.Context) {
	f.mu.Lock()
	topics := f.topics
	f.topics = map[string]bool{}
	f.mu.Unlock()
	for topic := range topics {
		if topics[""] && topic != "" {
			continue // it is part of everything
		}
		err := f.h.changed(ctx, topic)
		if err == nil || ctx.Err() != nil {
			continue
		}
		f.h.log.Error("cannot take over a change of the store, it is tried again", "topic", topic, "err", err, "next_try", f.every)
		f.mu.Lock()
		f.topics[topic] = true
		f.mu.Unlock()
	}
}

// beat tells the others that this node lives, and learns whether it may.
func (f *follower) beat(ctx context.Context) {
	err := f.h.store.Beat(ctx)
	switch {
	case errors.Is(err, store.ErrFenced) || errors.Is(err, store.ErrTaken):
		if f.unfit.Swap(&err) == nil {
			f.h.log.Error("this gateway must not go on", "err", err)
		}
	case err == nil:
		f.unfit.Store(nil)
	case ctx.Err() == nil:
		f.h.log.Warn("cannot tell other gateways that this one lives", "err", err)
	}
}

// fit tells why this node must not serve, nil if it may.
func (f *follower) fit() error {
	if p := f.unfit.Load(); p != nil {
		return *p
	}
	return nil
}
