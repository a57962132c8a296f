// Package python holds the SDK for provider adapters in Python: one file that
// an adapter carries beside its program.
package python

import _ "embed" // the file

// Name is the file's name.
const Name = "signalbox_provider.py"

// Source is the file.
//
//go:embed signalbox_provider.py
var Source []byte
