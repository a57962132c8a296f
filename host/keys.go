package host

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/signalbox-ai/signalbox/host/admin"
	"github.com/signalbox-ai/signalbox/host/auth"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/store"
)

// loadKeys publishes the keys of the store and those of cfg.
func (h *Host) loadKeys(ctx context.Context, cfg *config.Config) error {
	stored, err := h.store.Keys(ctx)
	if err != nil {
		return err
	}
	entries := make([]auth.Entry, 0, len(stored)+len(cfg.Keys))
	for i := range stored {
		k := &stored[i]
		e := auth.Entry{Principal: &k.Principal, Revoked: !k.Revoked.IsZero()}
		copy(e.Digest[:], k.MAC)
		entries = append(entries, e)
	}
	for _, k := range cfg.Keys {
		entries = append(entries, auth.Entry{Digest: h.keys.Digest([]byte(k.Value.Reveal())), Principal: k.Principal()})
	}
	for _, e := range entries {
		if err := h.checkBudgets(e.Principal); err != nil {
			return err
		}
	}
	return h.keys.Set(entries)
}

// checkBudgets makes a limit that cannot be held a refusal at load, not at a request.
func (h *Host) checkBudgets(p *call.Principal) error {
	_, err := h.chains.of(h.budget, p, &call.Decision{})
	return err
}

// CreateKey implements admin.Keys.
func (h *Host) CreateKey(ctx context.Context, n admin.NewKey) (admin.Created, error) {
	h.reload.Lock()
	defer h.reload.Unlock()
	for _, k := range h.gen.Load().cfg.Keys {
		if k.Name == n.Name {
			return admin.Created{}, admin.ErrKeyExists
		}
	}
	id, token := auth.Generate()
	digest := h.keys.Digest([]byte(token))
	k := store.Key{MAC: digest[:], Created: time.Now(), Principal: call.Principal{
		KeyID: id, KeyName: n.Name, Org: n.Org, Project: n.Project, Team: n.Team, User: n.User, Env: n.Env,
		Roles: n.Roles, Attrs: n.Attrs, Budgets: slices.Clone(n.Budgets), Expires: n.Expires}}
	for i := range k.Budgets {
		k.Budgets[i].Scope = "key/" + id
	}
	if err := h.checkBudgets(&k.Principal); err != nil {
		return admin.Created{}, err
	}
	if err := h.store.CreateKey(ctx, k); errors.Is(err, store.ErrKeyExists) {
		return admin.Created{}, admin.ErrKeyExists
	} else if err != nil {
		return admin.Created{}, err
	}
	return admin.Created{ID: id, Name: n.Name, Token: token}, h.loadKeys(ctx, h.gen.Load().cfg)
}

// ListKeys implements admin.Keys.
func (h *Host) ListKeys(ctx context.Context) ([]admin.Key, error) {
	stored, err := h.store.Keys(ctx)
	if err != nil {
		return nil, err
	}
	var list []admin.Key
	for _, k := range h.gen.Load().cfg.Keys {
		list = append(list, listed(k.Principal(), "config"))
	}
	for i := range stored {
		k := listed(&stored[i].Principal, "store")
		k.Created, k.Revoked = stored[i].Created, stored[i].Revoked
		list = append(list, k)
	}
	return list, nil
}

func listed(p *call.Principal, source string) admin.Key {
	return admin.Key{ID: p.KeyID, Name: p.KeyName, Source: source, Org: p.Org, Project: p.Project, Team: p.Team,
		User: p.User, Env: p.Env, Roles: p.Roles, Budgets: p.Budgets, Expires: p.Expires}
}

// RevokeKey implements admin.Keys.
func (h *Host) RevokeKey(ctx context.Context, idOrName string) error {
	h.reload.Lock()
	defer h.reload.Unlock()
	err := h.store.RevokeKey(ctx, idOrName, time.Now())
	if errors.Is(err, store.ErrKeyUnknown) {
		for _, k := range h.gen.Load().cfg.Keys {
			if k.Name == idOrName || k.ID() == idOrName {
				return admin.ErrKeyConfig
			}
		}
		return admin.ErrKeyUnknown
	}
	if err != nil {
		return err
	}
	return h.loadKeys(ctx, h.gen.Load().cfg)
}
