package filter

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/text"
)

// edit puts with[from:to] in the place of a span.
type edit struct {
	at, to   int // in the body
	from, by int // in with
}

// Request has the chain look at the request's texts. It returns the body that
// goes on: the call's own where nothing changes, else one that is valid until
// Release.
func (s *Screen) Request() ([]byte, *wire.Error) {
	c := s.c
	s.prepare(c.Body)
	if !s.turn(false) {
		return c.Body, nil
	}
	readable, _ := text.Readable(c.Op)
	if c.Method != "" && len(c.Body) == 0 && c.Upload == nil && c.Op != wire.OpRealtime { // asks for what is kept: there is no text
		return c.Body, nil
	}
	if !readable || c.Upload != nil {
		return c.Body, s.unreadable("requests of this operation hold text that filters cannot reach")
	}
	var ok bool
	if s.parts, ok = text.Request(s.parts[:0], c.Op, c.Dialect, c.Body); !ok {
		return c.Body, s.unreadable("it is not valid JSON")
	}
	if err := s.texts(c.Body); err != nil {
		return c.Body, err
	}
	if len(s.edits) == 0 {
		return c.Body, nil
	}
	s.buf = s.apply(s.buf[:0], c.Body)
	return s.buf, nil
}

// Expect readies the screen for the answer. It refuses where the answer may
// hold text that filters have to look at and cannot reach.
func (s *Screen) Expect() *wire.Error {
	if !s.turn(true) {
		return nil
	}
	c := s.c
	kept := c.Op == wire.OpFiles || c.Op == wire.OpBatches // what is told of them is no text
	_, readable := text.Readable(c.Op)
	switch {
	case readable:
		c.Screen = s
	case !kept || strings.Contains(c.Path, "/content"):
		return s.unreadable("answers of this operation hold text that filters cannot reach")
	}
	return nil
}

// Answer has the chain look at a complete answer. What it returns lies in the
// room of ans where it differs.
func (s *Screen) Answer(ans call.Answer) ([]byte, *wire.Error) {
	if !s.turn(true) || len(ans.Body) == 0 {
		return ans.Body, nil
	}
	if _, readable := text.Readable(s.c.Op); !readable {
		return ans.Body, nil // Expect has let it pass
	}
	if !isJSON(ans.ContentType) && !text.Valid(ans.Body) {
		return s.other(ans)
	}
	var ok bool
	if s.parts, ok = text.Answer(s.parts[:0], s.c.Dialect, ans.Body); !ok {
		return ans.Body, s.unreadable("it is not valid JSON")
	}
	if err := s.texts(ans.Body); err != nil {
		return ans.Body, err
	}
	return s.put(ans.Body), nil
}

// put returns body as edited, in its own room.
func (s *Screen) put(body []byte) []byte {
	if len(s.edits) == 0 {
		return body
	}
	s.reply = s.apply(s.reply[:0], body)
	return append(body[:0], s.reply...)
}

// other looks at an answer that is no JSON: a transcript as plain text or
// subtitles, or what is no text at all.
func (s *Screen) other(ans call.Answer) ([]byte, *wire.Error) {
	switch kind, _, _ := bytes.Cut([]byte(ans.ContentType), []byte("/")); string(kind) {
	case "audio", "image", "video":
		if s.c.Op == wire.OpSpeech || s.c.Op == wire.OpImages || s.c.Op == wire.OpImageEdits {
			return ans.Body, nil
		}
	}
	s.edits, s.with = s.edits[:0], s.with[:0]
	out, err := s.run(&text.Part{Channel: text.ChannelAnswer}, ans.Body)
	if err != nil {
		return ans.Body, err
	}
	if !bytes.Equal(out, ans.Body) {
		s.replace(0, len(ans.Body), out)
	}
	return s.put(ans.Body), nil
}

func isJSON(contentType string) bool {
	return contentType == "" || bytes.HasPrefix([]byte(contentType), []byte("application/json"))
}

// texts has the chain look at all parts of body, each a text of its own, and
// keeps what is to change.
func (s *Screen) texts(body []byte) *wire.Error {
	s.edits, s.with = s.edits[:0], s.with[:0]
	for i := range s.parts {
		if err := s.part(&s.parts[i], body); err != nil {
			return err
		}
	}
	return nil
}

// part has the chain look at one part as a whole.
func (s *Screen) part(p *text.Part, body []byte) *wire.Error {
	raw := p.Raw(body)
	switch p.Kind {
	case text.KindText:
		s.plain = text.Unescape(s.plain[:0], raw)
		if p.Label != nil || p.Channel == text.ChannelToolResult || p.Channel == text.ChannelToolArguments {
			s.plain = text.Plain(s.plain)
		}
		s.plain = valid(s.plain)
		out, err := s.run(p, s.plain)
		if err != nil {
			return err
		}
		if !bytes.Equal(out, s.plain) {
			s.escape(p.From, p.To, out)
		}
	case text.KindJSON:
		s.plain = valid(text.Plain(append(s.plain[:0], raw...)))
		out, err := s.run(p, s.plain)
		if err != nil {
			return err
		}
		if bytes.Equal(out, s.plain) {
			return nil
		}
		if !text.Valid(out) {
			return s.unreadable("what is left of a tool's arguments is no JSON")
		}
		s.replace(p.From, p.To, out)
	case text.KindVoid:
		s.replace(p.From, p.To, []byte(text.Blank(raw)))
	case text.KindOpaque:
		return s.unreadable("it holds tokens in place of text: send the text itself")
	}
	return nil
}

// run takes a whole text through the chain. The result is valid until the next.
func (s *Screen) run(p *text.Part, all []byte) ([]byte, *wire.Error) {
	if s.whole == nil {
		s.whole = &channel{}
	}
	ch := s.whole
	ch.reset(p.Key(), len(s.links))
	ch.label = append(ch.label, p.Label...)
	err := s.feed(ch, 0, all, true)
	return ch.out, err
}

// valid replaces what is not UTF-8.
func valid(b []byte) []byte {
	if utf8.Valid(b) {
		return b
	}
	return bytes.ToValidUTF8(b, []byte("\ufffd"))
}

// replace keeps that with is to stand in the place of a span.
func (s *Screen) replace(at, to int, with []byte) {
	from := len(s.with)
	s.with = append(s.with, with...)
	s.edits = append(s.edits, edit{at, to, from, len(s.with)})
}

// escape is replace by a text within a JSON string.
func (s *Screen) escape(at, to int, with []byte) {
	from := len(s.with)
	s.with = text.Escape(s.with, with)
	s.edits = append(s.edits, edit{at, to, from, len(s.with)})
}

// apply appends body as edited. Edits are in order.
func (s *Screen) apply(dst, body []byte) []byte {
	from := 0
	for _, e := range s.edits {
		dst = append(append(dst, body[from:e.at]...), s.with[e.from:e.by]...)
		from = e.to
	}
	return append(dst, body[from:]...)
}
