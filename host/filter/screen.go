package filter

import (
	"context"
	"strconv"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/host/wasm/record"
	"github.com/signalbox-ai/signalbox/sdk/abi"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/text"
)

// Link is a filter as a chain uses it.
type Link struct {
	*Handle
	Request bool   // it looks at requests
	Answer  bool   // it looks at answers
	Guard   string // the model that judges what it escalates, "" for none
}

// Guard judges text by a model.
type Guard interface {
	// Judge reports whether model, asked for a moderation, flags text of c.
	Judge(ctx context.Context, c *call.Call, model string, text []byte) (flagged bool, err error)
}

// guardTimeout is how long text is held for a guard. One request may ask
// guards, which cost money, maxJudged times, and be held for guardPatience.
const (
	guardTimeout  = 10 * time.Second
	guardPatience = 30 * time.Second
	maxJudged     = 64
)

// Screen is a chain of filters at work on one call: what one lets through goes
// to the next. It is not for use by several goroutines at a time.
type Screen struct {
	set   *Set
	c     *call.Call
	guard Guard
	chain []Link
	links []*Link // of chain, that look at the side at hand
	buf   []byte  // the request's body as it was rewritten
	reply []byte  // the answer's

	answer  bool
	repeat  bool // the text at hand has been looked at before
	judged  int  // how often guards were asked
	held    time.Duration
	key     string
	split   lane.Split
	window  record.Window
	calls   uint64 // windows shown
	said    verdict
	parts   []text.Part
	plain   []byte
	scratch []byte // of filters that are part of the host
	edits   []edit
	with    []byte // what edits put in
	totals  []int64
	whole   *channel

	schema    *checker // that the request asks for, nil: none
	schemaErr error

	stream
}

// Begin readies a screen for c, nil when chain is empty. Release must follow.
func (s *Set) Begin(c *call.Call, chain []Link, guard Guard) *Screen {
	if len(chain) == 0 {
		return nil
	}
	x := s.screens.Get().(*Screen)
	x.c, x.guard = c, guard
	x.chain = append(x.chain[:0], chain...)
	x.split = lane.Split{Request: uint64(c.ID)}
	if p := c.Principal; p != nil {
		x.key, x.split.Key = p.KeyID, p.KeyID
	}
	x.window = record.Window{ID: uint64(c.ID), Kind: uint32(c.Op), Tenant: tenant(c.Principal)}
	if c.Model != nil {
		x.window.Model = c.Model.Name
	}
	return x
}

// tenant is whose request it is: the organisation, else the team, else the key.
func tenant(p *call.Principal) string {
	switch {
	case p == nil:
		return ""
	case p.Org != "":
		return p.Org
	case p.Team != "":
		return p.Team
	}
	return p.KeyID
}

// maxKept bounds the buffers that a pooled screen holds on to.
const maxKept = 512 << 10

// Release gives the screen back. Bodies that it has rewritten are void then.
func (s *Screen) Release() {
	set := s.set
	clear(s.chain)
	clear(s.links)
	clear(s.totals)
	s.stream.reset()
	s.c, s.guard, s.window, s.key, s.split = nil, nil, record.Window{}, "", lane.Split{}
	s.chain, s.links, s.totals, s.answer, s.repeat, s.calls = s.chain[:0], s.links[:0], s.totals[:0], false, false, 0
	s.judged, s.held = 0, 0
	for _, b := range []*[]byte{&s.buf, &s.reply, &s.plain, &s.scratch, &s.with} {
		call.Poison(*b)
		if *b = (*b)[:0]; cap(*b) > maxKept {
			*b = nil
		}
	}
	if cap(s.parts) > maxKept/256 {
		s.parts = nil
	}
	if cap(s.edits) > maxKept/256 {
		s.edits = nil
	}
	clear(s.parts[:cap(s.parts)])
	if s.whole != nil && !s.whole.small() {
		s.whole = nil
	}
	s.schema, s.schemaErr = nil, nil
	set.screens.Put(s)
}

// turn picks the links that look at a side; false when none does.
func (s *Screen) turn(answer bool) bool {
	s.answer = answer
	s.links = s.links[:0]
	for i := range s.chain {
		if l := &s.chain[i]; answer && l.Answer || !answer && l.Request {
			s.links = append(s.links, l)
		}
	}
	s.totals = s.totals[:0]
	for range s.links {
		s.totals = append(s.totals, 0)
	}
	s.window.NowMS = s.c.Received.UnixMilli()
	return len(s.links) > 0
}

func (s *Screen) side() string {
	if s.answer {
		return "answer"
	}
	return "request"
}

// refuse makes the error of what a filter does not let pass.
func (s *Screen) refuse(code, format string, args ...any) *wire.Error {
	e := wire.Errorf(403, code, format, args...)
	e.Class = wire.ClassPolicy
	return e
}

// blocked is what the caller is told of a block.
func (s *Screen) blocked(l *Link, v *verdict) *wire.Error {
	reason, code := string(v.reason[:v.nReason]), ""
	if reason != "" {
		reason = ": " + reason
	}
	if v.code != 0 {
		code = " (code " + strconv.FormatUint(uint64(v.code), 10) + ")"
	}
	return s.refuse("content_blocked", "filter %q blocks the %s%s%s", l.name, s.side(), reason, code)
}

// failed is what the caller is told of a filter that cannot judge.
func (s *Screen) failed(l *Link) *wire.Error {
	return s.refuse("filter_failed", "filter %q cannot judge the %s, and what it cannot judge is blocked: tell the operator request %s", l.name, s.side(), s.c.ID)
}

// unreadable is what holds text that cannot be found. Where every filter is
// open it passes.
func (s *Screen) unreadable(what string) *wire.Error {
	for _, l := range s.links {
		if l.open() {
			l.counts.opened.Add(1)
			continue
		}
		return s.refuse("content_unreadable", "filter %q has to look at the %s, but %s", l.name, s.side(), what)
	}
	return nil
}

// note keeps what l said in the call's record.
func (s *Screen) note(l *Link, v *verdict) {
	if v.action != 0 {
		l.counts.said(v)
	}
	if v.action == abi.ActionMore || v.action == abi.ActionPass && v.findings == 0 {
		return // nothing to tell
	}
	version := v.version
	if version == "" {
		version = l.name
	}
	s.c.Judged(call.Verdict{Filter: l.name, Version: version, Answer: s.answer, Action: uint8(v.action), Code: v.code, Findings: v.findings})
}

// mix spreads a number over all its bits (SplitMix64).
func mix(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
