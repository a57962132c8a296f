package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Keep returns the secret in the file at path. If there is none it stores what
// fresh returns, readable by the owner alone, and reports that it is new. Of
// two processes that start at once, both get the same secret.
func Keep(path string, fresh func() string) (s Secret, isNew bool, err error) {
	s, err = readKept(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return s, false, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", false, fmt.Errorf("cannot keep secret: %w", err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*") // 0600
	if err != nil {
		return "", false, fmt.Errorf("cannot keep secret: %w", err)
	}
	defer os.Remove(tmp.Name())
	s = Secret(fresh())
	_, err = tmp.WriteString(s.Reveal() + "\n")
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return "", false, fmt.Errorf("cannot keep secret: %w", err)
	}
	err = os.Link(tmp.Name(), path) // fails where the file exists, unlike a rename
	switch {
	case errors.Is(err, fs.ErrExist):
		s, err = readKept(path)
		return s, false, err
	case errors.Is(err, fs.ErrPermission), errors.Is(err, errors.ErrUnsupported): // a file system without links
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return "", false, fmt.Errorf("cannot keep secret: %w", err)
	}
	return s, true, nil
}

func readKept(path string) (Secret, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("cannot read kept secret: %w", err)
	}
	text := strings.TrimSpace(string(b))
	if text == "" || !printable(text) {
		return "", fmt.Errorf("cannot read kept secret %q: it is empty or damaged; remove it and a new one is made", path)
	}
	return Secret(text), nil
}
