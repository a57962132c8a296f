package trail

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/host/logfile"
)

// lines writes events to the console as OPA does, with what tells them from
// the lines of others.
type lines struct {
	w   io.Writer
	buf []byte
}

func (s *lines) put(event []byte, _ bool) (int, error) {
	s.buf = append(s.buf[:0], event[:len(event)-1]...)
	s.buf = append(s.buf, `,"level":"info","msg":"Decision Log","time":"`...)
	s.buf = time.Now().UTC().AppendFormat(s.buf, time.RFC3339)
	s.buf = append(s.buf, `","type":"openpolicyagent.org/decision_logs"}`...)
	if _, err := s.w.Write(append(s.buf, '\n')); err != nil {
		return 1, err
	}
	return 0, nil
}

func (*lines) flush(bool) (int, error) { return 0, nil }
func (*lines) close() error            { return nil }

// What a File's zero values mean.
const (
	usualMax  = 64 << 20
	usualKeep = 4
)

// file writes an event a line.
type file struct {
	*logfile.File
	rotated *atomic.Uint64
}

func openFile(opt File, rotated *atomic.Uint64) (*file, error) {
	if opt.Max == 0 {
		opt.Max = usualMax
	}
	if opt.Keep == 0 {
		opt.Keep = usualKeep
	}
	f, err := logfile.Open(logfile.Options{Path: opt.Path, Max: opt.Max, Keep: opt.Keep})
	if err != nil {
		return nil, fmt.Errorf("cannot log policy decisions: %w", err)
	}
	return &file{f, rotated}, nil
}

func (s *file) put(event []byte, _ bool) (lost int, err error) {
	lost, err = s.Put(event)
	s.rotated.Store(uint64(s.Rotated))
	return lost, err
}

func (s *file) flush(bool) (lost int, err error) {
	lost, err = s.Flush(time.Now())
	s.rotated.Store(uint64(s.Rotated))
	return lost, err
}

func (s *file) close() error {
	_, err := s.Close() // all has been flushed
	return err
}
