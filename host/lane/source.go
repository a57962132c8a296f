package lane

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"

	"github.com/signalbox-ai/signalbox/sdk/module"
)

// Source is what a version is made of.
type Source struct {
	Code     []byte
	Manifest *module.Manifest // nil: it has none
	Config   []byte           // JSON, nil: none
	Tags     string           // what the bits of targets' tags are called, a line each
	Apart    bool             // its counters are its own: it acts on nothing
}

// Digest is the hexadecimal SHA-256 of all that a version is told by: code,
// manifest and configuration.
func (s *Source) Digest() string {
	h := sha256.New()
	code := sha256.Sum256(s.Code)
	h.Write(code[:])
	if s.Manifest != nil {
		h.Write(s.Manifest.Canonical())
	}
	h.Write([]byte{0})
	if s.Configured() {
		h.Write(s.Config)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Configured reports whether Config says anything.
func (s *Source) Configured() bool {
	c := bytes.TrimSpace(s.Config)
	return len(c) > 0 && string(c) != "{}" && string(c) != "null"
}
