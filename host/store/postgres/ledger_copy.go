package postgres

import (
	"encoding/binary"
	"math"
	"strings"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store/report"
)

// copyBuffer holds rows of request as COPY … BINARY takes them: a head, for each
// row the number of its columns, for each column its length and its bytes, and
// an end. https://www.postgresql.org/docs/current/sql-copy.html
type copyBuffer struct {
	data  []byte
	units []byte
}

const copyHead = "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// maxCopyKept bounds what is kept between batches.
const maxCopyKept = 4 << 20

func (b *copyBuffer) begin() {
	if cap(b.data) > maxCopyKept {
		b.data = nil
	}
	b.data = append(b.data[:0], copyHead...)
}

func (b *copyBuffer) end() { b.data = append(b.data, 0xff, 0xff) }

const copyColumns = 21

func (b *copyBuffer) row(r *call.Record, d *dicts) error {
	attempts, err := report.Attempts(r.Attempts)
	if err != nil {
		return err
	}
	b.data = binary.BigEndian.AppendUint16(b.data, copyColumns)
	p, f, o := d.of(r)
	u := &r.Usage
	for _, v := range [...]int64{int64(r.ID), p, f, o, r.DurationUS, r.OverheadUS, r.TTFTUS,
		u.Input, u.CacheRead, u.CacheWrite5m, u.CacheWrite1h, u.Output, u.Reasoning, r.Cost, r.Reserved, r.Requests(), r.Saved} {
		b.number(v)
	}
	b.units = report.AppendUnits(b.units[:0], r)
	b.text(b.units)
	b.text(attempts)
	b.text([]byte(clean(r.Address)))
	if r.Parent == 0 {
		b.text(nil)
	} else {
		b.number(int64(r.Parent))
	}
	return nil
}

func (b *copyBuffer) number(v int64) {
	b.data = binary.BigEndian.AppendUint32(b.data, 8)
	b.data = binary.BigEndian.AppendUint64(b.data, uint64(v))
}

// text appends v, NULL when it is empty.
func (b *copyBuffer) text(v []byte) {
	if len(v) == 0 {
		b.data = binary.BigEndian.AppendUint32(b.data, math.MaxUint32)
		return
	}
	b.data = binary.BigEndian.AppendUint32(b.data, uint32(len(v)))
	b.data = append(b.data, v...)
}

// clean is s as PostgreSQL takes it: one byte that it does not would keep all
// rows behind it out for ever.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
}
