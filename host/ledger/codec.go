package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"time"
	"unicode/utf8"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// A row is a version byte, six more of small codes, then varints and
// length-prefixed texts in a fixed order. Of the buckets of usage only those
// that hold something are there, behind a set that names them.
const (
	rowVersion  = 4
	maxText     = 255 // bytes kept of one text
	maxAttempts = 16  // kept of one request
	// maxAmount bounds an amount of one row, a count or nano-dollars: 70,000
	// dollars. No request comes near it but by an upstream's false word, and then
	// sums of a hundred thousand such rows still do not overflow: a store that
	// cannot add a row up takes none that follow.
	maxAmount = 1 << 46
	heads     = 7 // bytes before them
	// computedBit stands behind the buckets in the set.
	computedBit = wire.NumBuckets
	numbers     = 10 // and the set, and what it names
	// maxRow bounds an encoded row: 7 bytes, the numbers, 13 texts, and a text
	// with three numbers and a byte for each attempt.
	maxRow = heads + (numbers+1+computedBit+1+1)*binary.MaxVarintLen64 + 13*(2+maxText) + maxAttempts*(2+maxText+1+3*binary.MaxVarintLen64)
)

// appendRow appends r, encoded.
func appendRow(b []byte, r *call.Record) []byte {
	stream := byte(0)
	if r.Stream {
		stream = 1
	}
	b = append(b, rowVersion, byte(r.Op), byte(r.Dialect), stream, byte(r.Class), byte(r.Provenance), byte(r.Cached))
	for _, v := range [...]int64{int64(r.ID), r.DurationUS, r.OverheadUS, r.TTFTUS, int64(r.Status), r.Cost, r.Reserved, r.Count, int64(r.Parent), r.Saved} {
		b = binary.AppendUvarint(b, uint64(v))
	}
	b = appendUsage(b, r)
	for _, s := range [...]string{r.KeyID, r.KeyName, r.Org, r.Project, r.Team, r.User, r.Asked, r.Target, r.Code, r.Route, r.Policy, r.Address, r.Origin} {
		b = appendText(b, s)
	}
	attempts := r.Attempts[:min(len(r.Attempts), maxAttempts)]
	b = binary.AppendUvarint(b, uint64(len(attempts)))
	for i := range attempts {
		a := &attempts[i]
		name := ""
		if a.Target != nil {
			name = a.Target.Name
		}
		b = append(appendText(b, name), byte(a.Class))
		b = binary.AppendUvarint(b, uint64(a.Status))
		b = binary.AppendUvarint(b, uint64(a.Duration))
		b = binary.AppendUvarint(b, uint64(a.Cost))
	}
	return b
}

func appendUsage(b []byte, r *call.Record) []byte {
	set, buckets := uint64(0), r.Usage.Buckets()
	for i, v := range buckets {
		if *v != 0 {
			set |= 1 << i
		}
	}
	if r.Computed != 0 {
		set |= 1 << computedBit
	}
	b = binary.AppendUvarint(b, set)
	for ; set != 0; set &= set - 1 {
		v := &r.Computed
		if i := bits.TrailingZeros64(set); i < computedBit {
			v = buckets[i]
		}
		b = binary.AppendUvarint(b, uint64(*v))
	}
	return b
}

func appendText(b []byte, s string) []byte {
	if len(s) > maxText {
		s = clip(s)
	}
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// clip cuts s to maxText bytes, not through a character.
func clip(s string) string {
	n := maxText
	for n > maxText-utf8.UTFMax && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// decoder reads rows. It makes each text that recurs once, so that decoding
// allocates nothing in the long run.
type decoder struct {
	texts   map[string]string
	targets map[string]*call.Target
	b       []byte
	bad     bool
}

// maxTexts bounds what a decoder remembers.
const maxTexts = 16 << 10

var errRow = errors.New("the row is malformed")

// row decodes b into r, whose Attempts are used again.
func (d *decoder) row(b []byte, r *call.Record) error {
	if len(b) < heads {
		return errRow
	}
	if b[0] != rowVersion {
		return fmt.Errorf("the row has version %d; this program knows %d", b[0], rowVersion)
	}
	attempts := r.Attempts[:0]
	*r = call.Record{Op: wire.Op(b[1]), Dialect: wire.Dialect(b[2]), Stream: b[3] != 0, Class: wire.Class(b[4]), Provenance: call.Provenance(b[5]), Cached: call.Cached(b[6])}
	if r.Provenance > call.CostReported || r.Cached > call.CacheShared {
		return errRow
	}
	d.b, d.bad = b[heads:], false
	r.ID = call.ID(d.number())
	for _, v := range [...]*int64{&r.DurationUS, &r.OverheadUS, &r.TTFTUS} {
		*v = d.number()
	}
	r.Status = int(d.number())
	r.Cost, r.Reserved, r.Count = d.amount(), d.amount(), d.number()
	r.Parent, r.Saved = call.ID(d.number()), d.amount()
	d.usage(r)
	for _, s := range [...]*string{&r.KeyID, &r.KeyName, &r.Org, &r.Project, &r.Team, &r.User, &r.Asked, &r.Target, &r.Code, &r.Route, &r.Policy, &r.Address, &r.Origin} {
		*s = d.text()
	}
	n := d.number()
	if n < 0 || n > maxAttempts {
		return errRow
	}
	for range n {
		a := call.Attempt{Target: d.target(), Class: wire.Class(d.byte())}
		a.Status, a.Duration, a.Cost = int(d.number()), time.Duration(d.number()), d.number()
		attempts = append(attempts, a)
	}
	r.Attempts = attempts
	if d.bad || len(d.b) != 0 {
		return errRow
	}
	return nil
}

func (d *decoder) usage(r *call.Record) {
	set, buckets := uint64(d.number()), r.Usage.Buckets()
	if set >= 1<<(computedBit+1) {
		d.b, d.bad = nil, true
		return
	}
	for ; set != 0; set &= set - 1 {
		v := &r.Computed
		if i := bits.TrailingZeros64(set); i < computedBit {
			v = buckets[i]
		}
		*v = d.amount()
	}
}

// amount is a number that can be summed up.
func (d *decoder) amount() int64 { return max(-maxAmount, min(d.number(), maxAmount)) }

func (d *decoder) number() int64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.b, d.bad = nil, true
		return 0
	}
	d.b = d.b[n:]
	return int64(v)
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.bad = true
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *decoder) raw() []byte {
	n := d.number()
	if n < 0 || n > maxText || n > int64(len(d.b)) {
		d.b, d.bad = nil, true
		return nil
	}
	v := d.b[:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) text() string { return d.known(d.raw()) }

func (d *decoder) known(b []byte) string {
	if s, ok := d.texts[string(b)]; ok {
		return s
	}
	if d.texts == nil || len(d.texts) >= maxTexts {
		d.texts = map[string]string{}
	}
	s := string(b)
	d.texts[s] = s
	return s
}

// target is a stand-in that has only the name.
func (d *decoder) target() *call.Target {
	b := d.raw()
	if len(b) == 0 {
		return nil
	}
	if t, ok := d.targets[string(b)]; ok {
		return t
	}
	if d.targets == nil || len(d.targets) >= maxTexts {
		d.targets = map[string]*call.Target{}
	}
	t := &call.Target{Name: d.known(b)}
	d.targets[t.Name] = t
	return t
}
