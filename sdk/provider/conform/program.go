package conform

import (
	"crypto/rand"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// program is what is executed: the file itself, or of a script a copy of its
// folder, because the gateway runs scripts from a private copy.
type program struct {
	exec string
	copy string // to remove
}

func load(path string) (*program, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open adapter: %w", err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		return nil, fmt.Errorf("cannot execute adapter %q: it is not an executable file; chmod +x it", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open adapter: %w", err)
	}
	defer f.Close()
	var head [2]byte
	if _, err := f.ReadAt(head[:], 0); err != nil {
		return nil, fmt.Errorf("cannot read adapter %q: %w", path, err)
	}
	if string(head[:]) != "#!" {
		return &program{exec: path}, nil
	}
	into, err := os.MkdirTemp("", "sb-script")
	if err != nil {
		return nil, err
	}
	p := &program{exec: filepath.Join(into, filepath.Base(path)), copy: into}
	if err := copyFolder(filepath.Dir(path), into); err != nil {
		p.remove()
		return nil, fmt.Errorf("cannot copy the folder of script %q: %w", path, err)
	}
	return p, nil
}

func (p *program) remove() {
	if p.copy != "" {
		os.RemoveAll(p.copy)
	}
}

// maxFiles is the gateway's own bound.
const maxFiles = 4096

func copyFolder(from, into string) error {
	files := 0
	return fs.WalkDir(os.DirFS(from), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || name == ".":
			return err
		case d.IsDir():
			return os.Mkdir(filepath.Join(into, name), 0o700)
		case !d.Type().IsRegular():
			return fmt.Errorf("%s is neither a file nor a folder; a script's folder may hold nothing else (npm: set bin-links=false)", name)
		}
		if files++; files > maxFiles {
			return fmt.Errorf("it holds more than %d files; give the script a folder of its own", maxFiles)
		}
		raw, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(into, name), raw, 0o600|info.Mode().Perm()&0o100)
	})
}

func newSecret() string { return "conform-" + rand.Text() }

func expand(s, name, value string) string { return strings.ReplaceAll(s, name, value) }

func expandAny(v any, name, value string) any {
	switch v := v.(type) {
	case string:
		return expand(v, name, value)
	case map[string]any:
		out := map[string]any{}
		for key, inner := range v {
			out[key] = expandAny(inner, name, value)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = expandAny(v[i], name, value)
		}
		return out
	}
	return v
}
