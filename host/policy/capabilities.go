package policy

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// known holds OPA's own builtins, impure those whose answer depends on more
// than their operands.
var known, impure = builtinNames()

func builtinNames() (known, impure map[string]bool) {
	known, impure = map[string]bool{}, map[string]bool{
		// Both verify a chain at the wall clock's time, and OPA does not say so.
		"crypto.x509.parse_and_verify_certificates":              true,
		"crypto.x509.parse_and_verify_certificates_with_options": true,
	}
	for _, b := range ast.DefaultBuiltins {
		known[b.Name] = true
		if b.Nondeterministic {
			impure[b.Name] = true
		}
	}
	return known, impure
}

// endless are builtins that take as long as they like, and that nothing stops.
var endless = map[string]bool{"strings.render_template": true, "graph.reachable_paths": true}

// capabilities are what a bundle may use: pure builtins that end, and no network,
// not even to fetch a schema.
func capabilities() *ast.Capabilities {
	caps := ast.CapabilitiesForThisVersion()
	caps.Builtins = slices.DeleteFunc(slices.Clone(caps.Builtins), func(b *ast.Builtin) bool {
		return impure[b.Name] || !known[b.Name] || endless[b.Name]
	})
	caps.AllowNet = []string{}
	return caps
}
