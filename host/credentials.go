package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/signalbox-ai/signalbox/host/admin"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/provider"
	"github.com/signalbox-ai/signalbox/host/store"
)

// credentialPlace ties a sealed credential to its row.
func credentialPlace(providerName, name string) string {
	return "credential/" + providerName + "/" + name + "/sealed"
}

// storedCredentials are those that were given through the admin API, by
// provider. When one of them retires, the providers are made anew.
func (h *Host) storedCredentials(ctx context.Context, g *generation) (map[string][]provider.SpecCredential, error) {
	list, err := h.store.Credentials(ctx, time.Now())
	if err != nil {
		return nil, err
	}
	out := map[string][]provider.SpecCredential{}
	var next time.Time
	for _, c := range list {
		value, err := h.seal.Open(ctx, sealCredential, credentialPlace(c.Provider, c.Name), c.Sealed)
		if err != nil {
			return nil, fmt.Errorf("cannot open stored credential %q of provider %q: %w", c.Name, c.Provider, err)
		}
		out[c.Provider] = append(out[c.Provider], provider.SpecCredential{Name: c.Name, Value: string(value), Weight: c.Weight})
		if !c.Retires.IsZero() && (next.IsZero() || c.Retires.Before(next)) {
			next = c.Retires
		}
	}
	h.retire.at(next)
	g.stored = list
	return out, nil
}

// sameCredentials reports whether two lists of the store hold the same.
func sameCredentials(a, b []store.Credential) bool {
	return slices.EqualFunc(a, b, func(a, b store.Credential) bool {
		return a.Provider == b.Provider && a.Name == b.Name && bytes.Equal(a.Sealed, b.Sealed) && a.Weight == b.Weight && a.Retires.Equal(b.Retires)
	})
}

// retireSoon calls for a look at the stored credentials when one has retired.
type retireSoon struct{ timer *time.Timer }

func (r *retireSoon) at(t time.Time) {
	if !t.IsZero() {
		r.timer.Reset(max(time.Until(t), 0) + time.Millisecond)
	}
}

// retireRetry is when what could not be retired is tried again.
const retireRetry = time.Minute

// retired takes credentials out of use whose time is over.
func (h *Host) retired() {
	h.reload.Lock()
	defer h.reload.Unlock()
	if g := h.gen.Load(); g != nil && !h.closed {
		if err := h.replace(context.Background(), g.cfg); err != nil {
			h.log.Error("cannot retire credentials, they stay in use until the next try", "err", err, "next_try", retireRetry)
			h.retire.at(time.Now().Add(retireRetry))
		}
	}
}

// AddCredential implements admin.Credentials.
func (h *Host) AddCredential(ctx context.Context, c admin.NewCredential) error {
	h.reload.Lock()
	defer h.reload.Unlock()
	cfg := h.gen.Load().cfg
	value, ok := config.CredentialText(c.Value)
	if !ok {
		return admin.ErrCredentialText
	}
	c.Value = value
	p, ok := cfg.Providers[c.Provider]
	if !ok {
		return admin.ErrProviderUnknown
	}
	if slices.ContainsFunc(p.Credentials, func(o config.Credential) bool { return o.Name == c.Name }) {
		return admin.ErrCredentialExists
	}
	row, err := h.sealed(ctx, c)
	if err != nil {
		return err
	}
	if err := h.store.AddCredential(ctx, row); errors.Is(err, store.ErrCredentialExists) {
		return admin.ErrCredentialExists
	} else if err != nil {
		return err
	}
	if err := h.replace(ctx, cfg); err != nil {
		return errors.Join(err, h.store.RemoveCredential(context.WithoutCancel(ctx), c.Provider, c.Name))
	}
	return nil
}

func (h *Host) sealed(ctx context.Context, c admin.NewCredential) (store.Credential, error) {
	text, err := h.seal.Seal(ctx, sealCredential, credentialPlace(c.Provider, c.Name), []byte(c.Value))
	return store.Credential{Provider: c.Provider, Name: c.Name, Weight: c.Weight, Created: time.Now(), Sealed: text}, err
}

// RotateCredential implements admin.Credentials: the new value serves from now
// on, the old one stands by for the overlap.
func (h *Host) RotateCredential(ctx context.Context, c admin.NewCredential, overlap time.Duration) error {
	h.reload.Lock()
	defer h.reload.Unlock()
	fresh, ok := config.CredentialText(c.Value)
	if !ok {
		return admin.ErrCredentialText
	}
	c.Value = fresh
	list, err := h.store.Credentials(ctx, time.Now())
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(o store.Credential) bool { // one that retires is not to be revived
		return o.Provider == c.Provider && o.Name == c.Name && o.Retires.IsZero()
	})
	if i < 0 {
		return h.unknownCredential(c.Provider, c.Name)
	}
	value, err := h.seal.Open(ctx, sealCredential, credentialPlace(c.Provider, c.Name), list[i].Sealed)
	if err != nil {
		return fmt.Errorf("cannot open stored credential %q of provider %q: %w", c.Name, c.Provider, err)
	}
	c.Weight = list[i].Weight
	now := time.Now()
	old, err := h.sealed(ctx, admin.NewCredential{Provider: c.Provider, Name: fmt.Sprintf("%s~%d", c.Name, now.UnixMilli()), Value: string(value)})
	if err != nil {
		return err
	}
	old.Retires = now.Add(max(overlap, time.Millisecond))
	row, err := h.sealed(ctx, c)
	if err != nil {
		return err
	}
	if err := h.store.RotateCredential(ctx, row, old); err != nil {
		return err
	}
	return h.replace(ctx, h.gen.Load().cfg)
}

// RemoveCredential implements admin.Credentials.
func (h *Host) RemoveCredential(ctx context.Context, providerName, name string) error {
	h.reload.Lock()
	defer h.reload.Unlock()
	if err := h.store.RemoveCredential(ctx, providerName, name); errors.Is(err, store.ErrCredentialUnknown) {
		return h.unknownCredential(providerName, name)
	} else if err != nil {
		return err
	}
	return h.replace(ctx, h.gen.Load().cfg)
}

func (h *Host) unknownCredential(providerName, name string) error {
	p, ok := h.gen.Load().cfg.Providers[providerName]
	switch {
	case !ok:
		return admin.ErrProviderUnknown
	case slices.ContainsFunc(p.Credentials, func(o config.Credential) bool { return o.Name == name }):
		return admin.ErrCredentialConfig
	}
	return admin.ErrCredentialUnknown
}

// ListCredentials implements admin.Credentials.
func (h *Host) ListCredentials(ctx context.Context) ([]admin.Credential, error) {
	stored, err := h.store.Credentials(ctx, time.Now())
	if err != nil {
		return nil, err
	}
	g := h.gen.Load()
	now := time.Now().UnixMilli()
	var out []admin.Credential
	for _, name := range sortedNames(g.cfg.Providers) {
		for _, c := range g.providers.Provider(name).Credentials {
			row := credentialRow(name, c, now)
			for _, s := range stored {
				if s.Provider == name && s.Name == c.Name {
					row.Source, row.Created, row.Retires = "store", s.Created, s.Retires
				}
			}
			out = append(out, row)
		}
	}
	return out, nil
}

func credentialRow(providerName string, c *call.Credential, now int64) admin.Credential {
	row := admin.Credential{Provider: providerName, Name: c.Name, Source: "config", Weight: c.Weight, State: "usable"}
	switch {
	case c.BenchedUntil.Load() > now:
		row.State, row.Until = "refused", time.UnixMilli(c.BenchedUntil.Load()).UTC()
	case c.CooldownUntil.Load() > now:
		row.State, row.Until = "rate limited", time.UnixMilli(c.CooldownUntil.Load()).UTC()
	case !c.Ready(now):
		row.State = "no token"
	case c.Rate.Spent(now):
		row.State = "rate limited"
	}
	if t := c.Token(); t != nil && !t.Expires.IsZero() {
		row.TokenExpires = t.Expires.UTC()
	}
	row.Requests = quotaRow(c.Rate.Requests(now))
	row.Tokens = quotaRow(c.Rate.Tokens(now))
	requests, tokens := c.Rate.Resets()
	if row.Requests != nil {
		row.Requests.Reset = time.UnixMilli(requests).UTC()
	}
	if row.Tokens != nil {
		row.Tokens.Reset = time.UnixMilli(tokens).UTC()
	}
	return row
}

func quotaRow(left, limit int64, ok bool) *admin.Quota {
	if !ok {
		return nil
	}
	return &admin.Quota{Left: left, Limit: limit}
}
