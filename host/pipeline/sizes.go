package pipeline

import (
	"fmt"
	"math"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// size is how many bytes something comes to as JSON, at most; why says where
// that is not known.
type size struct {
	n   int64
	why string
}

func (s size) plus(o size) size { return size{add(s.n, o.n), first(s.why, o.why)} }

func (s size) times(n int64) size { return size{multiply(s.n, n), s.why} }

func add(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

func multiply(a, n int64) int64 {
	if n > 0 && a > math.MaxInt64/n {
		return math.MaxInt64
	}
	return a * n
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// How large things are taken to be.
const (
	perRune      = 6       // bytes of a character in JSON
	perToken     = 16      // of a token
	perElement   = 32      // of a number, and of what stands around elements and members
	heardPerByte = 16      // bytes of sound for one of text
	frame        = 4 << 10 // around what a step is asked
)

// ask is what s is asked, by its sizes.
func (pl *planner) ask(s *step) (*Ask, string) {
	a := &Ask{Op: s.op.op, MaxTokens: s.spec.MaxTokens, N: 1, Inputs: 1}
	total := size{n: frame}
	for _, name := range sorted(s.with) {
		v := s.with[name]
		sz := pl.value(v, s.itemOf())
		total = total.plus(sz)
		switch kinds := s.op.fields[name].types[0]; {
		case kinds.Kind == Image || kinds.Kind == List && kinds.Elem.Kind == Image:
			a.Image = true
		case kinds.Kind == Audio:
			a.Audio = true
		case kinds.Kind == File:
			a.File = true
		}
		switch {
		case name == "n":
			a.N = maxImages
			if n, ok := v.plain.(float64); ok {
				a.N = int64(n)
			}
		case s.op.op == wire.OpSpeech && name == "input":
			a.Characters = sz.n
		case name == "documents" || v.typ.Kind == List:
			a.Inputs = maxList
		}
	}
	if s.params != nil {
		total = total.plus(pl.value(s.params, s.itemOf()))
	}
	a.Bytes = total.n
	return a, total.why
}

// itemOf is the step with each whose item s reads, nil: there is none.
func (s *step) itemOf() *step {
	if s.each != nil {
		return s
	}
	return s.around
}

// value is the size of v, which reads the item of a step.
func (pl *planner) value(v *value, s *step) (total size) {
	if v == nil {
		return size{}
	}
	if v.plain != nil {
		if b, err := appendJSON(nil, v.plain, maxBytes); err == nil {
			total.n = int64(len(b))
		}
	}
	for _, p := range v.parts {
		total.n += int64(len(p.text)) * perRune
	}
	for _, n := range v.names {
		total.n += int64(len(n)) + perElement
	}
	v.each(func(p *program) { total = total.plus(pl.program(p, s)) })
	return total
}

// program is the size of what p gives: that of all that it is made of.
func (pl *planner) program(p *program, s *step) size {
	if p.typ.Kind == Number || p.typ.Kind == Boolean {
		return size{n: perElement}
	}
	total := size{n: maxExpr}
	if p.grows {
		total.n = maxBytes * perRune
	}
	for _, r := range p.refs {
		sz := pl.ref(r, s)
		if r.repeats && r.name != "item" {
			sz = sz.times(maxList)
		}
		total = total.plus(sz)
	}
	return total
}

func (pl *planner) ref(r ref, s *step) size {
	switch r.name {
	case "input":
		if in := pl.p.input(r.field); in != nil {
			return in.bytes(in.typ)
		}
		total := size{}
		for _, in := range pl.p.inputs {
			total = total.plus(in.bytes(in.typ))
		}
		return total
	case "item":
		if s != nil {
			return pl.program(s.each, s.around) // no element is larger than all
		}
	case "index":
		return size{n: perElement}
	}
	return pl.sizes[r.name]
}

// bytes is the most that an input of type t comes to.
func (in *input) bytes(t *Type) size {
	switch {
	case len(in.spec.Enum) > 0 && t == in.typ:
		longest := 0
		for _, e := range in.spec.Enum {
			longest = max(longest, len(fmt.Sprint(e)))
		}
		return size{n: int64(longest) * perRune}
	case t.Kind == String:
		return size{n: multiply(in.maxText(), perRune)}
	case t.Kind == Number, t.Kind == Boolean:
		return size{n: perElement}
	case t.media():
		return size{n: in.maxMedia()/3*4 + frame}
	case t.Kind == List:
		return in.bytes(t.Elem).times(int64(in.maxItems())).plus(size{n: int64(in.maxItems()) * perElement})
	}
	return size{why: fmt.Sprintf("nothing bounds the input %q, which is %s", in.name, t)}
}

// gives is the size of what one request of s gives.
func (pl *planner) gives(s *step, a *Ask) size {
	switch s.op.op {
	case wire.OpChat, wire.OpCompletions:
		longest := s.spec.MaxTokens
		if longest == 0 {
			for _, m := range s.models {
				n := pl.bounds.Longest(m)
				if n == 0 {
					return size{why: fmt.Sprintf("nothing bounds what step %q answers: give it max_tokens", s.spec.Name)}
				}
				longest = max(longest, n)
			}
		}
		return size{n: multiply(longest, perToken)}
	case wire.OpTranscription, wire.OpTranslation:
		return size{n: a.Bytes / heardPerByte}
	case wire.OpEmbeddings:
		return size{n: int64(a.Inputs) * maxVector * perElement}
	case wire.OpModeration, wire.OpRerank:
		return size{n: maxList * perElement}
	}
	return size{n: multiply(usualMedia/3*4, max(a.N, 1))} // pictures, or a sound
}
