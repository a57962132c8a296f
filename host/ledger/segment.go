package ledger

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"unsafe"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/disk"
)

// segment is one file of the journal: rows, each a word of 64 bits (length
// below, checksum above) and the encoded row, padded to 8 bytes; then zeros.
// The word is stored last, so that a row is there entirely or not at all,
// wherever the process is killed. The checksum covers row, segment and place.
type segment struct {
	*disk.Mapping
	number uint64
	path   string
	tail   int // bytes in use
	synced int // bytes on the disk
	folded int // bytes that the store has
}

const (
	wordSize    = 8
	suffix      = ".journal"
	sparePrefix = "spare-"
	rowsBound   = wordSize + maxRow + wordSize // that a row and its padding may take
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func segmentPath(dir string, number uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%016d%s", number, suffix))
}

// createSegment makes an empty segment, allocated in full, under a name of its
// own. It has no number yet, so that segments are numbered in the order of use.
func createSegment(dir string, size int64) (*segment, error) {
	f, err := os.CreateTemp(dir, sparePrefix)
	if err != nil {
		return nil, fmt.Errorf("cannot create journal segment: %w", err)
	}
	f.Close()
	m, _, err := disk.Map(f.Name(), size)
	if err != nil {
		_ = os.Remove(f.Name()) // what a full disk left of it
		return nil, fmt.Errorf("cannot create journal segment: %w", err)
	}
	return &segment{Mapping: m, path: f.Name()}, nil
}

// begin gives s its number, and the name that goes with it.
func (s *segment) begin(dir string, number uint64) error {
	path := segmentPath(dir, number)
	if err := os.Rename(s.path, path); err != nil {
		return fmt.Errorf("cannot name journal segment: %w", err)
	}
	s.number, s.path = number, path
	return nil
}

// findSegments lists the numbers and sizes of the segments in dir, oldest
// first, and deletes what was never begun.
func findSegments(dir string) (numbers []uint64, sizes []int64, err error) {
	entries, err := os.ReadDir(dir) // sorted by name, so by number
	if err != nil {
		return nil, nil, fmt.Errorf("cannot list journal: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), sparePrefix) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return nil, nil, fmt.Errorf("cannot delete spare journal segment: %w", err)
			}
			continue
		}
		name, ok := strings.CutSuffix(e.Name(), suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(name, 10, 31)
		if err != nil {
			return nil, nil, fmt.Errorf("cannot list journal: %q is not a segment's name", e.Name())
		}
		info, err := e.Info()
		if err != nil {
			return nil, nil, fmt.Errorf("cannot list journal: %w", err)
		}
		numbers, sizes = append(numbers, n), append(sizes, info.Size())
	}
	return numbers, sizes, nil
}

// hasRoom says whether any row fits in.
func (s *segment) hasRoom() bool { return len(s.Data)-s.tail >= rowsBound }

// put writes r at the tail.
func (s *segment) put(r *call.Record) {
	at := s.tail + wordSize
	row := appendRow(s.Data[at:at:at+maxRow], r)
	word := uint64(s.sum(s.tail, row))<<32 | uint64(len(row))
	atomic.StoreUint64((*uint64)(unsafe.Pointer(&s.Data[s.tail])), word)
	s.tail = at + padded(len(row))
}

// rowAt returns the row whose word is at off and where the next one starts. A
// nil row means there is none.
func (s *segment) rowAt(off, end int) (row []byte, next int) {
	word := binary.NativeEndian.Uint64(s.Data[off:])
	n := int(word & (1<<32 - 1))
	if n == 0 || n > maxRow || off+wordSize+n > end {
		return nil, off + wordSize
	}
	row = s.Data[off+wordSize : off+wordSize+n]
	if s.sum(off, row) != uint32(word>>32) {
		return nil, off + wordSize
	}
	return row, off + wordSize + padded(n)
}

func (s *segment) sum(off int, row []byte) uint32 {
	return crc32.Update(uint32(s.number)*0x9e3779b1^uint32(off), castagnoli, row)
}

func padded(n int) int { return (n + wordSize - 1) &^ (wordSize - 1) }

// mark is a place in the journal as the store keeps it.
func mark(number uint64, off int) int64 { return int64(number)<<32 | int64(off) }

// remove deletes the segment.
func (s *segment) remove() error {
	err := s.Close()
	if e := os.Remove(s.path); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("cannot delete journal segment: %w", err)
	}
	return nil
}
