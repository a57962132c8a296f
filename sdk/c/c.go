// Package c holds the C SDK for modules: one header that a module carries
// beside its source.
package c

import _ "embed" // the file

// Name is the file's name.
const Name = "signalbox.h"

// Source is the file.
//
//go:embed signalbox.h
var Source []byte
