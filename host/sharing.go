package host

import (
	"bytes"
	"crypto/rand"
	"io"

	"github.com/signalbox-ai/signalbox/host/cache"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/share"
	"github.com/signalbox-ai/signalbox/host/telemetry"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// followTries is how often a request follows others whose answers then are not
// for it; after that it asks for itself.
const followTries = 3

// sharing is what a configuration says of answers that several requests have,
// readied.
type sharing struct {
	cfg    *config.Share
	table  *share.Table
	keys   *cache.Keyer
	rev    *caching // revisions of what answers go by
	ops    [wire.NumOps]bool
	models map[string]bool // that say something
}

// newSharing reads what cfg says, nil: nothing is shared. Answers that are
// underway stay where old has them.
func newSharing(cfg *config.Config, old *generation) *sharing {
	if cfg.Share == nil {
		return nil
	}
	with := *cfg
	with.Cache = config.Cache{Exact: &config.ExactCache{}} // for the revisions alone
	s := &sharing{cfg: cfg.Share, rev: newCaching(&with), models: map[string]bool{}}
	if old != nil && old.sharing != nil && old.sharing.cfg.MaxAnswer == cfg.Share.MaxAnswer {
		s.table, s.keys = old.sharing.table, old.sharing.keys
	} else {
		secret := make([]byte, 32)
		_, _ = rand.Read(secret) // it never fails
		s.table, s.keys = share.New(int(cfg.Share.MaxAnswer)), cache.NewKeyer(secret)
	}
	for _, op := range cfg.Share.Operations {
		s.ops[wire.ParseOp(op)] = true
	}
	for name, m := range cfg.Models {
		if m.Share != nil {
			s.models[name] = *m.Share
		}
	}
	return s
}

// of reports whether requests such as f share answers.
func (s *sharing) of(f *flight) bool {
	on, says := s.models[f.Model.Name]
	return s.ops[f.Op] && (on || !says && s.cfg.Models == "all")
}

// shared is a flight's part in an answer that is others' too.
type shared struct {
	group *share.Group // nil: it has none
	key   share.Key
	leads bool
	begun bool // the answer is whole, and the group has it but for what it has cost
	tries int
}

// leave ends the part, whatever came of it.
func (s *shared) leave() {
	switch {
	case s.group == nil:
	case s.leads:
		s.group.Fail(share.Failure{Own: true}) // of one that has ended it says nothing
	default:
		s.group.Leave()
	}
	s.group = nil
}

// whole ends the group of a leader whose answer did not stream, once it has its
// bill.
func (s *shared) whole(f *flight) {
	if s.begun {
		s.group.End(share.Tail{Cost: f.Cost})
	}
}

// join finds those who ask for the same; true: one of them has f's answer soon.
func (h *Host) join(f *flight) (follows bool) {
	s := f.gen.sharing
	if s == nil || f.inner != nil || !s.of(f) || !f.remembers() {
		return false
	}
	if how, err := directives(f.Header); err != nil || how.bypass || how.refresh {
		return false
	}
	a := askeds.Get().(*asked)
	defer a.release()
	if !f.asks(a, s.rev) {
		return false
	}
	a.Scope = scopeOf(s.cfg.Scope, f.Principal)
	f.shared.key = share.Key(s.keys.KeyOf("share", &a.Asked))
	return f.rejoin()
}

func (f *flight) rejoin() (follows bool) {
	sh := &f.shared
	sh.group, sh.leads = f.gen.sharing.table.Join(sh.key, &f.Gone)
	if sh.leads {
		f.Gone.Stay(sh.group.Followed)
	}
	return !sh.leads
}

// askShared asks for f's answer, or waits for that of another.
func (h *Host) askShared(f *flight) (call.Answer, *wire.Error) {
	switch {
	case f.shared.group == nil:
		return h.askGathered(f)
	case f.shared.leads:
		return h.lead(f)
	}
	return h.follow(f)
}

// lead asks, and lets the others have what comes.
func (h *Host) lead(f *flight) (call.Answer, *wire.Error) {
	g := f.shared.group
	ans, err := h.askGathered(f)
	switch {
	case err != nil:
		own := !f.SentUp || err.Class == wire.ClassPolicy || err.Status == statusLeft
		g.Fail(share.Failure{Own: own, Err: err})
		return ans, err
	case f.MaxTokens > 0 || f.Stepped || ans.Status != 200: // its budget made the answer what it is
		g.Fail(share.Failure{Own: true})
		return ans, nil
	}
	g.Begin(share.Head{Status: ans.Status, Type: ans.ContentType, Stream: ans.Stream != nil, Target: f.Target.Name, Dropped: string(f.Dropped)})
	if ans.Stream == nil {
		g.Write(ans.Body)
		f.shared.begun = true
		return ans, nil
	}
	ans.Stream = &leading{Stream: ans.Stream, f: f, events: ans.ContentType == eventStream}
	return ans, nil
}

// leading is a stream that goes to others too. It goes on without its caller
// while one of them is there.
type leading struct {
	call.Stream
	f      *flight
	events bool
	w      io.Writer
	begun  bool
	left   bool // its own caller has
}

// WriteTo implements call.Stream.
func (l *leading) WriteTo(w io.Writer) (int64, error) {
	l.w, l.begun = w, true
	n, err := l.Stream.WriteTo(l)
	g := l.f.shared.group
	if err != nil {
		g.Fail(share.Failure{Err: l.f.Err})
	} else {
		g.End(share.Tail{Cost: l.f.Cost})
	}
	if err == nil && l.left {
		return n, errLeft
	}
	return n, err
}

// Write takes what goes to the caller: of events whole ones.
func (l *leading) Write(p []byte) (int, error) {
	g := l.f.shared.group
	if l.events && bytes.Contains(p, []byte(": signalbox {")) {
		rest, at := unsummed(bytes.Clone(p))
		if at >= 0 {
			g.Write(rest[:at])
			g.Mark()
			rest = rest[at:]
		}
		g.Write(rest)
	} else {
		g.Write(p)
	}
	if why := l.f.Gone.Why(); why != nil && !l.left { // the rest is for the others alone
		if l.left = true; l.events {
			_, _ = l.w.Write(wire.AppendErrorEvent(nil, l.f.Dialect, why, l.f.ID.String())) // the connection is cut anyway
		}
	}
	if !l.left {
		n, err := l.w.Write(p)
		if err == nil || !g.Followed() {
			return n, err
		}
		l.left = true
	}
	if !g.Followed() {
		return 0, errLeft
	}
	return len(p), nil
}

// Close implements call.Stream. A caller that has left before anything was
// written leaves the answer to the others.
func (l *leading) Close() error {
	if !l.begun && l.f.shared.group.Followed() {
		l.left = true
		_, _ = l.WriteTo(io.Discard)
	}
	return l.Stream.Close()
}

// sharingFamilies are the figures of answers that several requests have.
func (h *Host) sharingFamilies() []telemetry.Family {
	one := func(name, help string, value func(share.Stats) int64) telemetry.Family {
		return telemetry.Family{Name: name, Help: help, Collect: func(emit telemetry.Emit) {
			if s := h.gen.Load().sharing; s != nil {
				emit(float64(value(s.table.Stats())))
			}
		}}
	}
	return []telemetry.Family{
		one("share_led_total", "Requests that were asked, whose answers others could have.", func(s share.Stats) int64 { return s.Led }),
		one("share_followed_total", "Requests that had the answer of another.", func(s share.Stats) int64 { return s.Followed }),
		one("share_waiting", "Requests that wait for, or read, the answer of another.", func(s share.Stats) int64 { return s.Waiting }),
		one("share_cut_total", "Those of them that read it too slowly.", func(s share.Stats) int64 { return s.Cut }),
		one("share_retried_total", "Requests whose leader had no answer for them.", func(s share.Stats) int64 { return s.Failed }),
	}
}
