package policy

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/open-policy-agent/opa/v1/bundle"
)

// keep writes an accepted bundle to Options.Keep. A failure is no reason to
// refuse the bundle, but the next start has nothing to fall back on.
func (e *Engine) keep(src *source) {
	if e.opts.Keep == "" || e.keptRevision == src.revision {
		return
	}
	if err := writeKept(e.opts.Keep, e.opts.Path, src.files); err != nil {
		e.keepErrors.Add(1)
		e.opts.Log.Error("policy: bundle active, but not kept for the next start", "error", err, "revision", src.revision)
		return
	}
	e.keptRevision = src.revision
}

// serveKept activates the kept bundle because of cause, the error of the
// configured one. It passes all checks that any bundle does.
func (e *Engine) serveKept(cause error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.opts.Keep == "" {
		return cause
	}
	src, err := readKept(e.opts.Keep, e.opts.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return cause
	}
	if err == nil {
		err = e.install(src, e.catalogue)
	}
	if err != nil {
		return fmt.Errorf("%w; nor can the kept one be used: %w", cause, err)
	}
	e.kept, e.keptRevision = true, src.revision
	e.opts.Log.Error("policy: configured bundle refused, the one that was accepted last is served", "error", cause, "revision", src.revision)
	return nil
}

// origin is how a kept bundle says of which configured one it is a copy: it
// never stands in for another, for whoever names another bundle means that.
func origin(location string) string {
	if abs, err := filepath.Abs(location); err == nil {
		location = abs
	}
	return strconv.QuoteToASCII(location) // what a gzip header can hold
}

// writeKept replaces the file at path by a tarball of files, whole or not at all.
func writeKept(path, location string, files map[string][]byte) (err error) {
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
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(files[name]))}); err != nil {
			return nil, err
		}
		if _, err := tw.Write(files[name]); err != nil {
			return nil, err
		}
	}
	err := errors.Join(tw.Close(), zw.Close())
	return out.Bytes(), err
}

// readKept reads what was kept of the bundle at location.
func readKept(path, location string) (*source, error) {
	body, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read kept policy bundle %q: %w", path, err)
	}
	zr, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("cannot read kept policy bundle %q: %w", path, err)
	}
	if of := origin(location); zr.Comment != of {
		return nil, fmt.Errorf("kept policy bundle %q is a copy of %s, not of %s", path, zr.Comment, of)
	}
	files, err := collect(bundle.NewTarballLoaderWithBaseURL(bytes.NewReader(body), ""))
	if err != nil {
		return nil, fmt.Errorf("cannot read kept policy bundle %q: %w", path, err)
	}
	src, err := parse(location, files)
	if err != nil {
		return nil, fmt.Errorf("cannot parse kept policy bundle %q: %w", path, err)
	}
	return src, nil
}
