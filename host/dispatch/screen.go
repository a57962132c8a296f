package dispatch

import (
	"io"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// screen has filters look at whole events and returns what goes on of them,
// which is valid until the next call, and why nothing more does.
func (s *stream) screen(events []byte) ([]byte, *wire.Error) {
	if s.c.Screen == nil {
		return events, nil
	}
	s.said = s.said || !idle(events) // whatever filters hold back of it
	if s.screened == nil {
		s.screened = getBuffer()
	}
	out, blocked := s.c.Screen.Events((*s.screened)[:0], events)
	*s.screened = out
	return out, blocked
}

// unheld writes what filters have held back to the end.
func (s *stream) unheld(w io.Writer) (n int, blocked *wire.Error, err error) {
	if s.c.Screen == nil {
		return 0, nil, nil
	}
	b := getBuffer()
	*b, blocked = s.c.Screen.End((*b)[:0])
	if len(*b) > 0 {
		n, err = w.Write(*b)
	}
	putBuffer(b)
	return n, blocked, err
}

// block ends an answer that a filter does not let pass, like one that broke off.
func (s *stream) block(w io.Writer, blocked *wire.Error) error {
	s.finish(blocked)
	_, _ = w.Write(wire.AppendErrorEvent(nil, s.c.Dialect, blocked, s.c.ID.String())) // the connection is cut anyway
	return errCut
}
