package alert

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Outbox keeps alerts and deliveries for all nodes.
type Outbox interface {
	RaiseAlert(ctx context.Context, a call.Alert, to []string) (raised bool, err error)
	ClaimDeliveries(ctx context.Context, now, until time.Time, most int) ([]call.Delivery, error)
	SettleDelivery(ctx context.Context, d call.Delivery) error
}

// Source knows what is to be told.
type Source interface {
	Spending(ctx context.Context) ([]Spent, error)
	Conditions(ctx context.Context) []Condition
}

// Options of a Manager. Zero values are defaults.
type Options struct {
	Node    string
	Log     *slog.Logger
	Now     func() time.Time
	Every   time.Duration // between two looks at the source
	Timeout time.Duration // of one try to deliver
	Roots   *x509.CertPool
}

// Manager looks and sends.
type Manager struct {
	opt    Options
	outbox Outbox
	source Source
	sender sender

	settings atomic.Pointer[Settings]
	unraised []Condition // that the outbox did not take; the source may not tell them again
	raised   sync.Map    // keys of alerts that the store has, to ask it once: key → end, Unix seconds
	sent     atomic.Uint64
	failed   atomic.Uint64
	lost     atomic.Uint64

	wake   chan struct{}
	cancel context.CancelFunc
	done   sync.WaitGroup
}

const (
	claims   = 16 // deliveries that a node has in hand
	poll     = 5 * time.Second
	maxTries = 20
	firstGap = 5 * time.Second
	maxGap   = time.Hour
)

// New returns a manager that does nothing before Start.
func New(outbox Outbox, source Source, set Settings, opt Options) *Manager {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Every <= 0 {
		opt.Every = 10 * time.Second
	}
	if opt.Timeout <= 0 {
		opt.Timeout = 10 * time.Second
	}
	m := &Manager{opt: opt, outbox: outbox, source: source, sender: sender{roots: opt.Roots, timeout: opt.Timeout, now: opt.Now}, wake: make(chan struct{}, 1)}
	m.Set(set)
	return m
}

// Start looks and sends until Stop.
func (m *Manager) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	m.cancel = cancel
	m.done.Go(func() { m.every(ctx, m.opt.Every, nil, m.look) })
	m.done.Go(func() { m.every(ctx, poll, m.wake, m.deliver) })
}

// Set takes other settings into use.
func (m *Manager) Set(set Settings) {
	if set.Repeat <= 0 {
		set.Repeat = time.Hour
	}
	m.settings.Store(&set)
}

// Stop ends what runs; what has not been sent lies in the outbox. A nil manager
// is stopped.
func (m *Manager) Stop() {
	if m != nil && m.cancel != nil {
		m.cancel()
		m.done.Wait()
	}
}

func (m *Manager) every(ctx context.Context, gap time.Duration, wake <-chan struct{}, f func(context.Context) error) {
	for {
		if err := f(ctx); err != nil && ctx.Err() == nil {
			m.opt.Log.Warn("alerts wait", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-wake:
		case <-time.After(gap):
		}
	}
}

// look raises what the source tells and nobody has raised.
func (m *Manager) look(ctx context.Context) error {
	conditions, now := latest(m.unraised, m.source.Conditions(ctx)), m.opt.Now()
	m.unraised = nil
	set := m.settings.Load()
	if len(set.Receivers) == 0 {
		return nil
	}
	m.forget(now)
	var err error
	for _, c := range conditions {
		if _, failed := m.raise(ctx, c.alert(set.Repeat, now)); failed != nil {
			m.unraised = append(m.unraised, c)
			err = errors.Join(err, failed)
		}
	}
	spending, failed := m.source.Spending(ctx)
	err = errors.Join(err, failed)
	for i := range spending {
		for _, a := range set.crossings(&spending[i], now) {
			_, failed := m.raise(ctx, a)
			err = errors.Join(err, failed)
		}
	}
	return err
}

// latest is list with those of before in front that it does not tell anew.
func latest(before, list []Condition) []Condition {
	return append(slices.DeleteFunc(before, func(b Condition) bool {
		return slices.ContainsFunc(list, func(c Condition) bool { return c.Kind == b.Kind && c.Scope == b.Scope })
	}), list...)
}

func (m *Manager) forget(now time.Time) {
	m.raised.Range(func(key, end any) bool {
		if end.(int64) <= now.Unix() {
			m.raised.Delete(key)
		}
		return true
	})
}

// raise keeps a in the outbox, for those who want it, if it is new.
func (m *Manager) raise(ctx context.Context, a call.Alert) (bool, error) {
	key := fmt.Sprintf("%s\x00%s\x00%s\x00%d\x00%s", a.Kind, a.Scope, a.Window, a.Start, a.Mark)
	if _, ok := m.raised.Load(key); ok {
		return false, nil
	}
	set := m.settings.Load()
	var to []string
	for _, name := range slices.Sorted(maps.Keys(set.Receivers)) {
		r := set.Receivers[name]
		if wants(r.Kinds, a.Kind) && wants(r.Scopes, a.Scope) {
			to = append(to, name)
		}
	}
	raised, err := m.outbox.RaiseAlert(ctx, a, to)
	if err != nil {
		return false, err
	}
	m.raised.Store(key, a.End)
	if raised {
		m.opt.Log.Warn("alert", "kind", a.Kind, "scope", a.Scope, "mark", a.Mark, "to", to)
		select {
		case m.wake <- struct{}{}:
		default:
		}
	}
	return raised, nil
}

// deliver sends what is due.
func (m *Manager) deliver(ctx context.Context) error {
	for {
		now := m.opt.Now()
		// Nobody else takes them before this node has tried, and settled, each.
		list, err := m.outbox.ClaimDeliveries(ctx, now, now.Add(4*m.opt.Timeout), claims)
		if err != nil || len(list) == 0 {
			return err
		}
		var sending sync.WaitGroup
		errs := make([]error, len(list))
		for i := range list {
			sending.Go(func() { errs[i] = m.attempt(ctx, list[i]) })
		}
		sending.Wait()
		if err := errors.Join(errs...); err != nil || len(list) < claims {
			return err
		}
	}
}

// attempt tries a delivery once and keeps how that ended.
func (m *Manager) attempt(ctx context.Context, d call.Delivery) error {
	r, ok := m.settings.Load().Receivers[d.To]
	err := errors.New("there is no such receiver any more")
	if ok {
		err = m.hand(ctx, &r, d.Alert)
	}
	if ctx.Err() != nil {
		return nil // it is due again soon, for another node or the next start
	}
	now := m.opt.Now()
	d.Tries++
	d.Next, d.Err = time.Time{}, ""
	switch {
	case err == nil:
		d.Done = now
		m.sent.Add(1)
	case !ok, hopeless(err), d.Tries >= maxTries:
		d.Err = err.Error()
		m.lost.Add(1)
		m.opt.Log.Error("an alert cannot be delivered", "to", d.To, "scope", d.Alert.Scope, "tries", d.Tries, "err", err)
	default:
		d.Err, d.Next = err.Error(), now.Add(backoff(d.Tries))
		m.failed.Add(1)
		m.opt.Log.Warn("an alert is delivered later", "to", d.To, "scope", d.Alert.Scope, "next_try", d.Next, "err", err)
	}
	return m.outbox.SettleDelivery(context.WithoutCancel(ctx), d)
}

func backoff(tries int) time.Duration {
	gap := min(firstGap<<min(tries-1, 20), maxGap)
	return gap + time.Duration(rand.Int64N(int64(gap)/4+1))
}

// hand sends a to r.
func (m *Manager) hand(ctx context.Context, r *Receiver, a *call.Alert) error {
	var e Event
	if err := json.Unmarshal(a.Body, &e); err != nil {
		return fmt.Errorf("cannot read the alert: %w", err)
	}
	e.ID, e.Node = fmt.Sprintf("alert_%d", a.ID), m.opt.Node
	return m.sender.send(ctx, r, &e)
}

// Test sends a message to a receiver at once, past the outbox.
func (m *Manager) Test(ctx context.Context, name string) error {
	r, ok := m.settings.Load().Receivers[name]
	if !ok {
		return ErrNoReceiver
	}
	now := m.opt.Now().UTC().Truncate(time.Second)
	e := Event{ID: fmt.Sprintf("alert_test_%d", now.Unix()), Type: KindTest, Time: now, Node: m.opt.Node, Scope: "receiver/" + name,
		Message: "this is a test of the receiver " + name + ": nothing has happened"}
	return m.sender.send(ctx, &r, &e)
}

// ErrNoReceiver says that a receiver is not known.
var ErrNoReceiver = errors.New("there is no receiver of this name")

// Stats are the deliveries since the start.
type Stats struct{ Sent, Failed, Lost uint64 }

// Stats returns the counters as they stand.
func (m *Manager) Stats() Stats { return Stats{m.sent.Load(), m.failed.Load(), m.lost.Load()} }
