// Package policies holds the default policy bundle and the schemas of what
// policies see and answer. The gateway uses it when its configuration names no
// bundle of its own.
package policies

import "embed"

// Default is the bundle, its tests left out.
//
//go:embed identity.rego model.rego network.rego limits.rego access.rego data.json probes.json schemas
var Default embed.FS

// InputSchema is the JSON schema of the input that every policy is given.
//
//go:embed schemas/input.json
var InputSchema []byte
