package mcp

import (
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/provider/egress"
)

// Spec is one tool server as the operator configured it: a command or a URL.
type Spec struct {
	Name string

	Command []string // a program and its arguments
	Env     []string // all that its environment holds, "NAME=value"
	Dir     string   // that it runs in, "": the gateway's own

	URL     string
	Headers http.Header   // that go with every request
	Hosts   *egress.Hosts // where they may go

	Tools   []string // patterns of those that are offered, nil: all
	Timeout time.Duration
	// MaxMessage bounds what the server may send at once, in bytes.
	MaxMessage int
	// Parallel is how many calls it may have at once.
	Parallel int
	Price    int64            // nano-dollars a call
	Prices   map[string]int64 // of tools by the names that the server gives them
}

// same reports whether a server that runs by s may go on by o.
func (s *Spec) same(o *Spec) bool { return reflect.DeepEqual(s, o) }

// offers reports whether callers may see the tool that the server calls name.
func (s *Spec) offers(name string) bool {
	for _, pattern := range s.Tools {
		if prefix, open := strings.CutSuffix(pattern, "*"); name == pattern || open && strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return len(s.Tools) == 0
}

func (s *Spec) priceOf(name string) int64 {
	if p, ok := s.Prices[name]; ok {
		return p
	}
	return s.Price
}
