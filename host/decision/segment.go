package decision

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/signalbox-ai/signalbox/host/call"
)

const (
	magic      = "SBDECIS1"
	suffix     = ".decisions"
	maxFiles   = 16 // that the room is divided into
	minSegment = 64 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// segment is one file of the log.
type segment struct {
	number      uint64
	size        int64
	first, last call.ID // that it holds; last is 0 while that is not known
}

func (l *Log) path(s *segment) string {
	return filepath.Join(l.dir, fmt.Sprintf("%016x%s", s.number, suffix))
}

// putLength completes the head of a frame, but for its checksum.
func putLength(frame []byte) {
	binary.LittleEndian.PutUint32(frame, uint32(len(frame)-frameHead))
}

// frames yields the entries of b until one is not whole, and tells where.
func frames(b []byte, each func(entry []byte) bool) (end int) {
	for at := 0; ; {
		entry := frame(b[at:])
		if entry == nil || crc32.Checksum(entry, castagnoli) != binary.LittleEndian.Uint32(b[at+4:]) || !each(entry) {
			return at
		}
		at += frameHead + len(entry)
	}
}

// frame is the entry that b begins with, nil if it is not whole.
func frame(b []byte) []byte {
	if len(b) <= frameHead {
		return nil
	}
	n := binary.LittleEndian.Uint32(b)
	if n == 0 || n > maxEntry || uint64(n) > uint64(len(b)-frameHead) {
		return nil
	}
	return b[frameHead : frameHead+int(n)]
}

// open lists the files and drops what a crash left unfinished at the end.
func (l *Log) open() error {
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return err
	}
	names, err := os.ReadDir(l.dir)
	if err != nil {
		return err
	}
	for _, n := range names {
		var s segment
		hex, ok := strings.CutSuffix(n.Name(), suffix)
		if _, err := fmt.Sscanf(hex, "%016x", &s.number); !ok || err != nil {
			continue
		}
		info, err := n.Info()
		if err != nil {
			return err
		}
		s.size = info.Size()
		l.segs = append(l.segs, &s)
		l.bytes += s.size
	}
	slices.SortFunc(l.segs, func(a, b *segment) int { return int(int64(a.number - b.number)) })
	if len(l.segs) > 0 {
		return l.mend(l.segs[len(l.segs)-1])
	}
	return nil
}

// mend cuts s where its last whole entry ends, and goes on with it.
func (l *Log) mend(s *segment) error {
	b, err := os.ReadFile(l.path(s))
	if err != nil {
		return err
	}
	if len(b) < len(magic) || string(b[:len(magic)]) != magic {
		return nil // another format: it is left alone until it is the oldest
	}
	end := len(magic) + frames(b[len(magic):], func(entry []byte) bool { return s.note(entry) })
	f, err := os.OpenFile(l.path(s), os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	if end < len(b) {
		l.opt.Log.Warn("the decision log ends in an unfinished entry: it is dropped", "file", l.path(s), "bytes", len(b)-end)
		if err := f.Truncate(int64(end)); err != nil {
			return errors.Join(err, f.Close())
		}
		l.bytes -= int64(len(b) - end)
		s.size = int64(end)
	}
	l.file = f
	return nil
}

// note widens what s is known to hold; false for what is no entry.
func (s *segment) note(entry []byte) bool {
	id, err := idOf(entry)
	if err != nil {
		return false
	}
	if s.last == 0 || id < s.first {
		s.first = id
	}
	s.last = max(s.last, id)
	return true
}

// Flush writes out what waits.
func (l *Log) Flush() error {
	l.files.Lock()
	defer l.files.Unlock()
	l.mu.Lock()
	batch := l.waiting
	l.waiting = l.spare[:0]
	l.mu.Unlock()
	l.spare = batch[:0]
	if len(batch) == 0 {
		return nil
	}
	n := seal(batch)
	err := l.write(batch)
	if err != nil {
		l.mu.Lock()
		l.dropped += uint64(n)
		l.mu.Unlock()
		if !l.sick {
			l.opt.Log.Error("cannot keep decisions: they are lost until this is mended", "dir", l.dir, "err", err)
		}
	}
	l.sick = err != nil
	return err
}

// seal writes the checksums of a batch's frames.
func seal(batch []byte) (n int) {
	for at := 0; at < len(batch); n++ {
		entry := frame(batch[at:])
		binary.LittleEndian.PutUint32(batch[at+4:], crc32.Checksum(entry, castagnoli))
		at += frameHead + len(entry)
	}
	return n
}

// write appends a batch; l.files is held.
func (l *Log) write(batch []byte) error {
	most := l.settings.Load().Max
	if l.file != nil && l.segs[len(l.segs)-1].size+int64(len(batch)) > max(most/maxFiles, minSegment) {
		err := l.file.Close()
		l.file = nil
		if err != nil {
			return err
		}
	}
	if l.file == nil {
		if err := l.begin(); err != nil {
			return err
		}
	}
	if err := l.makeRoom(most - int64(len(batch))); err != nil {
		return err
	}
	s := l.segs[len(l.segs)-1]
	n, err := l.file.Write(batch)
	s.size += int64(n)
	l.bytes += int64(n)
	if err != nil { // what is behind an unfinished entry would not be read
		err = errors.Join(err, l.file.Close())
		l.file = nil
		return err
	}
	frames(batch, s.note)
	return nil
}

// begin starts another file.
func (l *Log) begin() error {
	s := &segment{number: 1}
	if n := len(l.segs); n > 0 {
		s.number = l.segs[n-1].number + 1
	}
	f, err := os.OpenFile(l.path(s), os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(magic); err != nil {
		return errors.Join(err, f.Close(), os.Remove(l.path(s)))
	}
	s.size = int64(len(magic))
	l.file, l.bytes = f, l.bytes+s.size
	l.segs = append(l.segs, s)
	return nil
}

// makeRoom deletes the oldest files until no more than most bytes are left.
func (l *Log) makeRoom(most int64) error {
	for l.bytes > most && len(l.segs) > 1 {
		s := l.segs[0]
		if err := os.Remove(l.path(s)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		l.bytes -= s.size
		l.segs = l.segs[1:]
	}
	return nil
}
