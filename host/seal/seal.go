// Package seal encrypts secrets that lie on a disk.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
)

// A sealed text is a version, what names the key, a nonce and AES-256-GCM's output.
const (
	version  = 1
	keyBytes = 32
	nameLen  = 4
)

// ErrKey says that a text was sealed under another key.
var ErrKey = errors.New("it was sealed under another key: set secrets.key to the one of then")

var errDamaged = errors.New("it is damaged, or not what it stands for")

// Box seals and opens under one key.
type Box struct {
	aead cipher.AEAD
	head []byte // version and name of the key
}

// New returns the box of a key: any text, best of 128 random bits or more.
func New(key string) (*Box, error) {
	if key == "" {
		return nil, errors.New("cannot seal secrets: the key is empty")
	}
	derived, err := hkdf.Key(sha256.New, []byte(key), nil, "signalbox sealed secrets", keyBytes+nameLen)
	if err != nil {
		return nil, fmt.Errorf("cannot seal secrets: %w", err)
	}
	block, err := aes.NewCipher(derived[:keyBytes])
	if err != nil {
		return nil, fmt.Errorf("cannot seal secrets: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("cannot seal secrets: %w", err)
	}
	return &Box{aead: aead, head: append([]byte{version}, derived[keyBytes:]...)}, nil
}

// Seal encrypts plain. It can be opened only with the same purpose, so that
// one sealed text cannot be put in another's place.
func (b *Box) Seal(plain []byte, purpose string) []byte {
	out := make([]byte, len(b.head)+b.aead.NonceSize(), len(b.head)+b.aead.NonceSize()+len(plain)+b.aead.Overhead())
	copy(out, b.head)
	nonce := out[len(b.head):]
	rand.Read(nonce)
	return b.aead.Seal(out, nonce, plain, []byte(purpose))
}

// Open returns what was sealed for purpose.
func (b *Box) Open(sealed []byte, purpose string) ([]byte, error) {
	body := len(b.head) + b.aead.NonceSize()
	switch {
	case len(sealed) < body || sealed[0] != version:
		return nil, errDamaged
	case string(sealed[:len(b.head)]) != string(b.head):
		return nil, ErrKey
	}
	plain, err := b.aead.Open(nil, sealed[len(b.head):body], sealed[body:], []byte(purpose))
	if err != nil {
		return nil, errDamaged
	}
	return plain, nil
}
