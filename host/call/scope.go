package call

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Scope bounds what a key may be used for. What is empty bounds nothing. It is
// immutable once checked.
type Scope struct {
	// Models are patterns of names of models, as callers ask for them, in which
	// '*' stands for any characters: "fast", "openai/*".
	Models []string `json:"models,omitempty" koanf:"models"`
	// Operations are names such as chat and embeddings.
	Operations []string `json:"operations,omitempty" koanf:"operations"`
	// From are the addresses and CIDRs that requests may come from.
	From []string `json:"from,omitempty" koanf:"from"`
	// Certificates are names, one of which the caller's TLS certificate bears.
	Certificates []string `json:"certificates,omitempty" koanf:"certificates"`
	// ReadOnly is for requests that only read: GET.
	ReadOnly bool `json:"read_only,omitempty" koanf:"read_only"`

	ops  uint32 // set of wire.Op
	from Ranges
}

// maxScope bounds each list of a scope.
const maxScope = 64

// Empty reports whether s bounds nothing.
func (s *Scope) Empty() bool {
	return s == nil || len(s.Models)+len(s.Operations)+len(s.From)+len(s.Certificates) == 0 && !s.ReadOnly
}

// Check says what is wrong with s, naming the field, and readies it for use.
func (s *Scope) Check() error {
	if s == nil {
		return nil
	}
	for name, list := range map[string][]string{"models": s.Models, "operations": s.Operations, "from": s.From, "certificates": s.Certificates} {
		if len(list) > maxScope {
			return fmt.Errorf("%s has %d entries: give at most %d", name, len(list), maxScope)
		}
		for _, v := range list {
			if v == "" || len(v) > 256 || strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				return fmt.Errorf("%s holds %q: give 1 to 256 characters", name, v)
			}
		}
	}
	s.ops = 0
	for _, name := range s.Operations {
		op := wire.ParseOp(name)
		if op == wire.OpNone {
			return fmt.Errorf("operations: there is no operation %q: give chat, embeddings, images, … as records name them", name)
		}
		s.ops |= 1 << op
	}
	var err error
	if s.from, err = ParseRanges(s.From); err != nil {
		return fmt.Errorf("from: %w", err)
	}
	return nil
}

// HasOp reports whether requests for op are within s.
func (s *Scope) HasOp(op wire.Op) bool { return s.ops == 0 || s.ops&(1<<op) != 0 }

// HasAddr reports whether requests from a are within s.
func (s *Scope) HasAddr(a netip.Addr) bool { return s.from.Empty() || s.from.Contain(a) }

// HasModel reports whether requests for the model called name are within s.
func (s *Scope) HasModel(name string) bool {
	for _, pattern := range s.Models {
		if glob(pattern, name) {
			return true
		}
	}
	return len(s.Models) == 0
}

// glob reports whether pattern, in which '*' stands for any characters, is all
// of name. It goes back to the last '*' alone, so it takes no more than the
// product of the lengths.
func glob(pattern, name string) bool {
	p, n, star, from := 0, 0, -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, n
			p++
		case p < len(pattern) && pattern[p] == name[n]:
			p, n = p+1, n+1
		case star >= 0:
			from++
			p, n = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// Peer is the caller's end of a connection.
type Peer interface {
	// Certified reports whether its TLS certificate, which a trusted authority
	// has signed, bears one of the names.
	Certified(names []string) bool
}
