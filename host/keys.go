package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/signalbox-ai/signalbox/host/admin"
	"github.com/signalbox-ai/signalbox/host/auth"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/directory"
	"github.com/signalbox-ai/signalbox/host/jwt"
	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// loadKeys publishes the keys of the store and those of cfg. A key that names
// what the directory does not have, or has disabled, is known and refused.
func (h *Host) loadKeys(ctx context.Context, cfg *config.Config) error {
	publish, err := h.readKeys(ctx, cfg)
	if err != nil {
		return err
	}
	publish()
	h.recheck()
	return nil
}

// readKeys is loadKeys without the last step, which cannot fail. With the keys
// come the directory, the limits and the administrators, as they are now.
func (h *Host) readKeys(ctx context.Context, cfg *config.Config) (publish func(), err error) {
	dir, err := h.readDirectory(ctx)
	if err != nil {
		return nil, err
	}
	held, err := h.readLimits(ctx, cfg)
	if err != nil {
		return nil, err
	}
	stored, err := h.store.Keys(ctx)
	if err != nil {
		return nil, err
	}
	entries := make([]auth.Entry, 0, len(stored)+len(cfg.Keys))
	for i := range stored {
		k := &stored[i]
		k.Auth = "key"
		e, err := h.entry(dir, held, &k.Principal, k.MAC)
		if k.Damaged != nil {
			err = fmt.Errorf("it cannot be read: %w", k.Damaged)
		}
		if err != nil { // made by a newer version of this program: it must not keep what is said of others from holding
			h.log.Error("a key's limits cannot be held, and the key is refused", "key", k.KeyName, "err", err)
			e.Refused = errUnheld
		}
		if !k.Revoked.IsZero() {
			e.Refused = auth.ErrRevoked
		}
		entries = append(entries, e)
		if len(k.Previous) > 0 && k.Revoked.IsZero() {
			e.Until = k.Until
			copy(e.Digest[:], k.Previous)
			entries = append(entries, e)
		}
	}
	for _, k := range cfg.Keys {
		digest := h.keys.Digest([]byte(k.Value.Reveal()))
		e, err := h.entry(dir, held, k.Principal(), digest[:])
		if errors.Is(err, errLimitsUnread) { // which is not the configuration's fault
			e.Refused = errUnheld
		} else if err != nil {
			return nil, err
		}
		if e.Refused != nil {
			h.log.Error("a key of the configuration is refused", "key", k.Name, "why", e.Refused.Message)
		}
		entries = append(entries, e)
	}
	keys, err := h.keys.Prepare(entries)
	if err != nil {
		return nil, err
	}
	admins, err := h.readAdmins(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return func() {
		h.directory.Store(dir)
		h.held.Store(held)
		keys()
		for _, v := range []*jwt.Verifier{h.issuers.Load(), h.logins.Load()} {
			if v != nil {
				v.Forget()
			}
		}
		admins()
	}, nil
}

var errUnheld = &wire.Error{Status: 403, Code: "key_disabled", Class: wire.ClassPolicy,
	Message: "the key is refused: this gateway cannot hold its limits: tell the operator"}

// entry is p with the digest of its secret, as dir and held make it, ready to be
// published.
func (h *Host) entry(dir *directory.Directory, held *heldLimits, p *call.Principal, digest []byte) (e auth.Entry, err error) {
	e.Principal, e.Refused = h.settle(dir, p)
	copy(e.Digest[:], digest)
	if err := p.Scope.Check(); err != nil { // of a newer version of this program: it must not stop what is said of other keys
		h.log.Error("a key's scope cannot be read, and the key is refused", "key", p.KeyName, "err", err)
		e.Refused = wire.Errorf(403, "key_disabled", "the key is refused: this gateway cannot read what it is good for: tell the operator")
	}
	if err := h.limit(held, e.Principal); err != nil {
		return e, fmt.Errorf("cannot use key %q: %w", p.KeyName, err)
	}
	return e, nil
}

// limit gives p all limits that hold for it beside policy's. A limit that
// cannot be held is an error here, not at a request.
func (h *Host) limit(held *heldLimits, p *call.Principal) error {
	if err := held.check(p); err != nil {
		return err
	}
	p.Limits = held.of(p)
	if err := h.checkRates(p.Limits); err != nil {
		return err
	}
	_, err := h.chains.of(h.budget, p, &call.Decision{}, nil)
	return err
}

// CreateKey implements admin.Keys.
func (h *Host) CreateKey(ctx context.Context, n admin.NewKey) (admin.Created, error) {
	h.reload.Lock()
	defer h.reload.Unlock()
	if h.configured(n.Name) {
		return admin.Created{}, admin.ErrKeyExists
	}
	id, token := auth.Generate()
	digest := h.keys.Digest([]byte(token))
	k := store.Key{MAC: digest[:], Created: time.Now(), Principal: call.Principal{KeyID: id, KeyName: n.Name}}
	if err := h.describe(&k.Principal, &n); err != nil {
		return admin.Created{}, err
	}
	if err := h.store.CreateKey(ctx, k); errors.Is(err, store.ErrKeyExists) {
		return admin.Created{}, admin.ErrKeyExists
	} else if err != nil {
		return admin.Created{}, err
	}
	return admin.Created{ID: id, Name: n.Name, Token: token}, h.loadKeys(ctx, h.gen.Load().cfg)
}

// configured reports whether a key of the configuration has the name or id.
func (h *Host) configured(idOrName string) bool {
	return slices.ContainsFunc(h.gen.Load().cfg.Keys, func(k config.Key) bool { return k.Name == idOrName || k.ID() == idOrName })
}

// describe makes p what n says, if the directory and the bank take it.
func (h *Host) describe(p *call.Principal, n *admin.NewKey) error {
	p.Org, p.Project, p.Team, p.User, p.Env = n.Org, n.Project, n.Team, n.User, n.Env
	p.Roles, p.Attrs, p.Scope, p.Expires, p.Budgets = n.Roles, n.Attrs, n.Scope, n.Expires, slices.Concat(n.Budgets, n.Rates)
	for i := range p.Budgets {
		p.Budgets[i].Scope = "key/" + p.KeyID
		if err := checkLimit(&p.Budgets[i]); err != nil {
			list, at := "budgets", i
			if at >= len(n.Budgets) {
				list, at = "rates", i-len(n.Budgets)
			}
			return refuseLimit(fmt.Errorf("%s[%d]: %w", list, at, err))
		}
	}
	if p.Scope.Empty() {
		p.Scope = nil
	}
	settled, err := h.directory.Load().Settle(p)
	if err != nil {
		return wire.Errorf(400, "invalid_request", "%s", h.unsettled(err))
	}
	if settled == p {
		settled = new(*p)
	}
	if err := h.limit(h.held.Load(), settled); err != nil {
		return refuseLimit(err)
	}
	return nil
}

// UpdateKey implements admin.KeyChanges.
func (h *Host) UpdateKey(ctx context.Context, idOrName string, change func(*admin.NewKey) error) (admin.Key, error) {
	return h.changeKey(ctx, idOrName, func(k *store.Key) error {
		was := listed(&k.Principal, "store")
		n := admin.NewKey{Name: k.KeyName, Org: k.Org, Project: k.Project, Team: k.Team, User: k.User, Env: k.Env, Roles: k.Roles,
			Attrs: k.Attrs, Budgets: was.Budgets, Rates: was.Rates, Scope: k.Scope, Expires: k.Expires}
		if err := change(&n); err != nil {
			return err
		}
		return h.describe(&k.Principal, &n)
	})
}

// RotateKey implements admin.KeyChanges.
func (h *Host) RotateKey(ctx context.Context, idOrName string, overlap time.Duration) (admin.Created, error) {
	var token string
	k, err := h.changeKey(ctx, idOrName, func(k *store.Key) error {
		now := time.Now()
		token = auth.Renew(k.KeyID)
		digest := h.keys.Digest([]byte(token))
		k.Previous, k.Until = k.MAC, now.Add(overlap)
		if overlap <= 0 {
			k.Previous, k.Until = nil, time.Time{}
		}
		k.MAC, k.Rotated = digest[:], now
		return nil
	})
	return admin.Created{ID: k.ID, Name: k.Name, Token: token, PreviousUntil: k.PreviousUntil}, err
}

// FinishKey implements admin.KeyChanges.
func (h *Host) FinishKey(ctx context.Context, idOrName string) (admin.Key, error) {
	return h.changeKey(ctx, idOrName, func(k *store.Key) error {
		k.Previous, k.Until = nil, time.Time{}
		return nil
	})
}

func (h *Host) changeKey(ctx context.Context, idOrName string, change func(*store.Key) error) (admin.Key, error) {
	h.reload.Lock()
	defer h.reload.Unlock()
	k, err := h.store.ChangeKey(ctx, idOrName, change)
	if err != nil {
		return admin.Key{}, h.keyError(err, idOrName)
	}
	return h.listedKey(&k), h.loadKeys(ctx, h.gen.Load().cfg)
}

// ListKeys implements admin.Keys.
func (h *Host) ListKeys(ctx context.Context) ([]admin.Key, error) {
	if err := h.noteUse(ctx); err != nil {
		return nil, err
	}
	stored, err := h.store.Keys(ctx)
	if err != nil {
		return nil, err
	}
	var list []admin.Key
	for _, k := range h.gen.Load().cfg.Keys {
		row := listed(k.Principal(), "config")
		row.Refused = h.refusedFor(k.Principal())
		list = append(list, row)
	}
	for i := range stored {
		list = append(list, h.listedKey(&stored[i]))
	}
	return list, nil
}

func (h *Host) listedKey(k *store.Key) admin.Key {
	row := listed(&k.Principal, "store")
	row.Created, row.Revoked, row.Rotated, row.Used = k.Created, k.Revoked, k.Rotated, k.Used
	if len(k.Previous) > 0 && time.Now().Before(k.Until) {
		row.PreviousUntil = k.Until
	}
	row.Refused = h.refusedFor(&k.Principal)
	return row
}

func listed(p *call.Principal, source string) admin.Key {
	var budgets, rates []call.Limit
	for _, l := range bare(p.Budgets) { // the key's own
		if l.Rate {
			rates = append(rates, l)
		} else {
			budgets = append(budgets, l)
		}
	}
	return admin.Key{ID: p.KeyID, Name: p.KeyName, Source: source, Org: p.Org, Project: p.Project, Team: p.Team,
		User: p.User, Env: p.Env, Roles: p.Roles, Attrs: p.Attrs, Budgets: budgets, Rates: rates, Scope: p.Scope, Expires: p.Expires}
}

// RevokeKey implements admin.Keys.
func (h *Host) RevokeKey(ctx context.Context, idOrName string) error {
	h.reload.Lock()
	defer h.reload.Unlock()
	if err := h.store.RevokeKey(ctx, idOrName, time.Now()); err != nil {
		return h.keyError(err, idOrName)
	}
	return h.loadKeys(ctx, h.gen.Load().cfg)
}

func (h *Host) keyError(err error, idOrName string) error {
	switch {
	case errors.Is(err, store.ErrKeyUnknown) && h.configured(idOrName):
		return admin.ErrKeyConfig
	case errors.Is(err, store.ErrKeyUnknown):
		return admin.ErrKeyUnknown
	}
	return err
}
