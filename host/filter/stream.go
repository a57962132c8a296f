package filter

import (
	"bytes"
	"slices"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/text"
)

// stream is what a screen keeps of a streamed answer.
type stream struct {
	live   []*channel
	told   []text.Key // of texts that have come in pieces, or as a whole
	spare  []*channel
	joined []byte // an event's data that came in several lines
	head   []byte // members that all chunks begin with
	number int64  // of Responses' last event
	added  int64  // events put in, which move the numbers of those behind
}

// maxChannels bounds the texts of one answer that are open at a time, and
// maxSpare the channels that a pooled screen keeps.
const (
	maxChannels = 256
	maxSpare    = 8
)

func (s *stream) reset() {
	for _, ch := range s.live {
		s.free(ch)
	}
	clear(s.live)
	s.live, s.told, s.joined, s.head, s.number, s.added = s.live[:0], s.told[:0], s.joined[:0], s.head[:0], 0, 0
}

// free keeps a channel's room for another text.
func (s *stream) free(ch *channel) {
	if len(s.spare) < maxSpare && ch.small() {
		s.spare = append(s.spare, ch)
	}
}

// Events implements call.Screen.
func (s *Screen) Events(dst, events []byte) ([]byte, *wire.Error) {
	var err *wire.Error
	s.window.NowMS = time.Now().UnixMilli()
	for len(events) > 0 && err == nil {
		n := eventLen(events)
		dst, err = s.event(dst, events[:n])
		events = events[n:]
	}
	return dst, err
}

// End implements call.Screen.
func (s *Screen) End(dst []byte) ([]byte, *wire.Error) {
	var err *wire.Error
	for len(s.live) > 0 && err == nil {
		dst, err = s.finish(dst, s.live[0])
	}
	return dst, err
}

// eventLen is the length of the first event of b, which ends with a whole one.
func eventLen(b []byte) int {
	n := bytes.Index(b, []byte("\n\n"))
	if m := bytes.Index(b, []byte("\r\n\r\n")); m >= 0 && (n < 0 || m < n) {
		return m + 4
	}
	if n < 0 {
		return len(b)
	}
	return n + 2
}

// event takes one event through the chain.
func (s *Screen) event(dst, ev []byte) ([]byte, *wire.Error) {
	l := s.read(ev)
	if l.odd {
		if err := s.unreadable("an event of it has lines that are none of an event"); err != nil {
			return dst, err
		}
	}
	if l.data == 0 || l.to == l.from {
		return append(dst, ev...), nil
	}
	data := l.ev[l.from:l.to]
	var ok bool
	if s.parts, ok = text.Event(s.parts[:0], s.c.Dialect, data); !ok {
		if err := s.unreadable("an event of it is not valid JSON"); err != nil {
			return dst, err
		}
		return append(dst, ev...), nil
	}
	s.keepHead(data)
	dst, err := s.ends(dst, l)
	if err != nil {
		return dst, err
	}
	s.edits, s.with = s.edits[:0], s.with[:0]
	for i := range s.parts {
		if err := s.eventPart(i, data); err != nil {
			return dst, err
		}
	}
	s.renumber(data)
	return s.emit(dst, l), nil
}

// ends finishes the channels that the event ends without adding to them.
func (s *Screen) ends(dst []byte, l lines) ([]byte, *wire.Error) {
	for i := 0; i < len(s.live); {
		ch := s.live[i]
		if !s.ended(ch.key) || s.lastPiece(ch.key) >= 0 {
			i++
			continue
		}
		if s.c.Dialect == wire.OpenAIResponses {
			s.number, _, _ = text.Number(l.ev[l.from:l.to])
		}
		var err *wire.Error
		if dst, err = s.finish(dst, ch); err != nil { // it leaves s.live
			return dst, err
		}
	}
	return dst, nil
}

// ended reports whether the event at hand ends the text of k.
func (s *Screen) ended(k text.Key) bool {
	for i := range s.parts {
		if p := &s.parts[i]; p.Kind == text.KindEnd && p.Ends(k) {
			return true
		}
	}
	return false
}

// lastPiece is the place in parts of the last piece of k's text, -1 for none.
func (s *Screen) lastPiece(k text.Key) int {
	for i := len(s.parts) - 1; i >= 0; i-- {
		if p := &s.parts[i]; p.Kind == text.KindText && p.Delta && p.Key() == k {
			return i
		}
	}
	return -1
}

// eventPart takes part i of the event through the chain.
func (s *Screen) eventPart(i int, data []byte) *wire.Error {
	p := &s.parts[i]
	switch {
	case p.Kind == text.KindEnd:
		return nil
	case p.Kind == text.KindLabel:
		ch, err := s.channel(p.Key())
		if err == nil {
			ch.label = append(ch.label[:0], p.Label...)
		}
		return err
	case !p.Delta || p.Kind != text.KindText:
		s.repeat = p.Kind == text.KindText && s.known(p.Key())
		err := s.part(p, data)
		s.repeat = false
		return err
	}
	return s.piece(i, data)
}

// known reports whether the text of k has come before, which it has from now
// on. Too many texts are new for ever.
func (s *Screen) known(k text.Key) bool {
	if slices.Contains(s.told, k) {
		return true
	}
	if len(s.told) < maxChannels {
		s.told = append(s.told, k)
	}
	return false
}

// piece takes a piece of a channel's text through the chain.
func (s *Screen) piece(i int, data []byte) *wire.Error {
	p := &s.parts[i]
	ch, err := s.channel(p.Key())
	if err != nil {
		return err
	}
	final := i == s.lastPiece(ch.key) && s.ended(ch.key)
	cut := ch.cut()
	s.plain = ch.decode(s.plain[:0], p.Raw(data), final)
	cut = cut || ch.cut()
	ch.out = ch.out[:0]
	if err := s.feed(ch, 0, s.plain, final); err != nil {
		return err
	}
	if cut || !bytes.Equal(ch.out, s.plain) {
		s.escape(p.From, p.To, ch.out)
	}
	if final {
		s.drop(ch)
	}
	return nil
}

// channel returns the live channel of k, a new one where there is none.
func (s *Screen) channel(k text.Key) (*channel, *wire.Error) {
	for _, ch := range s.live {
		if ch.key == k {
			return ch, nil
		}
	}
	if len(s.live) >= maxChannels {
		return nil, s.refuse("filter_failed", "the answer has more than %d texts at a time: filters cannot follow it", maxChannels)
	}
	var ch *channel
	if n := len(s.spare); n > 0 {
		ch, s.spare = s.spare[n-1], s.spare[:n-1]
	} else {
		ch = &channel{}
	}
	ch.reset(k, len(s.links))
	s.live = append(s.live, ch)
	s.known(k)
	return ch, nil
}

// drop forgets a channel that has ended.
func (s *Screen) drop(ch *channel) {
	for i := range s.live {
		if s.live[i] == ch {
			s.live = append(s.live[:i], s.live[i+1:]...)
			break
		}
	}
	s.free(ch)
}

// finish settles what is held back of a channel, in an event of its own.
func (s *Screen) finish(dst []byte, ch *channel) ([]byte, *wire.Error) {
	if ch.begun || ch.cut() {
		s.plain = ch.decode(s.plain[:0], nil, true)
		ch.out = ch.out[:0]
		if err := s.feed(ch, 0, s.plain, true); err != nil {
			return dst, err
		}
		if len(ch.out) > 0 {
			dst = s.insert(dst, ch)
		}
	}
	s.drop(ch)
	return dst, nil
}

var _ call.Screen = (*Screen)(nil)
