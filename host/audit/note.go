package audit

import "time"

// Note adds e soon, and waits for nothing: of entries that are too many, the
// next of its action says how many were missed.
func (l *Log) Note(e Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	e.Time = l.opt.Now()
	r := l.rate(e.Action)
	if !r.allow(e.Time, l.settings.PerSecond) {
		r.missed++
		return
	}
	e.Missed = r.missed
	select {
	case l.queue <- e:
		r.missed = 0
	default:
		r.missed++
	}
}

// Denied reports whether a refusal by policy is to be noted; n is the request's id.
func (l *Log) Denied(n uint64) bool {
	const bits, golden = 20, 0x9e3779b97f4a7c15 // ids that follow each other are spread
	return float64(n*golden>>(64-bits)) < l.now().Denials*(1<<bits)
}

// rate counts what is kept of one action.
type rate struct {
	second int64
	n      int
	missed int64
}

func (r *rate) allow(now time.Time, most int) bool {
	if s := now.Unix(); s != r.second {
		r.second, r.n = s, 0
	}
	r.n++
	return most <= 0 || r.n <= most
}

// rate is the one of an action; l.mu is held. Actions are the program's own:
// there are few.
func (l *Log) rate(action string) *rate {
	r := l.rates[action]
	if r == nil {
		r = &rate{}
		l.rates[action] = r
	}
	return r
}
