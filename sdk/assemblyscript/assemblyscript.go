// Package assemblyscript holds the AssemblyScript SDK for modules: a package
// that a module carries beside its source.
package assemblyscript

import "embed"

// Files are the package's sources, and which compiler they are for.
//
//go:embed *.ts package.json package-lock.json
var Files embed.FS
