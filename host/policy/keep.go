package policy

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// keep writes an accepted bundle to Options.Keep. A failure is no reason to
// refuse the bundle, but the next start has nothing to fall back on.
func (e *Engine) keep(revision string, pieces []*piece) {
	if e.opts.Keep == "" || e.keptRevision == revision {
		return
	}
	if err := writeKept(e.opts.Keep, e.keptOf(), pieces); err != nil {
		e.keepErrors.Add(1)
		e.opts.Log.Error("policy: bundle active, but not kept for the next start", "error", err, "revision", revision)
		return
	}
	e.keptRevision = revision
}

// serveKept activates the kept bundle because of cause, the error of the
// configured one. It passes all checks that any bundle does.
func (e *Engine) serveKept(cause error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.opts.Keep == "" {
		return cause
	}
	pieces, err := readKept(e.opts.Keep, e.keptOf())
	if errors.Is(err, fs.ErrNotExist) {
		return cause
	}
	var src *source
	if err == nil {
		src, err = compose(pieces)
	}
	if err == nil {
		err = e.install(src, e.catalogue)
	}
	if err != nil {
		return fmt.Errorf("%w; nor can the kept one be used: %w", cause, err)
	}
	e.kept, e.keptRevision, e.keptPieces = true, src.revision, pieces
	e.lastErr = cause
	e.opts.Log.Error("policy: configured bundle refused, the one that was accepted last is served", "error", cause, "revision", src.revision)
	return nil
}

// keptOf says what a kept bundle must be a copy of.
func (e *Engine) keptOf() string {
	if e.opts.Terms == "" {
		return e.location()
	}
	return e.location() + " under " + e.opts.Terms
}

// origin is how a kept bundle says of which configured one it is a copy: it
// never stands in for another, for whoever names another bundle means that.
func origin(location string) string {
	if strings.Contains(location, ":") { // elsewhere
		return strconv.QuoteToASCII(location)
	}
	if abs, err := filepath.Abs(location); err == nil {
		location = abs
	}
	return strconv.QuoteToASCII(location) // what a gzip header can hold
}

// writeKept replaces the file at path by a tarball of all pieces' files, whole
// or not at all.
func writeKept(path, location string, pieces []*piece) (err error) {
	files := map[string][]byte{}
	for _, p := range pieces {
		for name, body := range p.files {
			files[url.PathEscape(p.name)+"/"+name] = body
		}
	}
	body, err := pack(location, files)
	if err != nil {
		return fmt.Errorf("cannot pack policy bundle %q: %w", location, err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // 0600
	if err != nil {
		return fmt.Errorf("cannot keep policy bundle %q: %w", location, err)
	}
	_, err = f.Write(body)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("cannot keep policy bundle %q: %w", location, errors.Join(err, os.Remove(f.Name())))
	}
	return syncFolder(filepath.Dir(path))
}

func syncFolder(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("cannot sync folder %q: %w", path, err)
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return fmt.Errorf("cannot sync folder %q: %w", path, err)
	}
	return nil
}

func pack(location string, files map[string][]byte) ([]byte, error) {
	var out bytes.Buffer
	zw := gzip.NewWriter(&out)
	zw.Comment = origin(location)
	tw := tar.NewWriter(zw)
	var b breaks
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(files[name]))}); err != nil {
			return nil, err
		}
		for piece := range slices.Chunk(files[name], pieceSize) {
			b.rest()
			if _, err := tw.Write(piece); err != nil {
				return nil, err
			}
		}
	}
	err := errors.Join(tw.Close(), zw.Close())
	return out.Bytes(), err
}

// readKept reads what was kept of the bundles at location.
func readKept(path, location string) ([]*piece, error) {
	body, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read kept policy bundle %q: %w", path, err)
	}
	zr, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("cannot read kept policy bundle %q: %w", path, err)
	}
	if of := origin(location); zr.Comment != of {
		return nil, fmt.Errorf("kept policy bundle %q is a copy of %s, not of %s (after \"under\" stands which bundles, roots and keys held)", path, zr.Comment, of)
	}
	all, err := fromTarball(body, func(string) (bool, error) { return true, nil })
	if err != nil {
		return nil, fmt.Errorf("cannot read kept policy bundle %q: %w", path, err)
	}
	byName := map[string]map[string][]byte{}
	for file, body := range all {
		name, inner, _ := strings.Cut(file, "/")
		if name, err = url.PathUnescape(name); err != nil {
			return nil, fmt.Errorf("cannot read kept policy bundle %q: %w", path, err)
		}
		if byName[name] == nil {
			byName[name] = map[string][]byte{}
		}
		byName[name][inner] = body
	}
	var pieces []*piece
	for name, files := range byName {
		p, err := parsePiece(name, files, nil)
		if err != nil {
			return nil, fmt.Errorf("cannot use kept policy bundle %q: %w", path, err)
		}
		pieces = append(pieces, p)
	}
	if len(pieces) == 0 {
		return nil, fmt.Errorf("kept policy bundle %q is empty", path)
	}
	return pieces, nil
}
