package filter

import (
	"bytes"

	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/text"
)

// Side readies the screen for texts of one side that come one by one, as those
// of a tool's call do; false: no filter looks at that side.
func (s *Screen) Side(answer bool) bool { return s.turn(answer) }

// Text has the chain look at one such text of a tool called label. What it
// returns is the caller's. JSON stays JSON, or is refused.
func (s *Screen) Text(c text.Channel, label string, said []byte, json bool) ([]byte, *wire.Error) {
	s.plain = valid(text.Plain(append(s.plain[:0], said...)))
	out, err := s.run(&text.Part{Channel: c, Label: []byte(label)}, s.plain)
	switch {
	case err != nil:
		return nil, err
	case bytes.Equal(out, s.plain):
		return said, nil
	case json && !text.Valid(out):
		return said, s.unreadable("what is left of it is no JSON")
	}
	return bytes.Clone(out), nil
}
