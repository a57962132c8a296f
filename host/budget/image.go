package budget

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/disk"
)

// The pool file is an array of 64-bit cells:
//
//	header   512 cells: magic, geometry, boot id, bank generation, sequence, log length
//	log     2048 cells: pairs of cell number and new value
//	words   4 cells each: row, available, returning, end of window
//	slots  12 cells each: state, call id, an amount of each unit, 12 holds of
//	        32 bits (unit and word number), spare
//
// A change of several cells goes into the log, is made valid by one store of
// the log's length, applied, and struck out by another. A process that is
// killed at any instruction therefore leaves either all of a change or none.
const (
	cellMagic      = 0
	cellGeometry   = 1
	cellBoot       = 2 // and 3
	cellGeneration = 4
	cellSeq        = 5
	cellLog        = 6

	headerCells = 512
	logPairs    = 1024
	wordCells   = 4
	slotCells   = 12
	cellBytes   = 8

	magic = 0x32_6c_6f_6f_70_42_53_00 // "\0SBpool2"
)

// Cells of a word.
const (
	wordRow       = iota // the bank's row; 0: the word is free
	wordAvail            // of the lease, not reserved; below zero after an overrun
	wordReturning        // taken out of avail, on its way to the bank
	wordEnd              // of the window
)

// Cells of a slot.
const (
	slotState   = 0
	slotID      = 1 // call.ID
	slotAmounts = 2 // reserved, of each unit
	slotHolds   = slotAmounts + units
)

// A hold is an account that a slot reserves from: the word's number + 1, and
// the unit above it. 0: none.
const (
	holdWord = 1<<30 - 1
	holdUnit = 30
)

func hold(w int, unit call.Unit) int64 { return int64(unit)<<holdUnit | int64(w+1) }

// States of a slot.
const (
	slotFree = iota
	slotOpen // reserved
	slotSent // bytes of the request have left for an upstream
)

// geometry is how many words and slots a pool file has.
type geometry struct{ words, slots int }

func (g geometry) cells() int {
	return headerCells + 2*logPairs + g.words*wordCells + g.slots*slotCells
}
func (g geometry) bytes() int64 { return int64(g.cells()) * cellBytes }
func (g geometry) code() int64  { return int64(g.words)<<32 | int64(g.slots) }

// image is a mapped pool file. Its owner serialises all access.
type image struct {
	geometry
	file *disk.Mapping
	m    []int64
	n    int // pairs in the log that is being written
}

// openImage maps the file at path. fresh says that it holds nothing.
func openImage(path string, g geometry) (im *image, fresh bool, err error) {
	file, fresh, err := disk.Map(path, g.bytes())
	if err != nil {
		return nil, false, err
	}
	im = &image{geometry: g, file: file, m: unsafe.Slice((*int64)(unsafe.Pointer(&file.Data[0])), g.cells())}
	return im, fresh, nil
}

// word returns the number of a word's cell.
func (im *image) word(w, cell int) int { return headerCells + 2*logPairs + w*wordCells + cell }

// slot returns the number of a slot's cell.
func (im *image) slot(s, cell int) int {
	return headerCells + 2*logPairs + im.words*wordCells + s*slotCells + cell
}

// set adds a change to the log; it is made by commit.
func (im *image) set(cell int, value int64) {
	at := headerCells + 2*im.n
	im.m[at], im.m[at+1] = int64(cell), value
	im.n++
}

// commit makes all changes since the last one.
func (im *image) commit() {
	atomic.StoreInt64(&im.m[cellLog], int64(im.n))
	im.apply(im.n)
	atomic.StoreInt64(&im.m[cellLog], 0)
	im.n = 0
}

func (im *image) apply(n int) {
	log := im.m[headerCells : headerCells+2*n]
	for i := 0; i+1 < len(log); i += 2 {
		im.m[log[i]] = log[i+1]
	}
}

// replay finishes the change that a killed process had begun.
func (im *image) replay() {
	im.apply(int(im.m[cellLog]))
	atomic.StoreInt64(&im.m[cellLog], 0)
}

// check says why the file cannot be what a process of ours left behind.
func (im *image) check() error {
	if im.m[cellMagic] != magic || im.m[cellGeometry] != im.code() {
		return fmt.Errorf("its header is not that of a pool of %d words and %d slots", im.words, im.slots)
	}
	n := im.m[cellLog]
	if n < 0 || n > logPairs {
		return fmt.Errorf("its log has %d entries; the most is %d", n, logPairs)
	}
	for i := range int(n) {
		cell := im.m[headerCells+2*i]
		inHeader := cell == cellSeq
		inData := cell >= headerCells+2*logPairs && cell < int64(im.cells())
		if !inHeader && !inData {
			return fmt.Errorf("its log names cell %d", cell)
		}
	}
	return nil
}

// checkData says what is wrong with words and slots, after replay.
func (im *image) checkData() error {
	rows := map[int64]int{}
	for w := range im.words {
		row := im.m[im.word(w, wordRow)]
		if other, twice := rows[row]; row < 0 || (row != 0 && twice) {
			return fmt.Errorf("its words %d and %d have row %d", other, w, row)
		}
		if row != 0 {
			rows[row] = w
		}
	}
	for s := range im.slots {
		state := im.m[im.slot(s, slotState)]
		if state < slotFree || state > slotSent {
			return fmt.Errorf("its slot %d has state %d", s, state)
		}
		if state == slotFree {
			continue
		}
		for u := range units {
			if amount := im.m[im.slot(s, slotAmounts+u)]; amount < 0 {
				return fmt.Errorf("its slot %d has amount %d", s, amount)
			}
		}
		for i := range maxChain {
			w, unit := im.held(s, i)
			if int(unit) >= units {
				return fmt.Errorf("its slot %d holds unit %d", s, unit)
			}
			if w >= im.words || (w >= 0 && im.m[im.word(w, wordRow)] == 0) {
				return fmt.Errorf("its slot %d holds word %d, which is not in use", s, w)
			}
		}
	}
	return nil
}

// held is the i-th word that slot s holds, -1 for none, and in which unit.
func (im *image) held(s, i int) (word int, unit call.Unit) {
	pair := uint64(im.m[im.slot(s, slotHolds+i/2)])
	h := uint32(pair >> (32 * (i % 2)))
	return int(h&holdWord) - 1, call.Unit(h >> holdUnit)
}

// format gives a file of zeros its header.
func (im *image) format(boot [16]byte, generation, seq int64) {
	im.m[cellGeometry] = im.code()
	im.m[cellBoot] = int64(binary.LittleEndian.Uint64(boot[:8]))
	im.m[cellBoot+1] = int64(binary.LittleEndian.Uint64(boot[8:]))
	im.m[cellGeneration] = generation
	im.m[cellSeq] = seq
	atomic.StoreInt64(&im.m[cellMagic], magic)
}

// sameBoot says whether the file was written under the running kernel.
func (im *image) sameBoot(boot [16]byte) bool {
	return im.m[cellBoot] == int64(binary.LittleEndian.Uint64(boot[:8])) &&
		im.m[cellBoot+1] == int64(binary.LittleEndian.Uint64(boot[8:]))
}
