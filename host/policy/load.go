package policy

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/loader/filter"

	"github.com/signalbox-ai/signalbox/policies"
)

const maxBundle = 64 << 20 // bytes, unpacked

// source is a bundle as it was read: parsed, not yet compiled.
type source struct {
	files    map[string][]byte
	modules  map[string]*ast.Module // by file
	tests    map[string]*ast.Module // files *_test.rego, never part of what decides
	data     map[string]any
	schemas  map[string][]byte      // schemas/NAME.json by name
	probes   []byte                 // probes.json, nil if there is none
	logRules map[string]*ast.Module // package system.log: what of decisions is logged, never part of what decides
	revision string
	bundles  map[string]string // manifests' own names of the content, by bundle
	parts    []part            // of several bundles, nil of one
	manifest bundle.Manifest

	catalogue Catalogue // the host's, not part of the bundle
}

// load reads the bundle at location: a folder, a .tar.gz, or the default
// bundle of the binary if location is empty.
func load(location string) (*source, error) {
	files, err := readFiles(location)
	if err != nil {
		return nil, fmt.Errorf("cannot read policy bundle %q: %w: name a folder or a .tar.gz, or leave policy.bundle out for the shipped one", location, err)
	}
	src, err := parse(location, files)
	if err != nil {
		return nil, fmt.Errorf("cannot parse policy bundle %q: %w", location, err)
	}
	return src, nil
}

func readFiles(location string) (map[string][]byte, error) {
	if location == "" {
		return collect(bundle.NewFSLoaderWithRoot(policies.Default, "."))
	}
	info, err := os.Stat(location)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return collect(bundle.NewFSLoaderWithRoot(os.DirFS(location), ".").WithFollowSymlinks(true))
	}
	if info.Size() > maxBundle {
		return nil, fmt.Errorf("it is larger than %d MiB", maxBundle>>20)
	}
	body, err := os.ReadFile(location)
	if err != nil {
		return nil, err
	}
	return fromTarball(body, belongs)
}

// collect reads what a bundle consists of; other files stay unread.
func collect(l bundle.DirectoryLoader) (map[string][]byte, error) { return unpack(l, belongs) }

// fromTarball reads the files of a gzipped tarball that are wanted.
func fromTarball(body []byte, wanted func(name string) (bool, error)) (map[string][]byte, error) {
	if err := Bounded(body); err != nil { // OPA's loader unpacks all of it before it hands out the first file
		return nil, err
	}
	return unpack(bundle.NewTarballLoaderWithBaseURL(&slowly{Reader: bytes.NewReader(body)}, ""), wanted)
}

// Bounded reports an error for a tarball that is cut, or too large once it is
// unpacked: OPA bounds single files, not their sum.
func Bounded(tarball []byte) error {
	zr, err := gzip.NewReader(&slowly{Reader: bytes.NewReader(tarball)})
	if err != nil {
		return fmt.Errorf("it is no .tar.gz: %w", err)
	}
	n, err := io.Copy(io.Discard, io.LimitReader(zr, maxBundle+1))
	if err != nil {
		return fmt.Errorf("it is cut or damaged: %w", err)
	}
	if n > maxBundle {
		return fmt.Errorf("it is larger than %d MiB unpacked", maxBundle>>20)
	}
	return nil
}

// unpack reads the files that are wanted.
func unpack(l bundle.DirectoryLoader, belongs func(name string) (bool, error)) (map[string][]byte, error) {
	l = l.WithSizeLimitBytes(maxBundle).WithPathFormat(bundle.SlashRooted).WithFilter(hidden)
	files, total := map[string][]byte{}, 0
	for {
		d, err := l.NextFile()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		name := strings.TrimPrefix(path.Clean("/"+d.Path()), "/")
		wanted, err := belongs(name)
		if err != nil {
			return nil, err
		}
		if !wanted {
			continue
		}
		if _, twice := files[name]; twice {
			return nil, fmt.Errorf("it holds %q twice", name)
		}
		var body bytes.Buffer
		_, err = d.Read(&body, maxBundle+1)
		if errors.Is(err, io.EOF) {
			err = nil
		}
		if err = errors.Join(err, d.Close()); err != nil {
			return nil, fmt.Errorf("cannot read %q: %w", name, err)
		}
		if total += body.Len(); total > maxBundle {
			return nil, fmt.Errorf("it is larger than %d MiB", maxBundle>>20)
		}
		files[name] = body.Bytes()
	}
}

var _ filter.LoaderFilter = hidden

// hidden leaves out editors' and mounts' dot files.
func hidden(abspath string, _ fs.FileInfo, _ int) bool {
	base := path.Base(abspath)
	return strings.HasPrefix(base, ".") && base != "." && base != ".manifest"
}

// belongs says whether a file is part of a bundle. A data file under a name
// that is not read would be missing without anybody noticing: it is refused.
func belongs(name string) (bool, error) {
	dir, base := path.Split(name)
	switch {
	case base == ".manifest", path.Ext(base) == ".rego", name == "probes.json":
		return true, nil
	case dir == "schemas/":
		return path.Ext(base) == ".json", nil
	case base == "data.json", base == "data.yaml", base == "data.yml":
		return true, nil
	case path.Ext(base) == ".json", path.Ext(base) == ".yaml", path.Ext(base) == ".yml":
		return false, fmt.Errorf("%q would not be read: data goes into files called data.json or data.yaml "+
			"whose folder is its place under data", name)
	}
	return false, nil
}

func parse(location string, files map[string][]byte) (*source, error) {
	src := &source{files: files, modules: map[string]*ast.Module{}, tests: map[string]*ast.Module{}, schemas: map[string][]byte{},
		logRules: map[string]*ast.Module{}}
	inBundle := map[string][]byte{}
	for name, body := range files {
		switch {
		case name == "probes.json":
			src.probes = body
		case strings.HasPrefix(name, "schemas/"):
			src.schemas[strings.TrimSuffix(path.Base(name), ".json")] = body
		default:
			inBundle[name] = body
		}
	}
	b, err := bundle.NewCustomReader(&memory{files: inBundle, names: slices.Sorted(maps.Keys(inBundle))}).
		WithBaseDir(location).WithSkipBundleVerification(true).WithProcessAnnotations(true).
		WithRegoVersion(ast.RegoV1).WithCapabilities(capabilities()).WithLazyLoadingMode(false).Read()
	if err != nil {
		return nil, err
	}
	for _, m := range b.Modules {
		if err := nested(m.Parsed); err != nil {
			return nil, err
		}
		if m.Parsed.RegoVersionSpan() != ast.RegoVersionSpanOf(ast.RegoV1) {
			return nil, fmt.Errorf("%s: only Rego v1 is read", m.Path)
		}
		switch {
		case strings.HasSuffix(m.Path, "_test.rego"):
			src.tests[m.Path] = m.Parsed
		case m.Parsed.Package.Path.HasPrefix(logRef):
			src.logRules[m.Path] = m.Parsed
		default:
			src.modules[m.Path] = m.Parsed
		}
	}
	src.data, src.manifest = b.Data, b.Manifest
	src.recoverSchema()
	src.bundles = map[string]string{SoleBundle: b.Manifest.Revision}
	src.revision = revision(b.Manifest.Revision, files)
	return src, nil
}

// recoverSchema takes schemas/data.json out of the data, where opa build puts
// it for its name.
func (src *source) recoverSchema() {
	schema, ok := src.data["schemas"].(map[string]any)
	if _, is := schema["$schema"]; !ok || !is || src.schemas["data"] != nil {
		return
	}
	if body, err := json.Marshal(schema); err == nil {
		src.schemas["data"] = body
		delete(src.data, "schemas")
	}
}

// revision names a content: the manifest's own name for it, if any, and a hash,
// because a name may be used twice. Tests do not count.
func revision(name string, files map[string][]byte) string {
	h := sha256.New()
	for _, file := range slices.Sorted(maps.Keys(files)) {
		if strings.HasSuffix(file, "_test.rego") {
			continue
		}
		var size [8]byte
		for _, part := range [][]byte{[]byte(file), files[file]} {
			binary.LittleEndian.PutUint64(size[:], uint64(len(part)))
			h.Write(size[:])
			h.Write(part)
		}
	}
	sum := hex.EncodeToString(h.Sum(nil))[:12]
	if name != "" {
		return name + "-" + sum
	}
	return sum
}

// memory hands files that have been read to OPA's bundle reader, large data in
// pieces: the reader merges them.
type memory struct {
	files  map[string][]byte
	names  []string
	pieces [][]byte // of the file names[0] that are left
	breaks
}

// NextFile implements bundle.DirectoryLoader.
func (m *memory) NextFile() (*bundle.Descriptor, error) {
	m.rest()
	if len(m.names) == 0 {
		return nil, io.EOF
	}
	name := m.names[0]
	if m.pieces == nil {
		if m.pieces = [][]byte{m.files[name]}; path.Base(name) == "data.json" {
			m.pieces = split(m.files[name])
		}
	}
	body := m.pieces[0]
	if m.pieces = m.pieces[1:]; len(m.pieces) == 0 {
		m.names, m.pieces = m.names[1:], nil
	}
	return bundle.NewDescriptor(name, "/"+name, bytes.NewReader(body)), nil
}

// The options of a loader: what is in memory has been through them.

func (m *memory) WithFilter(filter.LoaderFilter) bundle.DirectoryLoader   { return m }
func (m *memory) WithPathFormat(bundle.PathFormat) bundle.DirectoryLoader { return m }
func (m *memory) WithSizeLimitBytes(int64) bundle.DirectoryLoader         { return m }
func (m *memory) WithFollowSymlinks(bool) bundle.DirectoryLoader          { return m }
