// Package auth tells who makes a request, from the virtual key that it shows.
// Keys are kept as HMAC-SHA-256 under a pepper, so that neither the store nor
// the process's tables are worth stealing.
package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"hash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// MaxToken is the longest key that is looked at.
const MaxToken = 512

// minPepper is the length in bytes below which a pepper is no secret.
const minPepper = 16

// Digest is what is kept of a key.
type Digest [sha256.Size]byte

// Entry is one key that may be shown.
type Entry struct {
	Digest    Digest
	Principal *call.Principal // its Expires ends the key
	Revoked   bool
}

// Keys is the set of keys that are known. All methods may be called at once.
type Keys struct {
	macs  sync.Pool // of *mac
	table atomic.Pointer[table]
	now   func() time.Time
}

// table is one generation of the keys: by the first eight bytes of the digest,
// which nobody without the pepper can choose.
type table struct{ byPrefix map[uint64]*slot }

type slot struct {
	Entry
	next *slot // with the same prefix, by chance
}

// nobody is compared with where there is no entry, so that an unknown key
// costs what a known one does.
var nobody slot

// mac is a keyed hash that is used again and again, and room for its sum.
type mac struct {
	h   hash.Hash
	sum Digest
}

// New returns an empty set under the pepper, a secret of at least 16 bytes.
func New(pepper []byte) *Keys {
	if len(pepper) < minPepper {
		panic(fmt.Sprintf("BUG: short pepper; got %d bytes; want at least %d", len(pepper), minPepper))
	}
	pepper = append([]byte(nil), pepper...)
	k := &Keys{now: time.Now}
	k.macs.New = func() any { return &mac{h: hmac.New(sha256.New, pepper)} }
	k.table.Store(&table{})
	return k
}

// Set replaces all keys at once. Two entries with one digest are an error and
// leave the keys as they were.
func (k *Keys) Set(entries []Entry) error {
	t := &table{byPrefix: make(map[uint64]*slot, len(entries))}
	for _, e := range entries {
		at := prefix(&e.Digest)
		for s := t.byPrefix[at]; s != nil; s = s.next {
			if s.Digest == e.Digest {
				return fmt.Errorf("cannot set keys: %q and %q have the same secret", s.Principal.KeyName, e.Principal.KeyName)
			}
		}
		t.byPrefix[at] = &slot{Entry: e, next: t.byPrefix[at]}
	}
	k.table.Store(t)
	return nil
}

// Digest is what to keep of token.
func (k *Keys) Digest(token []byte) Digest {
	m := k.macs.Get().(*mac)
	defer k.macs.Put(m)
	return *m.digest(token)
}

func (m *mac) digest(token []byte) *Digest {
	m.h.Reset()
	m.h.Write(token)
	m.h.Sum(m.sum[:0])
	return &m.sum
}

func prefix(d *Digest) uint64 { return binary.LittleEndian.Uint64(d[:]) }

var (
	errMissing = wire.Errorf(401, "missing_api_key", "no API key: send Authorization: Bearer <key>, x-api-key or x-goog-api-key")
	errUnknown = wire.Errorf(401, "invalid_api_key", "the API key is not known here: check that it is complete, or make one with signalbox key create")
	errExpired = wire.Errorf(401, "key_expired", "the API key has expired: make a new one with signalbox key create")
	errRevoked = wire.Errorf(401, "key_revoked", "the API key has been revoked: make a new one with signalbox key create")
)

// Authenticate returns who token stands for. It does not allocate, takes the
// same time whether or not the token is known, and the errors it returns are
// shared: they must not be changed.
func (k *Keys) Authenticate(token []byte) (*call.Principal, *wire.Error) {
	switch {
	case len(token) == 0:
		return nil, errMissing
	case len(token) > MaxToken:
		return nil, errUnknown
	}
	t := k.table.Load()
	m := k.macs.Get().(*mac)
	s := t.find(m.digest(token))
	k.macs.Put(m)
	switch {
	case s == nil:
		return nil, errUnknown
	case s.Revoked:
		return nil, errRevoked
	case !s.Principal.Expires.IsZero() && !k.now().Before(s.Principal.Expires):
		return nil, errExpired
	}
	return s.Principal, nil
}

func (t *table) find(d *Digest) *slot {
	s := t.byPrefix[prefix(d)]
	if s == nil {
		s = &nobody
	}
	for ; s != nil; s = s.next {
		if subtle.ConstantTimeCompare(s.Digest[:], d[:]) == 1 && s.Principal != nil {
			return s
		}
	}
	return nil
}
