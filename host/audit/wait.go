package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"sync"
	"time"
)

const (
	maxWaiting = 16 << 20        // bytes of entries that wait
	retryEvery = 5 * time.Second // to write them
)

// waiting are entries that the store did not take, in a file beside it, so that
// neither its outage nor the end of this process loses them. One that the store
// took without saying so is written again: twice is better than never.
type waiting struct {
	path string // "": there is no place for them
	mu   sync.Mutex
	size int64
}

func newWaiting(path string) *waiting {
	w := &waiting{path: path}
	if info, err := os.Stat(path); err == nil {
		w.size = info.Size()
	}
	return w
}

var errNoRoom = errors.New("too many entries wait already")

// add appends entries to those that wait.
func (w *waiting) add(list []Entry) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.path == "" || w.size > maxWaiting {
		return errNoRoom
	}
	var b []byte
	if w.size > 0 { // what lies there may end within a line: of a killed process, or of a disk that was full
		b = append(b, '\n')
	}
	for i := range list {
		line, err := json.Marshal(&list[i])
		if err != nil {
			return err
		}
		b = append(append(b, line...), '\n')
	}
	err := appendFile(w.path, b)
	if info, e := os.Stat(w.path); e == nil { // some of it may lie there, whatever became of the rest
		w.size = info.Size()
	}
	return err
}

func (w *waiting) any() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.size > 0
}

// drain hands all that waits to write, in batches, and keeps those that it does
// not take. damaged is how many lines could not be read, such as the last one of
// a process that was killed.
func (w *waiting) drain(write func([]Entry) error) (damaged int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.size == 0 {
		return 0, nil
	}
	text, err := os.ReadFile(w.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	for len(text) > 0 && err == nil {
		list, rest, bad := cutBatch(text)
		if len(list) > 0 {
			if err = write(list); err != nil {
				break
			}
		}
		text, damaged = rest, damaged+bad
	}
	return damaged, errors.Join(err, w.keep(text))
}

// keep leaves text alone in the file.
func (w *waiting) keep(text []byte) error {
	w.size = int64(len(text))
	if w.size == 0 {
		return os.Remove(w.path)
	}
	fresh := w.path + ".new"
	if err := os.WriteFile(fresh, text, 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, w.path)
}

// cutBatch reads the first entries of text.
func cutBatch(text []byte) (list []Entry, rest []byte, bad int) {
	for rest = text; len(rest) > 0 && len(list) < batch; {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		if len(line) == 0 {
			continue
		}
		var e Entry
		if json.Unmarshal(line, &e) != nil {
			bad++
			continue
		}
		list = append(list, e)
	}
	return list, rest, bad
}

// Later keeps e until it can be written, whatever there is of its kind.
func (l *Log) Later(e Entry) {
	e.Time = l.opt.Now()
	l.later([]Entry{e})
}

// later keeps entries that the store did not take. Those that cannot be kept are
// counted: the next of their action says how many.
func (l *Log) later(list []Entry) {
	err := l.waits.add(list)
	if err == nil {
		return
	}
	l.opt.Log.Error("entries of the audit log are lost", "entries", len(list), "first", list[0].Action, "err", err)
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range list {
		l.rate(list[i].Action).missed += 1 + list[i].Missed
	}
}

// catchUp writes what waits, if there is anything.
func (l *Log) catchUp() {
	damaged, err := l.waits.drain(func(list []Entry) error {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		return l.append(ctx, list)
	})
	if damaged > 0 {
		l.opt.Log.Error("entries of the audit log that waited cannot be read", "entries", damaged)
	}
	if err != nil {
		l.opt.Log.Warn("entries of the audit log wait", "file", l.waits.path, "err", err)
	}
}
