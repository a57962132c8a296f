// Package node holds the SDK for provider adapters in Node: one file that an
// adapter carries beside its program.
package node

import _ "embed" // the file

// Name is the file's name.
const Name = "signalbox_provider.mjs"

// Source is the file.
//
//go:embed signalbox_provider.mjs
var Source []byte
