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
	"math"
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

// Entry is one secret that may be shown; a key that is being rotated has two.
type Entry struct {
	Digest    Digest
	Principal *call.Principal // its Expires ends the key
	Until     time.Time       // the secret counts, zero: as long as the key
	Refused   *wire.Error     // what callers are told, nil: the key is good
}

// Keys is the set of keys that are known. All methods may be called at once.
type Keys struct {
	macs  sync.Pool // of *mac
	table atomic.Pointer[table]
	mu    sync.Mutex        // of one Set at a time
	used  map[string]*usage // by the id of the key
}

// usage is when a key was used last, in Unix seconds, and what of that has
// been told.
type usage struct{ last, told atomic.Int64 }

// table is one generation of the keys: by the first eight bytes of the digest,
// which nobody without the pepper can choose.
type table struct {
	byPrefix map[uint64]*slot
	byID     map[string]*slot // the one in use of each key
}

type slot struct {
	Entry
	expires, until int64 // Unix nanoseconds, never: the last of all
	usage          *usage
	next           *slot // with the same prefix, by chance
}

const never = math.MaxInt64

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return never
	}
	return t.UnixNano()
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
	k := &Keys{}
	k.macs.New = func() any { return &mac{h: hmac.New(sha256.New, pepper)} }
	k.table.Store(&table{})
	return k
}

// Set replaces all keys at once. Two entries with one digest are an error and
// leave the keys as they were.
func (k *Keys) Set(entries []Entry) error {
	publish, err := k.Prepare(entries)
	if err == nil {
		publish()
	}
	return err
}

// Prepare is Set without the last step, which cannot fail.
func (k *Keys) Prepare(entries []Entry) (publish func(), err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	t := &table{byPrefix: make(map[uint64]*slot, len(entries)), byID: make(map[string]*slot, len(entries))}
	used := make(map[string]*usage, len(entries))
	for _, e := range entries {
		at := prefix(&e.Digest)
		for s := t.byPrefix[at]; s != nil; s = s.next {
			if s.Digest == e.Digest {
				return nil, fmt.Errorf("cannot set keys: %q and %q have the same secret", s.Principal.KeyName, e.Principal.KeyName)
			}
		}
		u := used[e.Principal.KeyID]
		if u == nil {
			if u = k.used[e.Principal.KeyID]; u == nil {
				u = &usage{}
			}
			used[e.Principal.KeyID] = u
		}
		s := &slot{Entry: e, expires: nanos(e.Principal.Expires), until: nanos(e.Until), usage: u, next: t.byPrefix[at]}
		t.byPrefix[at] = s
		if e.Until.IsZero() {
			t.byID[e.Principal.KeyID] = s
		}
	}
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.table.Store(t)
		k.used = used
	}, nil
}

// Used are the times at which keys were used last, by id, of those that were
// since they were asked for before.
func (k *Keys) Used() map[string]time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out map[string]time.Time
	for id, u := range k.used {
		last := u.last.Load()
		if u.told.Swap(last) == last {
			continue
		}
		if out == nil {
			out = map[string]time.Time{}
		}
		out[id] = time.Unix(last, 0).UTC()
	}
	return out
}

// LastUsed are the times at which keys were used last since they were set first, by id.
func (k *Keys) LastUsed() map[string]time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := map[string]time.Time{}
	for id, u := range k.used {
		if last := u.last.Load(); last > 0 {
			out[id] = time.Unix(last, 0).UTC()
		}
	}
	return out
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
	errMissing  = wire.Errorf(401, "missing_api_key", "no API key was sent: send one as 'Authorization: Bearer …', 'x-api-key' or 'x-goog-api-key'")
	errUnknown  = wire.Errorf(401, "invalid_api_key", "the API key is not known here: check that it is complete, or ask for one; operators make them with signalbox key create")
	errExpired  = wire.Errorf(401, "key_expired", "the API key has expired: ask for a new one; operators prolong it with signalbox key update")
	errReplaced = wire.Errorf(401, "key_expired", "this secret of the API key has been replaced by a new one, which is the one to send")
)

// ErrRevoked is what callers with a key are told that was ended.
var ErrRevoked = wire.Errorf(401, "key_revoked", "the API key has been revoked: ask for a new one; operators make them with signalbox key create")

// Authenticate returns who token stands for at the moment at. It does not
// allocate, takes the same time whether or not the token is known, and the
// errors it returns are shared: they must not be changed.
func (k *Keys) Authenticate(token []byte, at time.Time) (*call.Principal, *wire.Error) {
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
	now := at.UnixNano()
	switch {
	case s == nil:
		return nil, errUnknown
	case s.Refused != nil:
		return nil, s.Refused
	case now >= s.expires:
		return nil, errExpired
	case now >= s.until:
		return nil, errReplaced
	}
	// Written once a second, so that cores do not fight for it.
	if seconds := now / int64(time.Second); s.usage.last.Load() < seconds {
		s.usage.last.Store(seconds)
	}
	return s.Principal, nil
}

// Standing is what callers would be told at the moment at who show the key of
// that id; nil: they would be let in. It is for those who have been.
func (k *Keys) Standing(id string, at time.Time) *wire.Error {
	_, err := k.Of(id, at)
	return err
}

// NextEnd is when the next key ends after the moment at, zero: none does.
func (k *Keys) NextEnd(at time.Time) (next time.Time) {
	now, first := at.UnixNano(), int64(never)
	for _, s := range k.table.Load().byID {
		if s.Refused == nil && s.expires > now && s.expires < first {
			first, next = s.expires, s.Principal.Expires
		}
	}
	return next
}

// Of is who the key of that id stands for at the moment at: for what is done
// later for one who has shown it.
func (k *Keys) Of(id string, at time.Time) (*call.Principal, *wire.Error) {
	switch s := k.table.Load().byID[id]; {
	case s == nil:
		return nil, errUnknown
	case s.Refused != nil:
		return nil, s.Refused
	case at.UnixNano() >= s.expires:
		return nil, errExpired
	default:
		return s.Principal, nil
	}
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
