package filter

import (
	"bytes"
	"strconv"

	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/text"
)

// lines are the lines of one event.
type lines struct {
	ev       []byte
	data     int  // lines of data
	from, to int  // of the last one's data in ev
	odd      bool // there are lines that are none of an event's, to some parsers
}

// read finds the data of an event. Data that came in several lines is put into
// one, behind all others.
func (s *Screen) read(ev []byte) lines {
	l := scanLines(ev)
	if l.data < 2 {
		return l
	}
	odd := l.odd
	s.joined = s.joined[:0]
	for _, data := range [...]bool{false, true} {
		if data {
			s.joined = append(s.joined, "data: "...)
		}
		for rest := ev; len(rest) > 0; {
			var line []byte
			line, rest = cutLine(rest)
			switch value, is := dataOf(line); {
			case is && data:
				s.joined = append(append(s.joined, value...), ' ')
			case !is && !data && len(line) > 0:
				s.joined = append(append(s.joined, line...), '\n')
			}
		}
	}
	s.joined = append(bytes.TrimRight(s.joined, " "), "\n\n"...)
	l = scanLines(s.joined)
	l.odd = odd
	return l
}

func scanLines(ev []byte) (l lines) {
	l.ev = ev
	for at := 0; at < len(ev); {
		line, rest := cutLine(ev[at:])
		if value, is := dataOf(line); is {
			l.data++
			l.to = at + len(line)
			l.from = l.to - len(value)
		} else if !field(line) {
			l.odd = true
		}
		l.odd = l.odd || bytes.IndexByte(line, '\r') >= 0 // some end a line there
		at = len(ev) - len(rest)
	}
	return l
}

// cutLine splits b behind its first line, which is returned without its end.
func cutLine(b []byte) (line, rest []byte) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		return b, nil
	}
	return bytes.TrimSuffix(b[:i], []byte("\r")), b[i+1:]
}

// field reports whether a line is empty, a comment, or a field that holds no data.
func field(line []byte) bool {
	return len(line) == 0 || line[0] == ':' || bytes.HasPrefix(line, []byte("event:")) || bytes.HasPrefix(line, []byte("id:")) ||
		bytes.HasPrefix(line, []byte("retry:"))
}

// dataOf is the data of a line, if it has any.
func dataOf(line []byte) (value []byte, is bool) {
	value, is = bytes.CutPrefix(line, []byte("data:"))
	return bytes.TrimPrefix(value, []byte(" ")), is
}

// shape is the event that brought a channel's last piece, but for the piece.
type shape struct{ before, behind []byte }

func (e *shape) reset() { e.before, e.behind = e.before[:0], e.behind[:0] }

// keepHead keeps what every chunk of the stream begins with.
func (s *Screen) keepHead(data []byte) {
	if len(s.head) == 0 && text.Chunked(s.c.Dialect) {
		s.head = text.AppendHead(s.head, data)
	}
}

// emit appends the event at hand as edited, and keeps its shape for the channel
// whose piece it brings.
func (s *Screen) emit(dst []byte, l lines) []byte {
	start := len(dst)
	data := l.ev[l.from:l.to]
	dst = append(dst, l.ev[:l.from]...)
	dst = s.apply(dst, data)
	dst = append(dst, l.ev[l.to:]...)
	if text.Chunked(s.c.Dialect) {
		return dst
	}
	for i := range s.parts {
		p := &s.parts[i]
		if !p.Delta || p.Kind != text.KindText {
			continue
		}
		for _, ch := range s.live {
			if ch.key == p.Key() {
				at, n := s.moved(p)
				from := start + l.from + at
				ch.event.reset()
				ch.event.before = append(ch.event.before, dst[start:from]...)
				ch.event.behind = append(ch.event.behind, dst[from+n:]...)
			}
		}
	}
	return dst
}

// moved is where a part begins, and how long it is, when the edits are made.
func (s *Screen) moved(p *text.Part) (at, length int) {
	at, length = p.From, p.To-p.From
	for _, e := range s.edits {
		switch {
		case e.at == p.From && e.to == p.To:
			length = e.by - e.from
		case e.to <= p.From:
			at += e.by - e.from - (e.to - e.at)
		}
	}
	return at, length
}

// insert appends an event that brings what ch has settled.
func (s *Screen) insert(dst []byte, ch *channel) []byte {
	if text.Chunked(s.c.Dialect) {
		dst = append(dst, "data: "...)
		dst = text.AppendPiece(dst, s.c.Dialect, s.head, ch.key, ch.out)
		return append(dst, "\n\n"...)
	}
	start := len(dst)
	dst = append(dst, ch.event.before...)
	dst = text.Escape(dst, ch.out)
	dst = append(dst, ch.event.behind...)
	if s.c.Dialect != wire.OpenAIResponses {
		return dst
	}
	l := scanLines(dst[start:])
	if _, from, to := text.Number(l.ev[l.from:l.to]); to > 0 {
		rest := append([]byte(nil), l.ev[l.from+to:]...) // once a channel
		dst = strconv.AppendInt(dst[:start+l.from+from], s.number+s.added, 10)
		dst = append(dst, rest...)
	}
	s.added++
	return dst
}

// renumber moves the number of an event behind those that were put in.
func (s *Screen) renumber(data []byte) {
	if s.added == 0 {
		return
	}
	n, from, to := text.Number(data)
	if to == 0 {
		return
	}
	s.number = n
	at := len(s.with)
	s.with = strconv.AppendInt(s.with, n+s.added, 10)
	e := edit{from, to, at, len(s.with)}
	i := len(s.edits)
	s.edits = append(s.edits, e)
	for ; i > 0 && s.edits[i-1].at > e.at; i-- {
		s.edits[i] = s.edits[i-1]
	}
	s.edits[i] = e
}
