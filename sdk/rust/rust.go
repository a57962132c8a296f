// Package rust holds the Rust SDK for modules: a crate that a module carries
// beside its source.
package rust

import "embed"

// Files are those of the crate.
//
//go:embed Cargo.toml src/*.rs
var Files embed.FS
