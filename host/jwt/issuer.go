package jwt

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

const (
	fetchTimeout = 5 * time.Second
	maxDocument  = 1 << 20
	maxKeys      = 64
	minRSA       = 2048 // bits
)

// issuer is an Issuer with its keys.
type issuer struct {
	opt    Issuer
	client *http.Client
	keys   atomic.Pointer[keySet] // nil: none were fetched yet
	fault  atomic.Pointer[error]  // of the last fetch, nil: there was none

	mu    sync.Mutex // of one fetch at a time
	tried time.Time  // when keys were fetched last, with whatever outcome
}

// keySet are keys as they were fetched once. It is immutable.
type keySet struct {
	list []*jose.JSONWebKey
	at   time.Time
}

func newIssuer(o Issuer, client *http.Client) *issuer {
	for _, d := range []struct {
		at  *time.Duration
		def time.Duration
	}{{&o.Leeway, time.Minute}, {&o.Refresh, 10 * time.Minute}, {&o.Retry, 10 * time.Second}, {&o.Stale, 24 * time.Hour}} {
		if *d.at <= 0 {
			*d.at = d.def
		}
	}
	return &issuer{opt: o, client: client}
}

// keys are those of i that may have made a signature with that header, and until
// when they count, in Unix seconds, if they are not renewed.
func (v *Verifier) keys(i *issuer, h *jose.Header, now time.Time) ([]*jose.JSONWebKey, int64, *wire.Error) {
	set := i.keys.Load()
	list := set.find(h, i, now)
	if len(list) == 0 {
		if set = v.fetch(i, set, now); set.old(i, now) {
			e := refuse(503, "issuer_unavailable", "the keys of the token's issuer cannot be fetched now: try again later")
			e.RetryAfter = i.opt.Retry
			return nil, 0, e
		}
		if list = set.find(h, i, now); len(list) == 0 {
			return nil, 0, invalid("it is signed with a key that its issuer does not have")
		}
	}
	return list, set.at.Add(i.opt.Stale).Unix(), nil
}

// old reports whether s is too old to be used, or not there.
func (s *keySet) old(i *issuer, now time.Time) bool {
	return s == nil || now.Sub(s.at) > i.opt.Stale
}

// find is what of s may have made a signature: the keys with its id, or all
// where it names none.
func (s *keySet) find(h *jose.Header, i *issuer, now time.Time) (list []*jose.JSONWebKey) {
	if s.old(i, now) {
		return nil
	}
	for _, k := range s.list {
		if (h.KeyID == "" || k.KeyID == h.KeyID) && fits(k, h.Algorithm) {
			list = append(list, k)
		}
	}
	return list
}

// fits reports whether k signs with alg.
func fits(k *jose.JSONWebKey, alg string) bool {
	if k.Algorithm != "" && k.Algorithm != alg {
		return false
	}
	switch jose.SignatureAlgorithm(alg) {
	case jose.RS256, jose.PS256:
		_, ok := k.Key.(*rsa.PublicKey)
		return ok
	case jose.ES256:
		_, ok := k.Key.(*ecdsa.PublicKey)
		return ok
	case jose.EdDSA:
		_, ok := k.Key.(ed25519.PublicKey)
		return ok
	}
	return false
}

// fetch renews the keys of i, unless that was tried a moment ago or another
// has done so since had was read, and returns those to use.
func (v *Verifier) fetch(i *issuer, had *keySet, now time.Time) *keySet {
	i.mu.Lock()
	defer i.mu.Unlock()
	set := i.keys.Load()
	if set != had || !i.tried.IsZero() && now.Sub(i.tried) < i.opt.Retry && now.Sub(i.tried) >= 0 {
		return set
	}
	i.tried = now
	ctx, cancel := context.WithTimeout(v.life, fetchTimeout)
	defer cancel()
	list, err := i.load(ctx)
	if err != nil {
		i.fault.Store(&err)
		v.opt.Log.Warn("the keys of an issuer cannot be fetched", "issuer", i.opt.Name, "err", err)
		return set
	}
	i.fault.Store(nil)
	fresh := &keySet{list: list, at: now}
	i.keys.Store(fresh)
	if set != nil && !reflect.DeepEqual(set.list, list) {
		v.opt.Log.Info("an issuer has changed its keys", "issuer", i.opt.Name, "keys", len(list))
		v.Forget() // what was signed with a key that is gone
	}
	return fresh
}

// load reads the keys from where they are.
func (i *issuer) load(ctx context.Context) ([]*jose.JSONWebKey, error) {
	at := i.opt.JWKS
	if at == "" {
		var doc struct {
			Issuer string `json:"issuer"`
			JWKS   string `json:"jwks_uri"`
		}
		if err := i.get(ctx, strings.TrimSuffix(i.opt.URL, "/")+"/.well-known/openid-configuration", &doc); err != nil {
			return nil, err
		}
		if doc.Issuer != i.opt.URL {
			return nil, fmt.Errorf("cannot use the discovery document: it is of issuer %q, not of %q", doc.Issuer, i.opt.URL)
		}
		at = doc.JWKS
	}
	if err := call.SecureURL(at); err != nil {
		return nil, fmt.Errorf("cannot use jwks_uri: %w", err)
	}
	var doc struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := i.get(ctx, at, &doc); err != nil {
		return nil, err
	}
	var list []*jose.JSONWebKey
	for _, raw := range doc.Keys {
		k := &jose.JSONWebKey{}
		if k.UnmarshalJSON(raw) == nil && usable(k) && len(list) < maxKeys { // others are for other uses
			list = append(list, k)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("cannot use the keys at %q: none of %d is for RS256, PS256 (from %d bits), ES256 or EdDSA", at, len(doc.Keys), minRSA)
	}
	return list, nil
}

func usable(k *jose.JSONWebKey) bool {
	if k.Use != "" && k.Use != "sig" || !k.Valid() || !k.IsPublic() {
		return false
	}
	switch key := k.Key.(type) {
	case *rsa.PublicKey:
		return key.N.BitLen() >= minRSA
	case *ecdsa.PublicKey:
		return key.Curve == elliptic.P256()
	case ed25519.PublicKey:
		return true
	}
	return false
}

func (i *issuer) get(ctx context.Context, at string, doc any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	client := *i.client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // it is where it says that it is
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	switch {
	case err != nil:
		return fmt.Errorf("cannot read %q: %w", at, err)
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("cannot read %q: it answers %s", at, resp.Status)
	case len(body) > maxDocument:
		return fmt.Errorf("cannot read %q: it is larger than %d bytes", at, maxDocument)
	}
	if err := json.Unmarshal(body, doc); err != nil {
		return fmt.Errorf("cannot read %q: %w", at, err)
	}
	return nil
}

// Start fetches keys now and renews them until Stop.
func (v *Verifier) Start() {
	for _, i := range v.issuers {
		v.done.Go(func() {
			tick := time.NewTicker(i.opt.Refresh)
			defer tick.Stop()
			for {
				v.fetch(i, i.keys.Load(), time.Now())
				select {
				case <-v.life.Done():
					return
				case <-tick.C:
				}
			}
		})
	}
}

// Stop ends what Start began. It may be called twice, and without Start.
func (v *Verifier) Stop() {
	v.end()
	v.done.Wait()
}

// Stats is how an issuer fares.
type Stats struct {
	Issuer  string    `json:"issuer"`
	Keys    int       `json:"keys"`
	Fetched time.Time `json:"fetched,omitzero"`
	Fault   string    `json:"fault,omitempty"`
}

// Stats tells of all issuers, by name; of no verifier there are none.
func (v *Verifier) Stats() []Stats {
	list := []Stats{}
	if v == nil {
		return list
	}
	for _, i := range v.issuers {
		s := Stats{Issuer: i.opt.Name}
		if set := i.keys.Load(); set != nil {
			s.Keys, s.Fetched = len(set.list), set.at
		}
		if fault := i.fault.Load(); fault != nil {
			s.Fault = (*fault).Error()
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b Stats) int { return strings.Compare(a.Issuer, b.Issuer) })
	return list
}
