package ledger

import (
	"context"
	"encoding/binary"
	"path/filepath"
	"sync/atomic"
	"unsafe"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/disk"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// tally counts requests whose rows are left out, by what they were refused
// for, in a file that is mapped into memory: a killed process loses no count.
// Each slot becomes one row, with the id of the first request that it counts.
type tally struct {
	file  *disk.Mapping
	keys  [tallySlots]tallyKey // of the slots in use
	dirty bool                 // it has changed since it was synced
}

const (
	tallySlots = 128
	tallySlot  = 512 // bytes: id, count, length, row
	tallyHead  = 24
	hourMS     = 3600 * 1000
)

// tallyKey is what requests are counted by.
type tallyKey struct {
	hour   int64 // a count does not leave its hour
	op     wire.Op
	class  wire.Class
	status int
	code   string
}

func tallyOf(r *call.Record) tallyKey {
	return tallyKey{hour: int64(r.ID) >> 22 / hourMS, op: r.Op, class: r.Class, status: r.Status, code: r.Code}
}

func openTally(dir string) (*tally, error) {
	m, _, err := disk.Map(filepath.Join(dir, "tally"), tallySlots*tallySlot)
	if err != nil {
		return nil, err
	}
	return &tally{file: m}, nil
}

func (t *tally) slot(i int) []byte { return t.file.Data[i*tallySlot:][:tallySlot] }

// id and count are words of a slot. A slot is in use while its id is not zero.
func (t *tally) id(i int) *int64    { return (*int64)(unsafe.Pointer(&t.slot(i)[0])) }
func (t *tally) count(i int) *int64 { return (*int64)(unsafe.Pointer(&t.slot(i)[8])) }

// add counts r; false: all slots are in use.
func (t *tally) add(r *call.Record) bool {
	key, free := tallyOf(r), -1
	t.dirty = true
	for i := range t.keys {
		if *t.id(i) == 0 {
			if free < 0 {
				free = i
			}
			continue
		}
		if t.keys[i] == key {
			*t.count(i) += r.Requests()
			return true
		}
	}
	if free < 0 {
		return false
	}
	row := appendRow(t.slot(free)[tallyHead:tallyHead:tallySlot], &call.Record{ID: r.ID, Op: r.Op, Class: r.Class, Status: r.Status, Code: r.Code})
	binary.NativeEndian.PutUint64(t.slot(free)[16:], uint64(len(row)))
	*t.count(free) = r.Requests()
	t.keys[free] = key
	atomic.StoreInt64(t.id(free), int64(r.ID)) // last, so that the slot is whole
	return true
}

// row reads slot i; false: it is not in use, or a power cut has torn it.
func (t *tally) row(i int, d *decoder, r *call.Record) bool {
	n := binary.NativeEndian.Uint64(t.slot(i)[16:])
	if *t.id(i) == 0 || n > tallySlot-tallyHead || d.row(t.slot(i)[tallyHead:][:n], r) != nil {
		return false
	}
	r.ID, r.Count = call.ID(*t.id(i)), *t.count(i)
	return r.Count > 0
}

// mostShown bounds the ids of keys that are no good which are written down in an
// hour. Sums are kept by them and for ever: who makes them up must not fill those.
const mostShown = 64

// AppendStranger writes down a request of a caller without a valid key. Of a
// flood only so many a second become rows; the others are counted, and become a
// row for each kind of them. KeyID is taken out of r where too many were shown.
func (l *Ledger) AppendStranger(r *call.Record) error {
	l.mu.Lock()
	if second := int64(r.ID) >> 22 / 1000; second != l.second {
		l.second, l.strangers = second, 0
	}
	if l.strangers >= l.opts.Strangers || l.full() {
		defer l.mu.Unlock()
		return l.counted(r)
	}
	l.strangers++
	l.boundShown(r)
	l.mu.Unlock()
	return l.Append(r)
}

func (l *Ledger) boundShown(r *call.Record) {
	if r.KeyID == "" {
		return
	}
	if hour := int64(r.ID) >> 22 / hourMS; hour != l.shownHour || l.shown == nil {
		l.shownHour, l.shown = hour, map[string]bool{}
	}
	if !l.shown[r.KeyID] && len(l.shown) >= mostShown {
		r.KeyID = ""
		return
	}
	l.shown[r.KeyID] = true
}

// Count counts a request without a row of its own.
func (l *Ledger) Count(r *call.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counted(r)
}

func (l *Ledger) counted(r *call.Record) error {
	if l.closed {
		return errClosed
	}
	if !l.tally.add(r) {
		if err := l.settleTally(); err != nil {
			return err
		}
		l.tally.add(r) // there is room now
	}
	l.stats.LeftOut++
	return nil
}

// settleTally makes rows of what was counted. A kill between a row and the end
// of its slot is made good at the next Open, by the row's id.
func (l *Ledger) settleTally() error {
	var d decoder
	var r call.Record
	for i := range tallySlots {
		if *l.tally.id(i) == 0 {
			continue
		}
		if l.tally.row(i, &d, &r) {
			if err := l.put(&r); err != nil {
				return err
			}
		}
		atomic.StoreInt64(l.tally.id(i), 0)
	}
	return nil
}

// recoverTally makes rows of what an earlier process has counted, but for what
// it had made rows of. All of its journal has been folded.
func (l *Ledger) recoverTally(ctx context.Context) error {
	for i := range tallySlots {
		id := *l.tally.id(i)
		if id == 0 {
			continue
		}
		if _, found, err := l.sink.Cost(ctx, call.ID(id)); err != nil {
			return err
		} else if found {
			atomic.StoreInt64(l.tally.id(i), 0)
		}
	}
	return l.settleTally()
}
