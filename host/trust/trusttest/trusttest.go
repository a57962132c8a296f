// Package trusttest signs in tests as minisign does, by its published format.
package trusttest

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"math/rand/v2"
	"slices"

	"golang.org/x/crypto/blake2b"
)

// Signer is a pair of keys.
type Signer struct {
	Key string // public, as plugins.trusted_keys lists it

	id      []byte
	private ed25519.PrivateKey
}

// New makes a pair of keys.
func New() *Signer {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		panic(err)
	}
	id := binary.LittleEndian.AppendUint64(nil, rand.Uint64())
	return &Signer{Key: b64(slices.Concat([]byte("Ed"), id, public)), id: id, private: private}
}

// Sign is the text of a .minisig file over content.
func (s *Signer) Sign(content []byte) string {
	const comment = "timestamp:1"
	sum := blake2b.Sum512(content)
	sig := ed25519.Sign(s.private, sum[:])
	global := ed25519.Sign(s.private, append(slices.Clone(sig), comment...))
	return "untrusted comment: x\n" + b64(slices.Concat([]byte("ED"), s.id, sig)) + "\ntrusted comment: " + comment + "\n" + b64(global) + "\n"
}

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
