package audit

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/signalbox-ai/signalbox/host/call"
)

// maxLine bounds an entry of an export.
const maxLine = 1 << 20

// VerifyExport checks the entries of an export, one a line, from the first that
// it holds. Without the key of the store it cannot tell whether the end is
// missing: compare Last and Hash with an anchor.
func VerifyExport(r io.Reader) (Verdict, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	c := &chain{hash: begin}
	var b *Break
	for lines.Scan() && b == nil {
		body := bytes.TrimSpace(lines.Bytes())
		if len(body) == 0 {
			continue
		}
		var e Entry
		if err := json.Unmarshal(body, &e); err != nil {
			return Verdict{}, fmt.Errorf("cannot read the entry after entry %d: %w", c.seq, err)
		}
		if c.n == 0 && e.Seq > 1 {
			prev, err := hex.DecodeString(e.Prev)
			if err != nil {
				return Verdict{}, fmt.Errorf("cannot read entry %d: prev is not hexadecimal", e.Seq)
			}
			c.seq, c.hash = e.Seq-1, prev
		}
		b = c.next(&call.AuditRow{Seq: e.Seq, Time: e.Time, Body: body, Hash: Sum(body)})
	}
	if err := lines.Err(); err != nil {
		return Verdict{}, fmt.Errorf("cannot read the export: %w", err)
	}
	if c.n == 0 && b == nil {
		return Verdict{}, errors.New("cannot verify the export: it holds no entry")
	}
	return c.verdict(b), nil
}

// ReadPoints reads anchors, one a line.
func ReadPoints(r io.Reader) (list []Point, err error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var p Point
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			return nil, fmt.Errorf("cannot read anchor %d: %w", len(list)+1, err)
		}
		list = append(list, p)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("cannot read the anchors: %w", err)
	}
	return list, nil
}
