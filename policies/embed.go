// Package policies holds the default policy bundle and the schemas of what
// policies see and answer. The gateway uses it when its configuration names no
// bundle of its own.
package policies

import "embed"

// Default is the bundle, its tests left out.
//
//go:embed access.rego catalogue.rego handling.rego identity.rego limits.rego model.rego names.rego network.rego operation.rego residency.rego
//go:embed schedule.rego tools.rego data.json probes.json schemas
var Default embed.FS

// InputSchema is the JSON schema of the input that every policy is given.
//
//go:embed schemas/input.json
var InputSchema []byte
