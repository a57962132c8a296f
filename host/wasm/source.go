package wasm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/signalbox-ai/signalbox/host/trust"
	"github.com/signalbox-ai/signalbox/sdk/module"
)

// Source is a module as it is handed in: what nobody has checked yet.
type Source struct {
	Code      []byte
	Manifest  []byte // JSON, empty: there is none
	Signature []byte // a .minisig text over Manifest, empty: there is none
}

// Files of a module beside <name>.wasm.
const (
	moduleEnd    = ".wasm"
	manifestEnd  = ".json"
	signatureEnd = ".json.minisig"
)

// Read reads <name>.wasm, and <name>.json and <name>.json.minisig where they
// lie beside it.
func Read(path string) (s Source, err error) {
	if s.Code, err = readFile(path, MaxModule); err != nil {
		return s, fmt.Errorf("cannot read module: %w", err)
	}
	name := strings.TrimSuffix(path, moduleEnd)
	if s.Manifest, err = readFile(name+manifestEnd, module.MaxManifest); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s, fmt.Errorf("cannot read manifest: %w", err)
	}
	if s.Signature, err = readFile(name+signatureEnd, module.MaxManifest); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s, fmt.Errorf("cannot read signature: %w", err)
	}
	return s, nil
}

// readFile refuses what is too large before it is read.
func readFile(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > most {
		return nil, fmt.Errorf("%s is no file of at most %d bytes", path, most)
	}
	return os.ReadFile(path)
}

// Check reads the manifest, nil when there is none, and looks whether it is for
// this module, of the right kind, and signed as keys ask for. signer is the id
// of the key that signed, "" for none. A signature that is there has to be
// right when there are keys to know it by.
func (s Source) Check(kind module.Kind, keys trust.Keys) (m *module.Manifest, signer string, err error) {
	if len(s.Manifest) > 0 {
		if m, err = module.Parse(s.Manifest); err != nil {
			return nil, "", err
		}
		if m.Kind != kind {
			return nil, "", fmt.Errorf("the manifest is of a %s, a %s is wanted", m.Kind, kind)
		}
		if err = m.Matches(s.Code); err != nil {
			return nil, "", err
		}
	}
	signer, err = s.signer(m, keys)
	return m, signer, err
}

func (s Source) signer(m *module.Manifest, keys trust.Keys) (string, error) {
	switch {
	case len(s.Signature) == 0 && !keys.Required, len(s.Signature) > 0 && !keys.Required && keys.Empty():
		return "", nil
	case len(s.Signature) == 0:
		return "", errors.New("it is not signed, and plugins.require_signature is set: sign its manifest with minisign and put <name>.json.minisig beside it")
	case m == nil:
		return "", errors.New("it has a signature but no manifest: the signature is of <name>.json")
	case m.SHA256 == "":
		return "", errors.New("the signed manifest has no sha256: without it the signature says nothing of the module; add it and sign again")
	}
	return keys.Verify(s.Manifest, string(s.Signature))
}

// Open is Read and Check.
func Open(path string, kind module.Kind, keys trust.Keys) (code []byte, m *module.Manifest, err error) {
	s, err := Read(path)
	if err == nil {
		m, _, err = s.Check(kind, keys)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("cannot open module %q: %w", path, err)
	}
	return s.Code, m, nil
}
