package policy

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/util"
)

// What a bundle says of itself, and who vouches for it.
const (
	manifestFile   = ".manifest"
	signaturesFile = ".signatures.json"
)

// BuildOptions say what becomes of a bundle's manifest.
type BuildOptions struct {
	Revision string   // "": the manifest's own, or a hash of the content
	Roots    []string // the places under data that the bundle owns; none: as the manifest says
}

// Build makes one tarball of the bundle at path, which OPA loads too. The same
// content makes the same bytes.
func Build(path string, o BuildOptions) (tarball []byte, revision string, err error) {
	files, err := readFiles(path)
	if err != nil {
		return nil, "", fmt.Errorf("cannot read policy bundle %q: %w", path, err)
	}
	src, err := parse(path, files)
	if err != nil {
		return nil, "", fmt.Errorf("cannot parse policy bundle %q: %w", path, err)
	}
	manifest := map[string]any{}
	if body := files[manifestFile]; body != nil {
		if err := json.Unmarshal(body, &manifest); err != nil {
			return nil, "", fmt.Errorf("cannot read the manifest of policy bundle %q: %w", path, err)
		}
	}
	manifest["rego_version"] = 1
	if o.Revision != "" {
		manifest["revision"] = o.Revision
	} else if manifest["revision"] == nil {
		manifest["revision"] = src.revision
	}
	if len(o.Roots) > 0 {
		manifest["roots"] = o.Roots
	}
	if files[manifestFile], err = json.Marshal(manifest); err != nil {
		return nil, "", fmt.Errorf("cannot write the manifest of policy bundle %q: %w", path, err)
	}
	if _, err := parse(path, files); err != nil { // roots that do not hold it
		return nil, "", fmt.Errorf("cannot build policy bundle %q: %w", path, err)
	}
	tarball, err = tarOf(files)
	return tarball, fmt.Sprint(manifest["revision"]), err
}

// tarOf packs files as opa build does.
func tarOf(files map[string][]byte) ([]byte, error) {
	var out bytes.Buffer
	zw := gzip.NewWriter(&out)
	tw := tar.NewWriter(zw)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		h := &tar.Header{Name: "/" + name, Typeflag: tar.TypeReg, Mode: 0o600, Size: int64(len(files[name]))}
		if err := tw.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := tw.Write(files[name]); err != nil {
			return nil, err
		}
	}
	err := errors.Join(tw.Close(), zw.Close())
	return out.Bytes(), err
}

// SignOptions are the key of a signature.
type SignOptions struct {
	Key       string // PEM or a secret, or the path of a file with it
	Algorithm string // RS256 and the like
	KeyID     string // in the token, so that whoever verifies finds the key; "": none
}

// SigningAlgorithm is what fits the key, PEM or the path of a file with it: RS256
// where nothing else is known.
func SigningAlgorithm(key string) string {
	if body, err := os.ReadFile(key); err == nil {
		key = string(body)
	}
	block, _ := pem.Decode([]byte(key))
	if block == nil {
		return "RS256"
	}
	ec, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		private, _ := x509.ParsePKCS8PrivateKey(block.Bytes)
		ec, _ = private.(*ecdsa.PrivateKey)
	}
	if ec == nil {
		return "RS256"
	}
	switch ec.Curve.Params().BitSize {
	case 384:
		return "ES384"
	case 521:
		return "ES512"
	}
	return "ES256"
}

// Sign makes a tarball of the bundle at path, signed as opa sign does: one
// token with a hash of each file.
func Sign(path string, o SignOptions) ([]byte, error) {
	files, err := readFiles(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read policy bundle %q: %w", path, err)
	}
	if _, err := parse(path, files); err != nil {
		return nil, fmt.Errorf("cannot parse policy bundle %q: %w", path, err)
	}
	hashes, err := hashFiles(files)
	if err != nil {
		return nil, fmt.Errorf("cannot hash policy bundle %q: %w", path, err)
	}
	config := bundle.NewSigningConfig(o.Key, o.Algorithm, "")
	token, err := bundle.GenerateSignedToken(hashes, config, o.KeyID)
	if err != nil {
		return nil, fmt.Errorf("cannot sign policy bundle %q: %w", path, err)
	}
	files[signaturesFile], err = json.Marshal(map[string][]string{"signatures": {token}})
	if err != nil {
		return nil, err
	}
	return tarOf(files)
}

func hashFiles(files map[string][]byte) ([]bundle.FileInfo, error) {
	const algorithm = bundle.SHA256
	hasher, err := bundle.NewSignatureHasher(algorithm)
	if err != nil {
		return nil, err
	}
	var out []bundle.FileInfo
	for _, name := range slices.Sorted(maps.Keys(files)) {
		var value any = files[name]
		if bundle.IsStructuredDoc(path.Base(name)) {
			if err := util.Unmarshal(files[name], &value); err != nil {
				return nil, fmt.Errorf("cannot read %q: %w", name, err)
			}
		}
		sum, err := hasher.HashFile(value)
		if err != nil {
			return nil, fmt.Errorf("cannot hash %q: %w", name, err)
		}
		out = append(out, bundle.NewFile(strings.TrimPrefix(name, "/"), hex.EncodeToString(sum), algorithm.String()))
	}
	return out, nil
}
