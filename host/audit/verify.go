package audit

import (
	"bytes"
	"context"
	"crypto/hmac"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/signalbox-ai/signalbox/host/call"
)

// What may be wrong with a log.
const (
	Changed   = "changed"   // an entry is not what was written
	Removed   = "removed"   // entries are missing in front or in between
	Reordered = "reordered" // an entry stands in the place of another
	Truncated = "truncated" // entries are missing at the end
	Added     = "added"     // there are entries that the gateway did not write
	Rewritten = "rewritten" // it fits together, and is not what was anchored or signed
)

// Break is the first thing that is wrong.
type Break struct {
	Seq  int64  `json:"entry"`
	Kind string `json:"kind"`
	Text string `json:"text"`
}

// Verdict is what a verification found.
type Verdict struct {
	OK      bool   `json:"ok"`
	First   int64  `json:"first"` // number of the first entry that is kept
	Last    int64  `json:"last"`
	Entries int64  `json:"entries"`
	Anchors int    `json:"anchors"` // that were compared
	Hash    string `json:"hash"`    // of the last entry: note it to compare
	Broken  *Break `json:"broken,omitempty"`
}

// chain checks rows in their order.
type chain struct {
	seq     int64
	hash    []byte
	anchors map[int64][]byte // hashes that entries must have
	used    int
	n       int64
}

func broken(seq int64, kind, format string, args ...any) *Break {
	return &Break{Seq: seq, Kind: kind, Text: fmt.Sprintf(format, args...)}
}

// next takes the row after those before.
func (c *chain) next(r *call.AuditRow) *Break {
	want := c.seq + 1
	if r.Seq != want {
		return broken(want, Removed, "entries %d to %d are missing", want, r.Seq-1)
	}
	var e Entry
	sum := Sum(r.Body)
	bad := json.Unmarshal(r.Body, &e) != nil
	switch {
	case !bad && e.Seq != r.Seq && bytes.Equal(sum, r.Hash):
		return broken(want, Reordered, "in the place of entry %d stands entry %d", want, e.Seq)
	case bad, !bytes.Equal(sum, r.Hash), e.Seq != r.Seq, e.Time.UnixMilli() != r.Time.UnixMilli():
		return broken(want, Changed, "entry %d is not what was written", want)
	case e.Prev != hex.EncodeToString(c.hash):
		return c.unlinked(want)
	case e.Action == ActionBroken && e.Kind == KindGateway:
		return broken(want, Rewritten, "entry %d says that the log before it had been tampered with: %s", want, e.Detail)
	}
	if hash, ok := c.anchors[r.Seq]; ok {
		if !bytes.Equal(hash, r.Hash) {
			return broken(want, Rewritten, "entry %d is not the one that was anchored: it, or one before it since the last anchor that fits, was written anew", want)
		}
		c.used++
	}
	c.seq, c.hash = r.Seq, r.Hash
	c.n++
	return nil
}

func (c *chain) unlinked(seq int64) *Break {
	if c.n == 0 {
		return broken(seq, Changed, "entry %d does not follow what was before it", seq)
	}
	return broken(seq-1, Changed, "entry %d is not what was written: its hash was made anew, and entry %d does not follow it", seq-1, seq)
}

// end compares where the chain has come to with the signed end.
func (c *chain) end(key []byte, head call.AuditHead) *Break {
	switch {
	case head.Seq == 0 && c.seq == 0:
		return broken(1, Truncated, "there is no entry: a gateway writes one when it starts")
	case c.seq < head.Seq:
		return broken(c.seq+1, Truncated, "entries %d to %d are missing at the end", c.seq+1, head.Seq)
	case !genuine(key, head) || head.Seq == 0:
		return broken(c.seq, Rewritten, "the end of the log is not signed by the gateway: entries at the end were written anew, added or removed")
	case !bytes.Equal(head.Hash, c.hash):
		return broken(c.seq, Changed, "entry %d, the last, is not what was written", c.seq)
	}
	return nil
}

// Verify checks the whole log, and that the anchors fit which outside holds.
func (l *Log) Verify(ctx context.Context, outside []Point) (Verdict, error) {
	for {
		before, _, err := l.store.AuditMarks(ctx)
		if err != nil {
			return Verdict{}, err
		}
		v, err := Verify(ctx, l.store, l.opt.Key, outside)
		if err != nil || v.OK {
			return v, err
		}
		// Entries may have been cut or added meanwhile, which is no break.
		if after, _, err := l.store.AuditMarks(ctx); err != nil || after.Seq == before.Seq {
			return v, err
		}
		if err := ctx.Err(); err != nil {
			return v, err
		}
	}
}

// page is how many rows are read at once.
const page = 1000

// Verify checks the log that r holds, signed under key.
func Verify(ctx context.Context, r Reader, key []byte, outside []Point) (Verdict, error) {
	head, anchors, err := r.AuditMarks(ctx)
	if err != nil {
		return Verdict{}, err
	}
	c := &chain{hash: begin, anchors: map[int64][]byte{}}
	b := c.anchor(key, anchors, outside)
	for more := b == nil; more; {
		rows, err := r.AuditRows(ctx, call.AuditQuery{After: c.seq, Most: page})
		if err != nil {
			return Verdict{}, err
		}
		for i := 0; i < len(rows) && b == nil; i++ {
			if rows[i].Seq > head.Seq {
				if fresh, _, err := r.AuditMarks(ctx); err != nil || fresh.Seq >= rows[i].Seq {
					rows = rows[:i] // written since
					break
				}
				b = broken(rows[i].Seq, Added, "entry %d stands behind the end of the log", rows[i].Seq)
				break
			}
			b = c.next(&rows[i])
		}
		more = b == nil && len(rows) == page
	}
	if b == nil {
		b = c.end(key, head)
	}
	if b == nil {
		b = c.short()
	}
	return c.verdict(b), nil
}

func (c *chain) verdict(b *Break) Verdict {
	return Verdict{OK: b == nil, Last: c.seq, Entries: c.n, First: c.seq - c.n + 1, Anchors: c.used, Hash: hex.EncodeToString(c.hash), Broken: b}
}

// anchor takes in what the entries must fit, and begins after the last cut.
func (c *chain) anchor(key []byte, anchors []call.AuditAnchor, outside []Point) *Break {
	for _, a := range anchors {
		if !hmac.Equal(a.MAC, anchorMAC(key, a)) {
			return broken(a.Seq, Rewritten, "the anchor of entry %d is not signed by the gateway", a.Seq)
		}
		c.anchors[a.Seq] = a.Hash
	}
	cut := cutAt(anchors)
	if cut.Seq > 0 {
		c.seq, c.hash = cut.Seq, cut.Hash
	}
	for _, p := range outside {
		hash, err := hex.DecodeString(p.Hash)
		mac, err2 := hex.DecodeString(p.MAC)
		a := call.AuditAnchor{Seq: p.Seq, Time: p.Time, Hash: hash}
		if err != nil || err2 != nil || !hmac.Equal(mac, anchorMAC(key, a)) {
			return broken(p.Seq, Rewritten, "an anchor outside of the store, of entry %d, is not signed by this gateway: is it of another store?", p.Seq)
		}
		if known, ok := c.anchors[p.Seq]; ok && !bytes.Equal(known, hash) {
			return broken(p.Seq, Rewritten, "entry %d is not the one that was anchored outside", p.Seq)
		}
		c.anchors[p.Seq] = hash
	}
	return nil
}

// short is what the anchors say beyond the end.
func (c *chain) short() *Break {
	for seq := range c.anchors {
		if seq > c.seq {
			return broken(c.seq+1, Truncated, "entry %d was anchored, and the log ends at %d", seq, c.seq)
		}
	}
	return nil
}
