package host

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/signalbox-ai/signalbox/host/admin"
	"github.com/signalbox-ai/signalbox/host/auth"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/seal"
	"github.com/signalbox-ai/signalbox/host/store"
)

// sealKeyFile holds the key of what the store keeps secret where the
// configuration gives none.
const sealKeyFile = "secrets.key"

// Classes of what is sealed; each has a data key of its own.
const (
	sealCredential = "credential"
	sealSecret     = kindSecret
)

// sealClasses are all of them.
var sealClasses = []string{sealCredential, sealSecret, kindAlert}

// kindSecret is that of the documents that hold the gateway's own secrets.
const kindSecret = "secret"

// openSeal readies the keys of what the store keeps secret.
func (h *Host) openSeal(ctx context.Context, cfg config.Secrets) error {
	wrap, others, err := h.wrappers(cfg)
	if err != nil {
		return err
	}
	if h.seal, err = seal.Open(ctx, h.store, wrap, others...); err != nil {
		return err
	}
	return h.tellKeys(ctx)
}

// useSeal takes other key-encryption keys into use.
func (h *Host) useSeal(ctx context.Context, cfg config.Secrets) error {
	wrap, others, err := h.wrappers(cfg)
	if err != nil {
		return err
	}
	if err := h.seal.Use(ctx, wrap, others...); err != nil {
		return err
	}
	return h.tellKeys(ctx)
}

// wrappers are the key that wraps and those that unwrap beside it.
func (h *Host) wrappers(cfg config.Secrets) (wrap seal.Wrapper, others []seal.Wrapper, err error) {
	program := len(cfg.KMS.Command) > 0
	if cfg.Key == "" && (!program || cfg.KMS.UnwrapOnly) {
		if cfg.Key, _, err = config.Keep(filepath.Join(h.dir, sealKeyFile), auth.Secret); err != nil {
			return nil, nil, err
		}
	}
	for _, text := range append([]config.Secret{cfg.Key}, cfg.Previous...) {
		if text == "" {
			continue
		}
		l, err := seal.NewLocal(text.Reveal())
		if err != nil {
			return nil, nil, err
		}
		others = append(others, l)
	}
	if program {
		k := &seal.Command{Name: cfg.KMS.KeyName(), Args: cfg.KMS.Command, Env: seal.Environ(cfg.KMS.Env), Timeout: cfg.KMS.Timeout}
		if !cfg.KMS.UnwrapOnly {
			return k, others, nil
		}
		others = append(others, k)
	}
	return others[0], others[1:], nil
}

// sealedBody is a document that holds one secret.
type sealedBody struct {
	Sealed []byte `json:"sealed"`
}

func secretPlace(name string) string { return "document/secret/" + name }

// secret returns the n random bytes that the store keeps sealed under name;
// the first node that asks makes them.
func (h *Host) secret(ctx context.Context, name string, n int) ([]byte, error) {
	for {
		docs, err := h.store.Documents(ctx, kindSecret)
		if err != nil {
			return nil, err
		}
		for _, d := range docs {
			if d.Name == name {
				return h.openSealed(ctx, d, secretPlace(name))
			}
		}
		fresh := make([]byte, n)
		rand.Read(fresh)
		if err := h.putSealed(ctx, call.Document{Kind: kindSecret, Name: name}, secretPlace(name), fresh); err == nil {
			return fresh, nil
		} else if !errors.Is(err, call.ErrRevision) { // else another node was first
			return nil, err
		}
	}
}

// openSealed returns the one secret of a document.
func (h *Host) openSealed(ctx context.Context, d call.Document, place string) ([]byte, error) {
	var b sealedBody
	err := json.Unmarshal(d.Body, &b)
	var plain []byte
	if err == nil {
		plain, err = h.seal.Open(ctx, d.Kind, place, b.Sealed)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open %s %q of the store: %w", d.Kind, d.Name, err)
	}
	return plain, nil
}

// putSealed keeps plain as the one secret of a document; the class is named like
// its kind.
func (h *Host) putSealed(ctx context.Context, d call.Document, place string, plain []byte) error {
	sealed, err := h.seal.Seal(ctx, d.Kind, place, plain)
	if err == nil {
		d.Body, err = json.Marshal(sealedBody{sealed})
	}
	if err == nil {
		_, err = h.store.PutDocument(ctx, d)
	}
	return err
}

// Rekey implements admin.Secrets: data keys are wrapped under the key in use;
// with data, all that is sealed is sealed anew under new data keys.
func (h *Host) Rekey(ctx context.Context, data bool) (r admin.Rekeyed, err error) {
	h.reload.Lock()
	defer h.reload.Unlock()
	r.Key = h.seal.KEK()
	if err := h.checkNodes(ctx, r.Key); err != nil {
		return r, err
	}
	if r.Wrapped, err = h.seal.Rewrap(ctx); err != nil || !data {
		return r, err
	}
	for _, class := range sealClasses {
		if err := h.seal.Renew(ctx, class); err != nil {
			return r, err
		}
	}
	if err := h.resealCredentials(ctx, &r); err != nil {
		return r, err
	}
	if err := h.resealDocuments(ctx, kindSecret, secretPlace, &r); err != nil {
		return r, err
	}
	if err := h.resealDocuments(ctx, kindAlert, alertPlace, &r); err != nil {
		return r, err
	}
	for _, class := range sealClasses {
		left, err := h.seal.Drop(ctx, class)
		if err != nil {
			return r, err
		}
		r.Retired += left
	}
	return r, nil
}

func (h *Host) resealCredentials(ctx context.Context, r *admin.Rekeyed) error {
	list, err := h.store.Credentials(ctx, time.Now())
	if err != nil {
		return err
	}
	for _, c := range list {
		if fresh, err := h.seal.Fresh(ctx, sealCredential, c.Sealed); err != nil || fresh {
			if err != nil {
				return err
			}
			continue
		}
		plain, err := h.seal.Open(ctx, sealCredential, credentialPlace(c.Provider, c.Name), c.Sealed)
		if err != nil {
			return fmt.Errorf("cannot open stored credential %q of provider %q: %w", c.Name, c.Provider, err)
		}
		old := c.Sealed
		if c.Sealed, err = h.seal.Seal(ctx, sealCredential, credentialPlace(c.Provider, c.Name), plain); err != nil {
			return err
		}
		// One that was rotated or removed meanwhile has no need of it.
		if err := h.store.ResealCredential(ctx, c, old); err != nil && !errors.Is(err, store.ErrCredentialUnknown) {
			return err
		}
		r.Sealed++
	}
	return nil
}

// resealDocuments seals the documents of a kind anew; the class is named like it.
func (h *Host) resealDocuments(ctx context.Context, kind string, place func(string) string, r *admin.Rekeyed) error {
	docs, err := h.store.Documents(ctx, kind)
	if err != nil {
		return err
	}
	for _, d := range docs {
		var b sealedBody
		if err := json.Unmarshal(d.Body, &b); err != nil {
			return fmt.Errorf("cannot read %s %q of the store: %w", kind, d.Name, err)
		}
		fresh, err := h.seal.Fresh(ctx, kind, b.Sealed)
		if err != nil || fresh {
			if err != nil {
				return err
			}
			continue
		}
		plain, err := h.openSealed(ctx, d, place(d.Name))
		if err != nil {
			return err
		}
		if err := h.putSealed(ctx, d, place(d.Name), plain); err != nil && !errors.Is(err, call.ErrRevision) { // somebody else did it
			return err
		}
		r.Sealed++
	}
	return nil
}

// SecretKeys implements admin.Secrets.
func (h *Host) SecretKeys(ctx context.Context) (any, error) {
	classes, err := h.seal.Classes(ctx)
	return map[string]any{"key": h.seal.KEK(), "classes": append([]seal.Class{}, classes...)}, err
}
