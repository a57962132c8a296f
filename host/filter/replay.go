package filter

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/host/wasm"
	"github.com/signalbox-ai/signalbox/sdk/abi"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/text"
)

// ChannelNames are the names of channels, by package text.
var ChannelNames = [text.NumChannels]string{"", "system", "user", "assistant", "tool_result", "answer", "reasoning", "tool_arguments"}

// Text is what a filter is shown in a replay, as a whole.
type Text struct {
	Channel string `json:"channel"` // one of ChannelNames
	Text    string `json:"text"`
}

// Report says what a version makes of texts, and what another made of the same.
// It holds nothing of them.
type Report struct {
	Version     string       `json:"version"`
	Against     string       `json:"against,omitempty"` // the version that is active, "": none is
	Texts       int          `json:"texts"`
	Same        int          `json:"same"`             // verdicts, codes, findings, and what is left of the text
	Now         *Summary     `json:"now"`              // of Version
	Before      *Summary     `json:"before,omitempty"` // of Against
	Differences []TextDiffer `json:"differences"`      // the first ones
	Passed      bool         `json:"passed"`           // there were texts, and the version failed at none
}

// Summary is what one version has done.
type Summary struct {
	Verdicts  map[string]int `json:"verdicts"` // by what becomes of a text
	Faults    map[string]int `json:"faults"`   // by kind
	Findings  int            `json:"findings"`
	FuelP50   int64          `json:"fuel_p50"` // of a text
	FuelMax   int64          `json:"fuel_max"`
	FuelTotal int64          `json:"fuel_total"`
}

// TextDiffer is a text of which two versions make something else.
type TextDiffer struct {
	Line    int    `json:"line"` // of the texts, from 1
	Channel string `json:"channel"`
	Before  string `json:"before"`
	Now     string `json:"now"`
}

// mostDiffers is how many differences a report shows.
const mostDiffers = 100

// outcome is what becomes of one text.
type outcome struct {
	verdict  string // pass, replace, block, escalate, failed
	code     uint32
	fault    string
	findings int
	fuel     int64
	out      []byte // what is left of the text
}

func (o *outcome) String() string {
	s := o.verdict
	if o.code != 0 {
		s += fmt.Sprintf(" (code %d)", o.code)
	}
	if o.fault != "" {
		s += ": " + o.fault
	}
	if o.findings > 0 {
		s += fmt.Sprintf(", %d found", o.findings)
	}
	return s
}

func (o *outcome) is(other *outcome) bool {
	return o.verdict == other.verdict && o.code == other.code && o.fault == other.fault && o.findings == other.findings && bytes.Equal(o.out, other.out)
}

// Replay shows texts to a version of name's module, and to the one before it,
// nil for none. Neither serves, counts, or keeps anything. What a version would
// escalate is told as that: no guard is asked.
func (s *Set) Replay(ctx context.Context, name string, now lane.Source, before *lane.Source, texts []Text) (*Report, error) {
	mine, err := s.bench(name, now)
	if err != nil {
		return nil, err
	}
	defer mine.close()
	r := &Report{Version: mine.version.Label, Now: newSummary(), Differences: []TextDiffer{}}
	var theirs *bench
	if before != nil {
		if theirs, err = s.bench(name, *before); err != nil {
			return nil, err
		}
		defer theirs.close()
		r.Against, r.Before = theirs.version.Label, newSummary()
	}
	var fuel, fuelBefore []int64
	for i, t := range texts {
		channel := slices.Index(ChannelNames[:], t.Channel)
		if channel <= 0 {
			return nil, fmt.Errorf("text %d is of channel %q: give one of %s", i+1, t.Channel, strings.Join(ChannelNames[1:], ", "))
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		o := mine.show(text.Channel(channel), t.Text)
		fuel = r.Now.add(&o, fuel)
		if r.Texts++; theirs == nil {
			continue
		}
		was := theirs.show(text.Channel(channel), t.Text)
		fuelBefore = r.Before.add(&was, fuelBefore)
		if o.is(&was) {
			r.Same++
			continue
		}
		if len(r.Differences) < mostDiffers {
			d := TextDiffer{Line: i + 1, Channel: t.Channel, Before: was.String(), Now: o.String()}
			if d.Before == d.Now {
				d.Now += ", with another text"
			}
			r.Differences = append(r.Differences, d)
		}
	}
	r.Now.spent(fuel)
	if r.Before != nil {
		r.Before.spent(fuelBefore)
	}
	r.Passed = r.Texts > 0 && r.Now.Verdicts["failed"] == 0
	return r, nil
}

// Summary is the report in a line.
func (r *Report) Summary() string {
	line := fmt.Sprintf("%d texts, %d failed", r.Texts, r.Now.Verdicts["failed"])
	if r.Against != "" {
		line += fmt.Sprintf(", %d other than %s", r.Texts-r.Same, r.Against)
	}
	return line
}

func newSummary() *Summary { return &Summary{Verdicts: map[string]int{}, Faults: map[string]int{}} }

func (s *Summary) add(o *outcome, fuel []int64) []int64 {
	s.Verdicts[o.verdict]++
	if o.fault != "" {
		s.Faults[o.fault]++
	}
	s.Findings += o.findings
	return append(fuel, o.fuel)
}

func (s *Summary) spent(fuel []int64) {
	if len(fuel) == 0 {
		return
	}
	slices.Sort(fuel)
	for _, n := range fuel {
		s.FuelTotal += n
	}
	s.FuelP50, s.FuelMax = fuel[len(fuel)/2], fuel[len(fuel)-1]
}

// bench is a version that is shown texts and serves nothing.
type bench struct {
	set     *Set
	handle  *Handle
	version *lane.Version
	n       uint64
}

// bench compiles src beside what name has in use.
func (s *Set) bench(name string, src lane.Source) (*bench, error) {
	src.Apart = true
	v, err := s.Compile(name, src)
	if err != nil {
		return nil, err
	}
	h := newHandle(name, slog.New(slog.DiscardHandler), func(lane.Notice) {})
	h.lanes.Put(lane.Lanes{Active: v})
	return &bench{set: s, handle: h, version: v}, nil
}

func (b *bench) close() {
	b.handle.close()
	b.version.Close()
}

// show has the version judge a text as it would one of a request or an answer.
func (b *bench) show(channel text.Channel, said string) (o outcome) {
	b.n++
	c := &call.Call{ID: call.ID(b.n), Received: time.Unix(0, 0), Op: wire.OpChat, Dialect: wire.OpenAIChat}
	x := b.set.Begin(c, []Link{{Handle: b.handle, Request: true, Answer: true}}, nil)
	defer x.Release()
	x.turn(channel >= text.ChannelAnswer)
	counts := &b.handle.counts
	fuel, faults := counts.fuel.Load(), counts.faulty()
	out, refused := x.run(&text.Part{Channel: channel}, valid([]byte(said)))
	o.fuel = counts.fuel.Load() - fuel
	o.verdict = ActionNames[abi.ActionPass]
	for _, v := range c.Verdicts {
		o.findings += int(v.Findings)
		if verdict := ActionNames[v.Action]; v.Action != 0 && o.verdict != ActionNames[abi.ActionEscalate] && o.verdict != ActionNames[abi.ActionBlock] {
			o.verdict = verdict
		}
		if v.Code != 0 {
			o.code = v.Code
		}
	}
	for kind, n := range counts.faulty() {
		if n > faults[kind] {
			o.verdict, o.fault = ActionNames[0], wasm.Fault(kind).String()
		}
	}
	if refused == nil {
		o.out = bytes.Clone(out)
	}
	return o
}

// faulty are the faults so far, by kind.
func (c *counts) faulty() (n [wasm.NumFaults]int64) {
	for kind := range n {
		n[kind] = c.faults[kind].Load()
	}
	return n
}
