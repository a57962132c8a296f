package fuel

// segment is a part of a function that is paid for at once, where it begins.
// Whatever runs of it has passed that place in the same turn: code behind a
// block may be reached from many places within, so it counts to the segment
// that the block stands in, or to one of its own.
type segment struct {
	at      int // offset of its first instruction
	parent  int // segment that it is always run after
	weight  int
	code    int  // instructions
	loop    bool // its turns pay
	checked bool // running out of fuel is seen there
	merged  bool // its parent pays for it
	exact   bool // it pays its weight
}

// Where a body is cut.
const (
	small     = 16      // instructions that are not worth a payment of their own
	smallSum  = 16 * 32 // weight that a segment takes over from such, at most
	unchecked = 1 << 16 // weight of a function that may be run before anybody looks
)

// units is what a segment costs, never nothing.
func (s *segment) units() int64 {
	if s.exact {
		return int64(s.weight)
	}
	if s.loop {
		return int64(s.weight)/damping + 1
	}
	return max(int64(s.weight+damping-1)/damping, 1)
}

// cutter cuts a function's body.
type cutter struct {
	all  []segment
	now  int   // segment that instructions are added to
	open []int // segment that each open construct stands in

	test testing
}

func newCutter(test testing) *cutter {
	return &cutter{all: []segment{{checked: true, exact: test.exact}}, open: []int{0}, test: test}
}

// add counts an instruction and cuts behind it where control flow forks or joins.
func (c *cutter) add(in instr, weight int) {
	s := &c.all[c.now]
	s.weight += weight
	s.code++
	switch in.op {
	case opBlock:
		c.open = append(c.open, c.now)
	case opIf:
		c.open = append(c.open, c.now)
		c.cut(in.to, c.now)
	case opLoop:
		c.open = append(c.open, c.now)
		c.cut(in.to, c.now)
		c.all[c.now].loop = true
	case opElse:
		c.cut(in.to, c.open[len(c.open)-1])
	case opBrIf:
		c.cut(in.to, c.now)
	case opEnd:
		around := c.open[len(c.open)-1]
		if c.open = c.open[:len(c.open)-1]; len(c.open) > 0 {
			c.cut(in.to, around)
		}
	default:
		if c.test.each {
			c.cut(in.to, c.now)
		}
	}
}

// cut begins a segment that is always run after parent.
func (c *cutter) cut(at, parent int) {
	c.all = append(c.all, segment{at: at, parent: parent, exact: c.test.exact})
	c.now = len(c.all) - 1
}

// merge returns the segments that pay for themselves: small ones are paid for
// with the one that they are run after, whether they run or not.
func (c *cutter) merge() []segment {
	taken := make([]int, len(c.all))
	for i := len(c.all) - 1; i > 0; i-- {
		s := &c.all[i]
		if s.loop || c.test.unmerged || s.code > small || taken[s.parent]+s.weight > smallSum {
			continue
		}
		c.all[s.parent].weight += s.weight
		taken[s.parent] += s.weight
		s.merged = true
	}
	out, silent := c.all[:1], 0
	for _, s := range c.all[1:] {
		if s.merged {
			continue
		}
		silent += s.weight
		s.checked = s.loop || silent > unchecked
		out = append(out, s)
	}
	return out
}
