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
	begun time.Time
}

func (c *counter) tick() bool {
	c.ticks++
	if c.ticks > maxTicks || c.ticks&63 == 0 && time.Since(c.begun) > maxTook {
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
