package admin

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// sessionKind is the kind of the documents that hold who has signed in.
const sessionKind = "session"

const (
	mostOfOne     = 16  // browsers that one administrator is signed in with
	mostSessions  = 256 // of all
	lookAgain     = 5 * time.Second
	touchEvery    = time.Minute
	missesAllowed = 20 // unknown cookies in a second for which the store is read
)

// kept is one who has signed in. The token lies in it sealed with a key that is
// made from the cookie, which is kept nowhere: whoever reads the store can use
// neither, and whoever has the cookie alone neither, once the document is gone.
type kept struct {
	Who     string    `json:"who"`
	Role    string    `json:"role"`
	Started time.Time `json:"started"`
	Seen    time.Time `json:"seen"`
	Sealed  []byte    `json:"sealed"`

	name     string
	revision int64
}

func (k *kept) over(now time.Time) bool {
	return now.Sub(k.Seen) >= idleAfter || now.Sub(k.Started) >= longest
}

// sessions are those of the store, read again now and then: gateways that share
// one hear of each other's within lookAgain.
type sessions struct {
	docs Docs
	now  func() time.Time

	mu     sync.Mutex
	by     map[string]*kept // by name
	read   time.Time
	misses int // since read
}

func newSessions(docs Docs) *sessions { return &sessions{docs: docs, now: time.Now} }

// find returns the one of the cookie, nil: there is none any more.
func (s *sessions) find(ctx context.Context, id []byte) (*kept, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, name := s.now(), nameOf(id)
	if now.Sub(s.read) >= lookAgain {
		if err := s.load(ctx); err != nil {
			return nil, err
		}
	}
	k := s.by[name]
	if k == nil && s.misses < missesAllowed { // it may be another gateway's, and new
		s.misses++
		if err := s.load(ctx); err != nil {
			return nil, err
		}
		k = s.by[name]
	}
	if k == nil || k.over(now) {
		return nil, nil
	}
	return k, nil
}

// load reads all anew; s.mu is held.
func (s *sessions) load(ctx context.Context) error {
	docs, err := s.docs.Documents(ctx, sessionKind)
	if err != nil {
		return fmt.Errorf("cannot read who is signed in: %w", err)
	}
	by := make(map[string]*kept, len(docs))
	for _, d := range docs {
		k := &kept{name: d.Name, revision: d.Revision}
		if json.Unmarshal(d.Body, k) != nil { // it is over, and goes when the next one comes
			k = &kept{name: d.Name, revision: d.Revision}
		}
		by[d.Name] = k
	}
	if now := s.now(); now.Sub(s.read) >= time.Second {
		s.read, s.misses = now, 0
	}
	s.by = by
	return nil
}

// begin keeps who has signed in with token, and makes room for it.
func (s *sessions) begin(ctx context.Context, id []byte, who Identity, token string) (*kept, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.load(ctx); err != nil {
		return nil, err
	}
	if err := s.makeRoom(ctx, who.Name); err != nil {
		return nil, err
	}
	now := s.now().UTC()
	k := &kept{name: nameOf(id), Who: who.Name, Role: who.Role.String(), Started: now, Seen: now, Sealed: sealToken(id, token)}
	return k, s.put(ctx, k)
}

// makeRoom removes what is over, and the one that was used longest ago of
// somebody who has too many; s.mu is held.
func (s *sessions) makeRoom(ctx context.Context, who string) error {
	var own []*kept
	for name, k := range s.by {
		switch {
		case k.over(s.now()):
			if err := s.remove(ctx, name); err != nil {
				return err
			}
		case k.Who == who:
			own = append(own, k)
		}
	}
	if len(own) >= mostOfOne {
		oldest := own[0]
		for _, k := range own {
			if k.Seen.Before(oldest.Seen) {
				oldest = k
			}
		}
		return s.remove(ctx, oldest.name)
	}
	if len(s.by) >= mostSessions {
		return wire.Errorf(http.StatusServiceUnavailable, "too_many_sessions", "%d browsers are signed in, which is the most there may be: sign out where it is not needed, or wait for half an hour", len(s.by))
	}
	return nil
}

// touch notes that k is in use.
func (s *sessions) touch(ctx context.Context, k *kept) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now().UTC()
	if now.Sub(k.Seen) < touchEvery || s.by[k.name] == nil {
		return
	}
	fresh := *k
	fresh.Seen = now
	_ = s.put(ctx, &fresh) // where it cannot, or another gateway has just done it, the next request does
}

// end forgets the one of the cookie.
func (s *sessions) end(ctx context.Context, id []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.remove(ctx, nameOf(id))
}

func (s *sessions) put(ctx context.Context, k *kept) error {
	body, err := json.Marshal(k)
	if err != nil {
		return fmt.Errorf("cannot keep who has signed in: %w", err)
	}
	if k.revision, err = s.docs.PutDocument(ctx, call.Document{Kind: sessionKind, Name: k.name, Revision: k.revision, Body: body}); err == nil {
		s.by[k.name] = k
	}
	return err
}

func (s *sessions) remove(ctx context.Context, name string) error {
	delete(s.by, name)
	if err := s.docs.DeleteDocument(ctx, sessionKind, name, 0); err != nil && !errors.Is(err, call.ErrNoDocument) {
		return fmt.Errorf("cannot forget who has signed in: %w", err)
	}
	return nil
}

// What is made from a cookie: each of these tells nothing of the others.
func derived(id []byte, what string) []byte {
	key, err := hkdf.Key(sha256.New, id, nil, "signalbox/"+what, secretSize)
	if err != nil {
		panic("BUG: a key cannot be made: " + err.Error())
	}
	return key
}

func nameOf(id []byte) string { return hex.EncodeToString(derived(id, "name")[:16]) }
func csrfOf(id []byte) string { return base64.RawURLEncoding.EncodeToString(derived(id, "csrf")) }

func aead(id []byte) cipher.AEAD {
	block, err := aes.NewCipher(derived(id, "token"))
	if err == nil {
		var g cipher.AEAD
		if g, err = cipher.NewGCM(block); err == nil {
			return g
		}
	}
	panic("BUG: there is no cipher: " + err.Error())
}

func sealToken(id []byte, token string) []byte {
	nonce := make([]byte, 12)
	_, _ = rand.Read(nonce) // it never fails
	return aead(id).Seal(nonce, nonce, []byte(token), nil)
}

func (k *kept) open(id []byte) (token string, ok bool) {
	if len(k.Sealed) < 12 {
		return "", false
	}
	text, err := aead(id).Open(nil, k.Sealed[:12], k.Sealed[12:], nil)
	return string(text), err == nil
}
