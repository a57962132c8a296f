package pipeline

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// errCost says that an expression takes more than it may.
var errCost = errors.New("the expression takes more than it may: its lists or texts are too long")

// counter counts what one evaluation takes.
type counter struct {
	ticks int
	bytes int
	made  int // elements of lists
	begun time.Time
}

func (c *counter) tick() bool {
	c.ticks++
	if c.ticks > maxTicks || time.Since(c.begun) > maxTook {
		panic(errCost)
	}
	return true
}

func (c *counter) text(s string) string {
	c.take(len(s))
	return s
}

func (c *counter) any(v any) any {
	if s, ok := v.(string); ok {
		c.take(len(s))
	}
	return v
}

func (c *counter) take(n int) {
	if c.bytes += n; n < 0 || c.bytes > maxBytes {
		panic(errCost)
	}
}

func (c *counter) join(list []any, sep string) string {
	n := len(sep) * len(list)
	for _, v := range list {
		s, ok := v.(string)
		if !ok {
			panic(fmt.Errorf("join takes a list of texts, not of %s", nameOf(v)))
		}
		n += len(s)
	}
	c.take(n)
	var b strings.Builder
	b.Grow(n)
	for i, v := range list {
		if i > 0 {
			b.WriteString(sep)
		}
		b.WriteString(v.(string)) // looked at above
	}
	return b.String()
}

func (c *counter) split(s, sep string) []string {
	if n := strings.Count(s, sep) + 1; n > maxList {
		panic(fmt.Errorf("split makes %d pieces of a text, more than %d", n, maxList))
	} else if c.made += n; c.made > maxMemory {
		panic(errCost)
	}
	return strings.Split(s, sep)
}

func (c *counter) replace(s, from, to string) string {
	c.take(len(s) + strings.Count(s, from)*len(to))
	return strings.ReplaceAll(s, from, to)
}

func (c *counter) toJSON(v any) string {
	b, err := appendJSON(nil, v, maxBytes-c.bytes)
	if err != nil {
		panic(err)
	}
	return c.text(string(b))
}

// flatten counts as it goes: that of the library takes seconds for what it then
// finds to be too much.
func (c *counter) flatten(list []any) []any {
	out := make([]any, 0, len(list))
	var add func([]any)
	add = func(list []any) {
		for _, v := range list {
			if inner, is := plainValue(v).([]any); is {
				add(inner)
			} else if out = append(out, v); c.made+len(out) > maxMemory {
				panic(errCost)
			}
		}
	}
	add(list)
	c.made += len(out)
	return out
}

// jsonCost is how much more a value may take than its text.
const jsonCost = 4

func (c *counter) fromJSON(s string) any {
	c.take(len(s) * jsonCost)
	v, err := decode([]byte(s))
	if err != nil {
		panic(err)
	}
	return v
}

func (c *counter) string(v any) string {
	s, err := asText(v, maxBytes-c.bytes)
	if err != nil {
		panic(err)
	}
	return c.text(s)
}
