package decision

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/wasm"
	"github.com/signalbox-ai/signalbox/sdk/abi"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

var errEntry = errors.New("the entry is malformed")

// decoder reads one section. Past its end all is zero.
type decoder struct {
	b   []byte
	bad bool
}

func (r *decoder) num() int64 {
	if len(r.b) == 0 {
		return 0
	}
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return int64(v)
}

// count reads how many of something follow, at most most.
func (r *decoder) count(most int) int {
	n := r.num()
	if n < 0 || n > int64(most) || n > int64(len(r.b)) {
		r.bad, r.b = true, nil
		return 0
	}
	return int(n)
}

func (r *decoder) flag() bool { return r.num() != 0 }

func (r *decoder) bytes(most int) []byte {
	n := r.count(most)
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *decoder) text() string { return string(r.bytes(maxText)) }

func (r *decoder) texts() (list []string) {
	for range r.count(maxList) {
		list = append(list, r.text())
	}
	return list
}

func (r *decoder) span() time.Duration { return time.Duration(r.num()) }

// sections yields each section of an entry.
func sections(b []byte, each func(tag byte, r *decoder)) error {
	if len(b) == 0 {
		return errEntry
	}
	if b[0] != entryVersion {
		return fmt.Errorf("the entry has version %d; this program knows %d", b[0], entryVersion)
	}
	for b = b[1:]; len(b) > 0; {
		if len(b) < sectionHead {
			return errEntry
		}
		tag, n := b[0], binary.LittleEndian.Uint32(b[1:])
		if uint64(n) > uint64(len(b)-sectionHead) {
			return errEntry
		}
		r := decoder{b: b[sectionHead : sectionHead+int(n)]}
		each(tag, &r)
		if r.bad {
			return errEntry
		}
		b = b[sectionHead+int(n):]
	}
	return nil
}

// decode reads an entry; nothing of it refers to b.
func decode(b []byte) (*Entry, error) {
	e := &Entry{}
	err := sections(b, func(tag byte, r *decoder) {
		switch tag {
		case tagHead:
			e.readHead(r)
		case tagPolicy:
			e.readPolicy(r)
		case tagInput:
			e.Input = append([]byte(nil), r.b...)
		case tagModule:
			e.Module = r.text()
		case tagRecord:
			e.Record = append([]byte(nil), r.b...)
		case tagCalls:
			e.readCalls(r)
		case tagAnswer:
			e.Answer = append([]byte(nil), r.b...)
		case tagPlan:
			e.readPlan(r)
		case tagAttempts:
			e.readAttempts(r)
		case tagOutcome:
			e.readOutcome(r)
		case tagVerdicts:
			e.readVerdicts(r)
		}
	})
	if err != nil {
		return nil, err
	}
	return e, nil
}

// idOf is the id of an encoded entry.
func idOf(b []byte) (id call.ID, err error) {
	err = sections(b, func(tag byte, r *decoder) {
		if tag == tagHead {
			id = call.ID(r.num())
		}
	})
	return id, err
}

func (e *Entry) readHead(r *decoder) {
	e.ID = call.ID(r.num())
	e.Received = time.Unix(0, r.num())
	e.Op = wire.Op(min(uint64(r.num()), uint64(wire.NumOps)-1))
	e.Dialect = wire.Dialect(min(uint64(r.num()), uint64(wire.NumDialects)-1))
	e.Stream = r.flag()
	for _, s := range [...]*string{&e.KeyID, &e.KeyName, &e.Org, &e.Team, &e.Asked, &e.Route, &e.Lane} {
		*s = r.text()
	}
	e.Rule = int(r.num())
}

func (e *Entry) readPolicy(r *decoder) {
	p := &e.Policy
	p.Revision, p.Allow, p.Code = r.text(), r.flag(), r.text()
	p.MaxTokens, p.Restricted = r.num(), r.flag()
	p.Targets, p.Filters = r.texts(), r.texts()
	p.Dry = r.text()
}

func (e *Entry) readCalls(r *decoder) {
	for range r.count(abi.MaxHostResults) {
		e.Calls = append(e.Calls, wasm.HostCall{Counter: uint32(r.num()), Delta: r.num(), Value: r.num()})
	}
}

func (e *Entry) readPlan(r *decoder) {
	p := &call.Plan{Route: r.text(), Code: uint32(r.num())}
	p.SetReason(r.bytes(abi.MaxReason))
	for range r.count(call.MaxCandidates) {
		p.Attempts[p.N] = call.PlannedAttempt{Index: uint8(r.num()), Timeout: r.span(), Hedge: r.span(),
			Backoff: r.span(), BackoffMax: r.span(), Flags: uint32(r.num())}
		p.N++
	}
	e.Plan = p
}

func (e *Entry) readAttempts(r *decoder) {
	for range r.count(maxList) {
		e.Attempts = append(e.Attempts, Attempt{Target: r.text(), Credential: r.text(), Start: r.span(), FirstByte: r.span(),
			Duration: r.span(), Status: int(r.num()), Class: wire.Class(r.num()), Hedge: r.flag(), Lost: r.flag(),
			Rejected: r.text(), Cost: r.num()})
	}
}

func (e *Entry) readOutcome(r *decoder) {
	e.Target = r.text()
	set, buckets := uint64(r.num()), e.Usage.Buckets()
	if set >= 1<<wire.NumBuckets {
		r.bad = true
		return
	}
	for ; set != 0; set &= set - 1 {
		*buckets[bits.TrailingZeros64(set)] = r.num()
	}
	e.Cost, e.Reserved = r.num(), r.num()
	e.Provenance = call.Provenance(min(uint64(r.num()), uint64(call.CostReported)))
	e.Status, e.Class, e.Code = int(r.num()), wire.Class(r.num()), r.text()
	e.TTFT, e.Duration, e.Overhead = r.span(), r.span(), r.span()
}

func (e *Entry) readVerdicts(r *decoder) {
	for range r.count(maxList) {
		e.Verdicts = append(e.Verdicts, call.Verdict{Filter: r.text(), Version: r.text(), Answer: r.flag(), Action: uint8(r.num()),
			Code: uint32(r.num()), Findings: uint32(r.num()), Count: uint32(r.num())})
	}
}
