package decision

import (
	"encoding/binary"
	"math/bits"
	"time"
	"unicode/utf8"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// An entry is a version byte and sections: a tag, a length of four bytes, and
// numbers and texts in a fixed order. A reader passes over sections that it does
// not know, and what lies behind the fields that it knows; a missing tail reads
// as zero. In the file a frame holds it: length and CRC-32C, four bytes each.
const (
	entryVersion = 1
	frameHead    = 8
	sectionHead  = 5
	maxText      = 255     // bytes kept of one text
	maxList      = 64      // of targets, filters, attempts and verdicts
	maxEntry     = 1 << 20 // bytes; a record has at most some 40 KB
)

// Tags of sections. New ones are added at the end.
const (
	tagHead = 1 + iota
	tagPolicy
	tagModule
	tagRecord
	tagCalls
	tagAnswer
	tagPlan
	tagAttempts
	tagOutcome
	tagVerdicts
	tagInput
)

// bound is the most that e can take, encoded in its frame.
func bound(e *Entry) int {
	const (
		number, text = binary.MaxVarintLen64, maxText + 2
		fixed        = frameHead + 1 + 11*sectionHead + 40*number + wire.NumBuckets*number + 17*text
		attempt      = 6*number + 3*text
		verdict      = 5*number + 2*text
	)
	n := fixed + len(e.Input) + len(e.Record) + len(e.Answer) + len(e.Calls)*3*number
	n += (min(len(e.Policy.Targets), maxList) + min(len(e.Policy.Filters), maxList)) * text
	n += min(len(e.Attempts), maxList)*attempt + min(len(e.Verdicts), maxList)*verdict
	return n + call.MaxCandidates*6*number
}

// encoder appends to b.
type encoder struct{ b []byte }

func (w *encoder) num(v int64) { w.b = binary.AppendUvarint(w.b, uint64(v)) }

func (w *encoder) flag(v bool) {
	n := byte(0)
	if v {
		n = 1
	}
	w.b = append(w.b, n)
}

func (w *encoder) text(s string) {
	if len(s) > maxText {
		s = clip(s)
	}
	w.b = binary.AppendUvarint(w.b, uint64(len(s)))
	w.b = append(w.b, s...)
}

// clip cuts s to maxText bytes, not through a character.
func clip(s string) string {
	n := maxText
	for n > maxText-utf8.UTFMax && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func (w *encoder) texts(list []string) {
	list = list[:min(len(list), maxList)]
	w.num(int64(len(list)))
	for _, s := range list {
		w.text(s)
	}
}

// begin opens a section; end closes it.
func (w *encoder) begin(tag byte) (at int) {
	w.b = append(w.b, tag, 0, 0, 0, 0)
	return len(w.b)
}

func (w *encoder) end(at int) {
	binary.LittleEndian.PutUint32(w.b[at-4:], uint32(len(w.b)-at))
}

func (w *encoder) raw(tag byte, b []byte) {
	if len(b) > 0 {
		at := w.begin(tag)
		w.b = append(w.b, b...)
		w.end(at)
	}
}

// appendEntry appends e, encoded.
func appendEntry(b []byte, e *Entry) []byte {
	w := encoder{append(b, entryVersion)}
	w.head(e)
	w.policy(&e.Policy)
	w.raw(tagInput, e.Input)
	if e.Module != "" {
		at := w.begin(tagModule)
		w.text(e.Module)
		w.end(at)
	}
	w.raw(tagRecord, e.Record)
	w.calls(e)
	w.raw(tagAnswer, e.Answer)
	if e.Plan != nil {
		w.plan(e.Plan)
	}
	w.attempts(e.Attempts)
	w.outcome(e)
	w.verdicts(e.Verdicts)
	return w.b
}

func (w *encoder) head(e *Entry) {
	at := w.begin(tagHead)
	w.num(int64(e.ID))
	w.num(e.Received.UnixNano())
	w.num(int64(e.Op))
	w.num(int64(e.Dialect))
	w.flag(e.Stream)
	for _, s := range [...]string{e.KeyID, e.KeyName, e.Org, e.Team, e.Asked, e.Route, e.Lane} {
		w.text(s)
	}
	w.num(int64(e.Rule))
	w.end(at)
}

func (w *encoder) policy(p *Policy) {
	at := w.begin(tagPolicy)
	w.text(p.Revision)
	w.flag(p.Allow)
	w.text(p.Code)
	w.num(p.MaxTokens)
	w.flag(p.Restricted)
	w.texts(p.Targets)
	w.texts(p.Filters)
	w.text(p.Dry)
	w.end(at)
}

func (w *encoder) calls(e *Entry) {
	if len(e.Calls) == 0 {
		return
	}
	at := w.begin(tagCalls)
	w.num(int64(len(e.Calls)))
	for _, c := range e.Calls {
		w.num(int64(c.Counter))
		w.num(c.Delta)
		w.num(c.Value)
	}
	w.end(at)
}

func (w *encoder) plan(p *call.Plan) {
	at := w.begin(tagPlan)
	w.text(p.Route)
	w.num(int64(p.Code))
	w.num(int64(len(p.Reason())))
	w.b = append(w.b, p.Reason()...)
	w.num(int64(p.N))
	for i := range p.N {
		a := &p.Attempts[i]
		w.num(int64(a.Index))
		w.num(int64(a.Timeout))
		w.num(int64(a.Hedge))
		w.num(int64(a.Backoff))
		w.num(int64(a.BackoffMax))
		w.num(int64(a.Flags))
	}
	w.end(at)
}

func (w *encoder) attempts(list []Attempt) {
	if len(list) == 0 {
		return
	}
	list = list[:min(len(list), maxList)]
	at := w.begin(tagAttempts)
	w.num(int64(len(list)))
	for i := range list {
		a := &list[i]
		w.text(a.Target)
		w.text(a.Credential)
		for _, d := range [...]time.Duration{a.Start, a.FirstByte, a.Duration} {
			w.num(int64(d))
		}
		w.num(int64(a.Status))
		w.num(int64(a.Class))
		w.flag(a.Hedge)
		w.flag(a.Lost)
		w.text(a.Rejected)
		w.num(a.Cost)
	}
	w.end(at)
}

func (w *encoder) outcome(e *Entry) {
	at := w.begin(tagOutcome)
	w.text(e.Target)
	set, buckets := uint64(0), e.Usage.Buckets()
	for i, v := range buckets {
		if *v != 0 {
			set |= 1 << i
		}
	}
	w.num(int64(set))
	for ; set != 0; set &= set - 1 {
		w.num(*buckets[bits.TrailingZeros64(set)])
	}
	w.num(e.Cost)
	w.num(e.Reserved)
	w.num(int64(e.Provenance))
	w.num(int64(e.Status))
	w.num(int64(e.Class))
	w.text(e.Code)
	for _, d := range [...]time.Duration{e.TTFT, e.Duration, e.Overhead} {
		w.num(int64(d))
	}
	w.end(at)
}

func (w *encoder) verdicts(list []call.Verdict) {
	if len(list) == 0 {
		return
	}
	list = list[:min(len(list), maxList)]
	at := w.begin(tagVerdicts)
	w.num(int64(len(list)))
	for i := range list {
		v := &list[i]
		w.text(v.Filter)
		w.text(v.Version)
		w.flag(v.Answer)
		w.num(int64(v.Action))
		w.num(int64(v.Code))
		w.num(int64(v.Findings))
		w.num(int64(v.Count))
	}
	w.end(at)
}
