package filter

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"

	"github.com/signalbox-ai/signalbox/sdk/abi"
)

// regex replaces what patterns match, or blocks. Every pattern has a longest
// match, so that what is found does not depend on how a stream was cut.
type regex struct {
	Patterns []pattern `json:"patterns"`

	all     *regexp.Regexp // the patterns as alternatives, the first one first
	groups  []int          // of all, by pattern
	longest int            // match in bytes, what looks at its surroundings included
}

type pattern struct {
	Name    string `json:"name"`
	Pattern string `json:"pattern"` // Go's (RE2) syntax
	Action  string `json:"action"`  // replace (default), block
	With    string `json:"with"`    // in the place of a match; default [NAME]
}

// maxMatch is the longest that a pattern may match, in bytes: it is held back.
const maxMatch = 240

func newRegex(config []byte) (native, error) {
	f := &regex{}
	if err := decode(config, f); err != nil {
		return nil, err
	}
	if len(f.Patterns) == 0 {
		return nil, errors.New("its config has no patterns")
	}
	var alternatives []string
	group := 1
	for i := range f.Patterns {
		p := &f.Patterns[i]
		n, err := p.check()
		if err != nil {
			return nil, fmt.Errorf("pattern %q: %w", p.Name, err)
		}
		f.longest = max(f.longest, n+utf8.UTFMax)
		f.groups = append(f.groups, group)
		group += 1 + regexp.MustCompile(p.Pattern).NumSubexp()
		alternatives = append(alternatives, "("+p.Pattern+")")
	}
	var err error
	f.all, err = regexp.Compile(strings.Join(alternatives, "|"))
	return f, err
}

// check returns the longest match.
func (p *pattern) check() (int, error) {
	switch {
	case p.Name == "":
		return 0, errors.New("it has no name")
	case p.Action != "" && p.Action != "replace" && p.Action != "block":
		return 0, fmt.Errorf("its action is %q: give replace or block", p.Action)
	}
	re, err := syntax.Parse(p.Pattern, syntax.Perl)
	if err != nil {
		return 0, err
	}
	least, most := lengths(re)
	switch {
	case least == 0:
		return 0, errors.New("it matches nothing at all: make something in it necessary")
	case most > maxMatch:
		return 0, fmt.Errorf("it may match more than %d bytes, and a stream cannot be held for so long: bound its repetitions, as in \\w{1,40}", maxMatch)
	}
	if p.With == "" {
		p.With = "[" + strings.ToUpper(p.Name) + "]"
	}
	return most, nil
}

// lengths are the least and the most bytes that re matches; beyond maxMatch
// they are not told apart.
func lengths(re *syntax.Regexp) (least, most int) {
	const endless = maxMatch + 1
	switch re.Op {
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			n := utf8.RuneLen(r)
			least += n
			if re.Flags&syntax.FoldCase != 0 {
				n = utf8.UTFMax
			}
			most += n
		}
	case syntax.OpCharClass:
		if len(re.Rune) == 0 {
			return 1, 1 // it matches nothing
		}
		return 1, utf8.RuneLen(re.Rune[len(re.Rune)-1])
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return 1, utf8.UTFMax
	case syntax.OpCapture:
		return lengths(re.Sub[0])
	case syntax.OpStar:
		return 0, endless
	case syntax.OpPlus:
		least, _ = lengths(re.Sub[0])
		return least, endless
	case syntax.OpQuest:
		_, most = lengths(re.Sub[0])
	case syntax.OpRepeat:
		least, most = lengths(re.Sub[0])
		least *= re.Min
		if most *= re.Max; re.Max < 0 {
			most = endless
		}
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			l, m := lengths(sub)
			least, most = least+l, most+m
		}
	case syntax.OpAlternate:
		least = endless
		for _, sub := range re.Sub {
			l, m := lengths(sub)
			least, most = min(least, l), max(most, m)
		}
	}
	return least, min(most, endless)
}

func (f *regex) limit() int { return abi.MaxWindow }

// look finds matches in the window, with the character before it as their
// surroundings. What a match could still reach into waits.
func (f *regex) look(s *Screen, i int, ch *channel, v *verdict) error {
	w, state := &s.window, &ch.stages[i].state
	s.scratch = append(append(s.scratch[:0], w.State...), w.Text...)
	before := len(w.State)
	b := s.scratch
	settled := len(b)
	if !w.Final() {
		settled = before + shown(w.Text, max(0, len(w.Text)-f.longest))
	}
	v.output = v.output[:0]
	from := before
	for _, at := range f.matches(b, before) {
		if at[0] >= settled {
			break
		}
		p := f.of(at)
		if f.Patterns[p].Action == "block" {
			*v = verdict{action: abi.ActionBlock, code: uint32(p + 1), output: v.output}
			v.because("it has what is called " + f.Patterns[p].Name)
			return nil
		}
		v.output = append(append(v.output, b[from:at[0]]...), f.Patterns[p].With...)
		v.findings++
		from, settled = at[1], max(settled, at[1])
	}
	if settled == before && len(w.Text) > 0 && !w.Final() {
		v.action = abi.ActionMore
		return nil
	}
	v.action, v.consumed = abi.ActionPass, settled-before
	if v.findings > 0 {
		v.action, v.output = abi.ActionReplace, append(v.output, b[from:settled]...)
	}
	_, n := utf8.DecodeLastRune(b[:settled])
	state.n = copy(state.b[:], b[settled-n:settled])
	return nil
}

// matches are those in b from before on. What stands before that is one
// character, which may end a match: none begins with it then.
func (f *regex) matches(b []byte, before int) [][]int {
	all := f.all.FindAllSubmatchIndex(b, -1)
	if len(all) == 0 || all[0][0] >= before {
		return all
	}
	stand := byte(0) // a character of the same kind in its place
	switch c := b[before-1]; {
	case c == '\n':
		stand = c
	case c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z':
		stand = '_'
	}
	for i := range before {
		b[i] = stand
	}
	all = f.all.FindAllSubmatchIndex(b, -1)
	for len(all) > 0 && all[0][0] < before {
		all = all[1:]
	}
	return all
}

// of is the pattern that a match is of.
func (f *regex) of(at []int) int {
	for p, group := range f.groups {
		if at[2*group] >= 0 {
			return p
		}
	}
	panic("BUG: a match of no pattern; got one; want one")
}
