// Package seal encrypts what is secret in the store. Each class of secrets has
// a data key of its own; the store keeps data keys wrapped under a
// key-encryption key that it does not hold: a text of the configuration, or a
// key that a program or a key service never gives out.
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

// A sealed text is a version, the id of its data key, a nonce and AES-256-GCM's
// output. What goes before the nonce, the class and the place are authenticated.
const (
	version  = 2
	keyBytes = 32
	idBytes  = 8
	nonceLen = 12
	headLen  = 1 + idBytes
)

// ErrKey says that a key is not to be had.
var ErrKey = errors.New("it was sealed under another key: set secrets.key to the one of then, or list that one in secrets.previous")

var errDamaged = errors.New("it is damaged, or not what it stands for")

// box seals under one data key.
type box struct {
	aead cipher.AEAD
	head [headLen]byte
}

func newBox(id [idBytes]byte, key []byte) (*box, error) {
	if len(key) != keyBytes {
		return nil, fmt.Errorf("a data key has %d bytes; want %d", len(key), keyBytes)
	}
	aead, err := gcm(key)
	if err != nil {
		return nil, err
	}
	b := &box{aead: aead}
	b.head[0] = version
	copy(b.head[1:], id[:])
	return b, nil
}

func gcm(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// bound is what is authenticated beside the text.
func bound(head []byte, class, at string) []byte {
	b := append(make([]byte, 0, len(head)+len(class)+1+len(at)), head...)
	return append(append(append(b, class...), 0), at...)
}

func (b *box) seal(plain []byte, class, at string) []byte {
	out := make([]byte, headLen+nonceLen, headLen+nonceLen+len(plain)+b.aead.Overhead())
	copy(out, b.head[:])
	rand.Read(out[headLen:])
	return b.aead.Seal(out, out[headLen:], plain, bound(b.head[:], class, at))
}

func (b *box) open(sealed []byte, class, at string) ([]byte, error) {
	if len(sealed) < headLen+nonceLen {
		return nil, errDamaged
	}
	plain, err := b.aead.Open(nil, sealed[headLen:headLen+nonceLen], sealed[headLen+nonceLen:], bound(b.head[:], class, at))
	if err != nil {
		return nil, errDamaged
	}
	return plain, nil
}

// idOf is the id of the data key that sealed was sealed under.
func idOf(sealed []byte) (id [idBytes]byte, err error) {
	if len(sealed) < headLen+nonceLen || sealed[0] != version {
		return id, errDamaged
	}
	copy(id[:], sealed[1:])
	return id, nil
}

// Local is a key-encryption key that is derived from a text.
type Local struct {
	aead cipher.AEAD
	id   string
}

// NewLocal returns the key of a text, best of 128 random bits or more.
func NewLocal(text string) (*Local, error) {
	if text == "" {
		return nil, errors.New("cannot seal secrets: the key is empty")
	}
	derived, err := hkdf.Key(sha256.New, []byte(text), nil, "signalbox key-encryption key", keyBytes+4)
	if err != nil {
		return nil, fmt.Errorf("cannot seal secrets: %w", err)
	}
	aead, err := gcm(derived[:keyBytes])
	if err != nil {
		return nil, fmt.Errorf("cannot seal secrets: %w", err)
	}
	return &Local{aead: aead, id: fmt.Sprintf("key:%x", derived[keyBytes:])}, nil
}
