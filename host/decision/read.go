package decision

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Each calls f with the entries of a route since a time, oldest first, until it
// returns false; route "" stands for all. f may keep them.
func (l *Log) Each(route string, since time.Time, f func(*Entry) bool) error {
	segs, err := l.list()
	if err != nil {
		return err
	}
	var from call.ID
	if since.After(from.Time()) { // ids begin there
		from = call.FirstID(since)
	}
	for i := range segs {
		going := true
		err := l.read(&segs[i], func(b []byte) bool {
			if id, err := idOf(b); err != nil || id < from {
				return true
			}
			e, err := decode(b)
			if err != nil || route != "" && e.Route != route {
				return true // of another version of this program, or not asked for
			}
			going = f(e)
			return going
		})
		if err != nil || !going {
			return err
		}
	}
	return nil
}

// Find returns the entry of a request, ErrUnknown if it is not there.
func (l *Log) Find(id call.ID) (found *Entry, err error) {
	segs, err := l.list()
	if err != nil {
		return nil, err
	}
	for i := len(segs) - 1; i >= 0 && found == nil && err == nil; i-- {
		if s := &segs[i]; s.last != 0 && (id < s.first || id > s.last) {
			continue
		}
		var failed error
		err = l.read(&segs[i], func(b []byte) bool {
			if at, err := idOf(b); err == nil && at == id {
				found, failed = decode(b)
			}
			return found == nil && failed == nil
		})
		err = errors.Join(err, failed)
	}
	if found == nil && err == nil {
		err = ErrUnknown
	}
	return found, err
}

// Last returns the newest n entries, newest first.
func (l *Log) Last(n int) ([]*Entry, error) {
	segs, err := l.list()
	if err != nil {
		return nil, err
	}
	var out []*Entry
	for i := len(segs) - 1; i >= 0 && len(out) < n; i-- {
		var bodies [][]byte
		if err := l.read(&segs[i], func(b []byte) bool { bodies = append(bodies, b); return true }); err != nil {
			return nil, err
		}
		slices.Reverse(bodies)
		for _, b := range bodies[:min(len(bodies), n-len(out))] {
			if e, err := decode(b); err == nil {
				out = append(out, e)
			}
		}
	}
	return out, nil
}

// list writes out what waits and tells what there is to be read.
func (l *Log) list() ([]segment, error) {
	if l == nil {
		return nil, nil
	}
	if err := l.Flush(); err != nil {
		return nil, fmt.Errorf("cannot read decisions: %w", err)
	}
	l.files.Lock()
	defer l.files.Unlock()
	out := make([]segment, len(l.segs))
	for i, s := range l.segs {
		out[i] = *s
	}
	return out, nil
}

// read yields the entries of a file, as it was when it was listed.
func (l *Log) read(s *segment, each func(entry []byte) bool) error {
	b, err := os.ReadFile(l.path(s))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it has grown too old meanwhile
	}
	if err != nil {
		return fmt.Errorf("cannot read decisions: %w", err)
	}
	b = b[:min(int64(len(b)), s.size)]
	if len(b) < len(magic) || string(b[:len(magic)]) != magic {
		return nil
	}
	frames(b[len(magic):], each)
	return nil
}
