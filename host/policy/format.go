package policy

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"
)

// Unformatted is a file that is not written as OPA would.
type Unformatted struct {
	File string
	Want []byte
}

// Format lists the Rego files at path, a file or a folder, that are not written
// as OPA would.
func Format(path string) (out []Unformatted, err error) {
	err = filepath.WalkDir(path, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(file) != ".rego" {
			return err
		}
		have, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		want, err := format.SourceWithOpts(file, have, format.Opts{RegoVersion: ast.RegoV1})
		if err != nil {
			return err
		}
		if string(want) != string(have) {
			out = append(out, Unformatted{file, want})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("cannot format %q: %w", path, err)
	}
	return out, nil
}
