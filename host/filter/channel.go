package filter

import (
	"context"
	"errors"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/sdk/abi"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/text"
)

// channel is one text on its way through the chain.
type channel struct {
	key    text.Key
	label  []byte
	begun  bool
	half   []byte       // the start of a character whose rest has not come
	inner  text.Plainer // of JSON within the text
	stages []stage
	out    []byte // settled by all
	event  shape
}

// stage is what one filter has of a channel.
type stage struct {
	tail   []byte // from at on not settled
	at     int
	seen   int    // bytes of tail that it has been shown
	start  uint64 // bytes settled
	ended  bool
	state  state
	output []byte // what it put in the place of a window
}

// reset readies ch for another text.
func (ch *channel) reset(k text.Key, stages int) {
	ch.key, ch.label, ch.begun, ch.half, ch.out = k, ch.label[:0], false, ch.half[:0], ch.out[:0]
	ch.event.reset()
	ch.inner.Reset()
	for len(ch.stages) < stages {
		ch.stages = append(ch.stages, stage{})
	}
	for i := range ch.stages {
		st := &ch.stages[i]
		st.tail, st.at, st.seen, st.start, st.ended, st.state.n = st.tail[:0], 0, 0, 0, false, 0
	}
}

// small reports whether a pool may keep ch.
func (ch *channel) small() bool {
	size := cap(ch.out)
	for i := range ch.stages {
		size += cap(ch.stages[i].tail) + cap(ch.stages[i].output)
	}
	return size <= maxKept
}

// feed hands more of a text to stage i; what it settles goes to the next one,
// and behind the last to ch.out. final says that nothing follows.
func (s *Screen) feed(ch *channel, i int, more []byte, final bool) *wire.Error {
	ch.begun = true
	if i == len(s.links) {
		ch.out = append(ch.out, more...)
		return nil
	}
	st, limit := &ch.stages[i], s.links[i].limit()
	st.tail = append(st.tail, more...)
	for !st.ended {
		n := shown(st.tail[st.at:], limit)
		last := final && st.at+n == len(st.tail)
		if !last && n == st.seen {
			break
		}
		if err := s.show(ch, i, st.tail[st.at:st.at+n], last); err != nil {
			return err
		}
	}
	st.tail, st.at = st.tail[:copy(st.tail, st.tail[st.at:])], 0
	return nil
}

// maxLabel bounds the name of a tool that a filter is told.
const maxLabel = 256

// shown is how much of tail a window of at most limit bytes shows: whole
// characters.
func shown(tail []byte, limit int) int {
	n := min(len(tail), limit)
	for n > 0 && n < len(tail) && !utf8.RuneStart(tail[n]) {
		n--
	}
	return n
}

// show asks the filter of stage i about what its tail begins with.
func (s *Screen) show(ch *channel, i int, said []byte, last bool) *wire.Error {
	st, l, v := &ch.stages[i], s.links[i], &s.said
	err := s.look(ch, i, said, last, v)
	if err == nil && v.action == abi.ActionMore && st.at+len(said) < len(st.tail) {
		// No character more fits in: for this filter the text ends here.
		err = s.look(ch, i, said, true, v)
	}
	if err != nil {
		v.action, v.code, v.findings = 0, 0, 0
		s.note(l, v)
		if !l.open() {
			return s.failed(l)
		}
		l.counts.opened.Add(1)
		v.action, v.consumed = abi.ActionPass, len(said)
	} else {
		s.note(l, v)
	}
	switch v.action {
	case abi.ActionMore:
		st.seen = len(said)
		return nil
	case abi.ActionBlock:
		return s.blocked(l, v)
	case abi.ActionEscalate:
		if err := s.escalate(l, said[:v.consumed]); err != nil {
			return err
		}
	}
	consumed, on := v.consumed, said[:v.consumed]
	if v.action == abi.ActionReplace {
		st.output = append(st.output[:0], v.output...) // v is the next stage's too
		on = st.output
	}
	st.ended = last
	if len(on) > 0 || last {
		if err := s.feed(ch, i+1, on, last); err != nil {
			return err
		}
	}
	st.at += consumed
	st.start += uint64(consumed)
	st.seen = len(said) - consumed
	return nil
}

// look makes a window of text and has the filter of stage i look at it.
func (s *Screen) look(ch *channel, i int, said []byte, last bool, v *verdict) error {
	st, l, w := &ch.stages[i], s.links[i], &s.window
	w.Flags = 0
	if st.start == 0 {
		w.Flags = abi.WindowFirst
	}
	if last {
		w.Flags |= abi.WindowFinal
	}
	s.calls++
	w.Seed = mix(w.ID ^ s.calls<<32)
	w.Channel, w.Index, w.Choice = uint32(ch.key.Channel), uint32(ch.key.Index), uint32(ch.key.Choice)
	w.Start, w.Seen = st.start, uint32(min(st.seen, len(said)))
	w.Text, w.State = said, st.state.b[:st.state.n]
	w.Label = unsafe.String(unsafe.SliceData(ch.label), shown(ch.label, maxLabel)) // during the call only
	v.version, v.nReason = "", 0
	if native := l.native.Load(); native != nil {
		l.counts.calls.Add(1)
		*v = verdict{output: v.output[:0]}
		return (*native).look(s, i, ch, v)
	}
	return l.look(w, s.split, lane.Failure{Key: s.key, At: s.c.Received}, &st.state, v)
}

// escalate has the operator's guard judge text.
func (s *Screen) escalate(l *Link, said []byte) *wire.Error {
	if l.Guard == "" || s.guard == nil {
		return s.refuse("content_blocked", "filter %q is not sure about the %s, and has no guard to ask", l.name, s.side())
	}
	flagged, err := s.judge(l.Guard, said)
	switch {
	case err != nil && l.open():
		l.counts.opened.Add(1)
		return nil
	case err != nil:
		s.set.log.Warn("guard cannot judge: the text is blocked", "filter", l.name, "guard", l.Guard, "request", s.c.ID, "error", err)
		return s.failed(l)
	case flagged:
		return s.refuse("content_blocked", "the guard of filter %q flags the %s", l.name, s.side())
	}
	return nil
}

var errJudged = errors.New("it has been asked too often, or for too long, about one request")

// judge asks the guard model, which one request may do only so often.
func (s *Screen) judge(model string, said []byte) (flagged bool, err error) {
	if s.judged++; s.judged > maxJudged || s.held >= guardPatience {
		return false, errJudged
	}
	ctx, cancel := context.WithTimeout(context.Background(), min(guardTimeout, guardPatience-s.held))
	defer cancel()
	before := time.Now()
	flagged, err = s.guard.Judge(ctx, s.c, model, said)
	s.held += time.Since(before)
	return flagged, err
}
