package verify

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"unicode/utf8"

	"github.com/signalbox-ai/signalbox/host/wasm/record"
	"github.com/signalbox-ai/signalbox/sdk/abi"
)

// maxHeld is how much of a text a filter may hold back.
const maxHeld = 256

// stream is a text on its way through a filter, as the host sends it.
type stream struct {
	k       *kit
	channel uint32
	pending []byte // has come and is not settled
	seen    int    // bytes of it that were shown
	start   uint64
	state   []byte
	first   bool

	out     []byte
	blocked bool
	guarded bool // something was escalated
	held    int  // the most that was left while more could come
}

// send shows all that is pending, as often as it takes.
func (s *stream) send(piece []byte, final bool) error {
	s.pending = append(s.pending, piece...)
	for !s.blocked {
		n := characters(s.pending, abi.MaxWindow)
		last := n == len(s.pending)
		if err := s.show(n, last && final); err != nil {
			return err
		}
		if last {
			break
		}
	}
	if !final && !s.blocked {
		s.held = max(s.held, len(s.pending))
	}
	return nil
}

// characters is the largest number of bytes, up to most, that are whole characters.
func characters(b []byte, most int) int {
	if len(b) <= most {
		return len(b)
	}
	for !utf8.RuneStart(b[most]) {
		most--
	}
	return most
}

// show asks with the first n bytes and does what the verdict says.
func (s *stream) show(n int, final bool) error {
	w := newWindow(string(s.pending[:n]), s.channel, 0)
	w.State, w.Start, w.Seen = s.state, s.start, uint32(min(s.seen, n))
	if !s.first {
		w.Flags |= abi.WindowFirst
		s.first = true
	}
	if final {
		w.Flags |= abi.WindowFinal
	}
	o := s.k.ask(encoded(w))
	if o.err != nil {
		return o.err
	}
	v, err := record.ReadVerdict(o.answer(), w)
	if err != nil {
		return err
	}
	if v.Consumed == 0 && n < len(s.pending) && v.Action != abi.ActionBlock {
		return fmt.Errorf("it settles nothing of a full window of %d bytes", n)
	}
	switch v.Action {
	case abi.ActionBlock:
		s.blocked = true
	case abi.ActionReplace:
		s.out = append(s.out, v.Output...)
	case abi.ActionEscalate:
		s.guarded = true
		s.out = append(s.out, s.pending[:v.Consumed]...)
	case abi.ActionPass:
		s.out = append(s.out, s.pending[:v.Consumed]...)
	}
	s.state = bytes.Clone(v.State)
	s.pending = s.pending[v.Consumed:]
	s.start += uint64(v.Consumed)
	s.seen = n - v.Consumed
	return nil
}

// filtered sends a text in pieces of sizes that next says.
func (k *kit) filtered(text string, channel uint32, next func() int) (*stream, error) {
	s := &stream{k: k, channel: channel}
	rest := []byte(text)
	for len(rest) > 0 && !s.blocked {
		n := max(characters(rest, max(next(), 1)), 1)
		for n < len(rest) && !utf8.RuneStart(rest[n]) {
			n++
		}
		if err := s.send(rest[:n], false); err != nil {
			return nil, err
		}
		rest = rest[n:]
	}
	if s.blocked {
		return s, nil
	}
	return s, s.send(nil, true)
}

// cuts are ways to cut a text.
func (k *kit) cuts(seed int) []func() int {
	fixed := func(n int) func() int { return func() int { return n } }
	out := []func() int{fixed(1), fixed(7), fixed(64), fixed(300)}
	for i := range k.o.rounds(20) {
		rng := rand.New(rand.NewPCG(uint64(seed), uint64(i)))
		out = append(out, func() int { return 1 + rng.IntN(1+rng.IntN(120)) })
	}
	return out
}

// chunking compares what comes out of a text in one piece and in many.
func (k *kit) chunking() (string, error) {
	runs := 0
	for i, t := range texts {
		channel := channels[i%len(channels)]
		whole, err := k.filtered(t.text, channel, func() int { return len(t.text) })
		if err != nil {
			continue // answers or fuel tell
		}
		for _, next := range k.cuts(i) {
			s, err := k.filtered(t.text, channel, next)
			if err != nil {
				return "", fmt.Errorf("%s, in pieces: %w", t.name, err)
			}
			runs++
			if s.blocked != whole.blocked || s.guarded != whole.guarded {
				return "", fmt.Errorf("%s: blocked %v and escalated %v in one piece, %v and %v in many", t.name, whole.blocked, whole.guarded, s.blocked, s.guarded)
			}
			if !s.blocked && !bytes.Equal(s.out, whole.out) {
				return "", fmt.Errorf("%s: %s", t.name, differ(whole.out, s.out))
			}
		}
	}
	return fmt.Sprintf("%d texts, %d ways to cut them", len(texts), runs), nil
}

// differ shows where two outputs part.
func differ(a, b []byte) string {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	piece := func(x []byte) []byte { return x[i:min(len(x), i+40)] }
	return fmt.Sprintf("at byte %d of the output %q in one piece, %q in many", i, piece(a), piece(b))
}

// holdback sends texts in small pieces and looks at what is left.
func (k *kit) holdback() (string, error) {
	most := 0
	for i, t := range texts {
		for _, size := range []int{1, 16, 100} {
			s, err := k.filtered(t.text, channels[i%len(channels)], func() int { return size })
			if err != nil {
				continue
			}
			if most = max(most, s.held); most > maxHeld {
				return "", fmt.Errorf("%s, in pieces of %d bytes: %d bytes are held back", t.name, size, most)
			}
		}
	}
	return fmt.Sprintf("at most %d bytes", most), nil
}
