package cache

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"sync"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Key is what an answer is kept under. It tells nothing of the request.
type Key [sha256.Size]byte

// String is the key as people handle it.
func (k Key) String() string { return hex.EncodeToString(k[:]) }

// ParseKey reads what String gives.
func ParseKey(text string) (k Key, err error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(k) {
		return k, errors.New("it is not a key of the cache, which has 64 hexadecimal digits")
	}
	return Key(b), nil
}

// Asked is all that tells a request from others whose answers are not its own.
type Asked struct {
	Scope string // whose it is: requests of other scopes never meet

	Op          wire.Op
	Dialect     wire.Dialect
	Method      string
	Path        string // beyond the operation's own, query included
	ContentType string
	Stream      bool
	Strict      bool

	Model    string // as it is resolved
	Revision string // of its configuration
	// Targets are those that it may go to, with the revisions of their providers'
	// configuration.
	Targets []string

	Policy    string // revision of the bundle
	MaxTokens int64  // that policy allows
	Filters   []string
	Headers   []string // name and value of those that providers are passed
	Body      []byte   // in the one form
}

// part writes one thing of what is asked.
type part struct {
	name  string
	write func(*writer, *Asked)
}

var parts = []part{
	{"scope", func(w *writer, a *Asked) { w.text(a.Scope) }},
	{"operation", func(w *writer, a *Asked) { w.number(int64(a.Op)) }},
	{"dialect", func(w *writer, a *Asked) { w.number(int64(a.Dialect)) }},
	{"method", func(w *writer, a *Asked) { w.text(a.Method) }},
	{"path", func(w *writer, a *Asked) { w.text(a.Path) }},
	{"content type", func(w *writer, a *Asked) { w.text(a.ContentType) }},
	{"stream", func(w *writer, a *Asked) { w.flag(a.Stream) }},
	{"strict", func(w *writer, a *Asked) { w.flag(a.Strict) }},
	{"model", func(w *writer, a *Asked) { w.text(a.Model) }},
	{"revision", func(w *writer, a *Asked) { w.text(a.Revision) }},
	{"targets", func(w *writer, a *Asked) { w.list(a.Targets) }},
	{"policy", func(w *writer, a *Asked) { w.text(a.Policy) }},
	{"max tokens", func(w *writer, a *Asked) { w.number(a.MaxTokens) }},
	{"filters", func(w *writer, a *Asked) { w.list(a.Filters) }},
	{"headers", func(w *writer, a *Asked) { w.list(a.Headers) }},
	{"body", func(w *writer, a *Asked) { w.bytes(a.Body) }},
}

// writer gathers parts, each of which says how long it is: no two lists of
// parts look alike.
type writer struct{ b []byte }

func (w *writer) number(n int64) { w.b = binary.LittleEndian.AppendUint64(w.b, uint64(n)) }
func (w *writer) text(s string)  { w.number(int64(len(s))); w.b = append(w.b, s...) }
func (w *writer) bytes(p []byte) { w.number(int64(len(p))); w.b = append(w.b, p...) }
func (w *writer) list(l []string) {
	w.number(int64(len(l)))
	for _, s := range l {
		w.text(s)
	}
}

func (w *writer) flag(is bool) {
	if is {
		w.number(1)
	} else {
		w.number(0)
	}
}

// Keyer makes keys under one secret: who does not have it cannot tell by a key
// what was asked. It is safe for concurrent use.
type Keyer struct {
	secret  []byte
	writers sync.Pool
}

// maxKept bounds the buffers that are kept for the next request.
const maxKept = 256 << 10

// NewKeyer returns the keyer of a secret.
func NewKeyer(secret []byte) *Keyer {
	k := &Keyer{secret: secret}
	k.writers.New = func() any { return &writer{} }
	return k
}

// KeyOf is the key of what is asked. Purposes keep the keys of one use apart
// from those of another.
func (k *Keyer) KeyOf(purpose string, a *Asked) Key { return k.keyOf(purpose, a, nil) }

// keyOf leaves out what skip names, for tests to see that nothing may be. No
// list of parts is the beginning of another, so that the secret before them
// serves as well as an HMAC, at a fraction of its cost.
func (k *Keyer) keyOf(purpose string, a *Asked, skip *part) Key {
	w := k.writers.Get().(*writer)
	w.b = append(w.b[:0], k.secret...)
	w.text(purpose)
	for i := range parts {
		if p := &parts[i]; p != skip {
			p.write(w, a)
		}
	}
	key := Key(sha256.Sum256(w.b))
	call.Poison(w.b)
	if cap(w.b) <= maxKept {
		k.writers.Put(w)
	}
	return key
}
