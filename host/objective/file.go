package objective

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// The file begins with magic, holds each series with its cells as varints, and
// ends with the CRC-32 of all before it.
const magic = "signalbox objectives 1\n"

// maxFile is more than all series at their fullest take.
const maxFile = 256 << 20

var errDamaged = errors.New("the file is damaged")

// Save keeps all in the file at path.
func (k *Keeper) Save(path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".objectives-*")
	if err != nil {
		return fmt.Errorf("cannot keep objectives: %w", err)
	}
	w := bufio.NewWriter(f)
	_, err = w.Write(k.encode())
	err = errors.Join(err, w.Flush(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("cannot keep objectives: %w", err)
	}
	return nil
}

// Load takes in what was kept, before anything is noted. No file is no error.
func (k *Keeper) Load(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && info.Size() > maxFile {
		err = errDamaged
	}
	var b []byte
	if err == nil {
		b, err = os.ReadFile(path)
	}
	if err == nil {
		err = k.decode(b)
	}
	if err != nil {
		return fmt.Errorf("cannot read objectives %q, and begins anew: %w", path, err)
	}
	return nil
}

func (k *Keeper) encode() []byte {
	all := *k.all.Load()
	b := binary.AppendUvarint([]byte(magic), counters)
	b = binary.AppendUvarint(b, uint64(len(all)))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		b = append(binary.AppendUvarint(b, uint64(len(name))), name...)
		b = appendRing(b, all[name].minutes[:])
		b = appendRing(b, all[name].hours[:])
	}
	return sealed(b)
}

// sealed is b with its checksum.
func sealed(b []byte) []byte { return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b)) }

func appendRing(b []byte, ring []atomic.Pointer[cell]) []byte {
	var cells []*cell
	for i := range ring {
		if c := ring[i].Load(); c != nil {
			cells = append(cells, c)
		}
	}
	b = binary.AppendUvarint(b, uint64(len(cells)))
	for _, c := range cells {
		b = binary.AppendUvarint(b, uint64(c.at))
		for n := range c.each {
			b = binary.AppendUvarint(b, uint64(n.Load()))
		}
	}
	return b
}

// counters is how many numbers a cell has beside its own.
const counters = uint64(wire.NumClasses) + 2*buckets + 2

// each yields all numbers of c, in the order of the file.
func (c *cell) each(yield func(*atomic.Uint32) bool) {
	lists := [][]atomic.Uint32{c.classes[:], c.first[:], c.whole[:]}
	for _, list := range lists {
		for i := range list {
			if !yield(&list[i]) {
				return
			}
		}
	}
	_ = yield(&c.slow) && yield(&c.downMS)
}

func (k *Keeper) decode(b []byte) error {
	end := len(b) - crc32.Size
	if end < len(magic) || string(b[:len(magic)]) != magic || crc32.ChecksumIEEE(b[:end]) != binary.BigEndian.Uint32(b[end:]) {
		return errDamaged
	}
	r := reader{b: b[len(magic):end]}
	if r.number(1<<16) != counters {
		return errors.New("it is of another version")
	}
	all := map[string]*series{}
	for n := r.number(8 * maxSeries); n > 0 && !r.bad; n-- {
		name, s := r.text(), &series{}
		r.ring(s.minutes[:])
		r.ring(s.hours[:])
		all[name] = s
	}
	if r.bad || len(r.b) > 0 {
		return errDamaged
	}
	k.all.Store(&all)
	return nil
}

// reader reads varints until one is not as it should be.
type reader struct {
	b   []byte
	bad bool
}

// number is the next one, 0 where there is none or it is above most.
func (r *reader) number(most uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > most || r.bad {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) text() string {
	n := r.number(uint64(len(r.b)))
	if n > uint64(len(r.b)) {
		r.bad = true
		return ""
	}
	text := string(r.b[:n])
	r.b = r.b[n:]
	return text
}

func (r *reader) ring(ring []atomic.Pointer[cell]) {
	for n := r.number(uint64(len(ring))); n > 0 && !r.bad; n-- {
		c := &cell{at: int64(r.number(1 << 40))}
		for counter := range c.each {
			counter.Store(uint32(r.number(1<<32 - 1)))
		}
		ring[c.at%int64(len(ring))].Store(c)
	}
}
