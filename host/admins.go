package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/signalbox-ai/signalbox/host/admin"
	"github.com/signalbox-ai/signalbox/host/auth"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/jwt"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// adminKind is the kind of the documents that hold administrators.
const adminKind = "admin"

// adminDocument is an administrator as it is kept: without the token.
type adminDocument struct {
	ID       string    `json:"id"`
	Role     string    `json:"role"`
	MAC      []byte    `json:"mac"`
	Previous []byte    `json:"previous,omitempty"`
	Until    time.Time `json:"until,omitzero"` // previous counts
	Created  time.Time `json:"created"`
	Expires  time.Time `json:"expires,omitzero"`

	name     string
	revision int64
}

// adminDocuments are the administrators of the store.
func (h *Host) adminDocuments(ctx context.Context) ([]*adminDocument, error) {
	docs, err := h.store.Documents(ctx, adminKind)
	if err != nil {
		return nil, err
	}
	var list []*adminDocument
	for _, d := range docs {
		a := &adminDocument{name: d.Name, revision: d.Revision}
		if err := json.Unmarshal(d.Body, a); err != nil {
			h.log.Error("an administrator cannot be read, and is not let in", "name", d.Name, "err", err)
			continue
		}
		list = append(list, a)
	}
	return list, nil
}

// loadAdmins publishes the administrators of the store and those of cfg.
func (h *Host) loadAdmins(ctx context.Context, cfg *config.Config) error {
	publish, err := h.readAdmins(ctx, cfg)
	if err == nil {
		publish()
	}
	return err
}

// readAdmins is loadAdmins without the last step, which cannot fail.
func (h *Host) readAdmins(ctx context.Context, cfg *config.Config) (publish func(), err error) {
	stored, err := h.adminDocuments(ctx)
	if err != nil {
		return nil, err
	}
	var entries []auth.Entry
	add := func(a *adminDocument, mac []byte, until time.Time) {
		e := auth.Entry{Until: until, Principal: &call.Principal{KeyID: a.ID, KeyName: a.name, Roles: []string{a.Role}, Expires: a.Expires}}
		copy(e.Digest[:], mac)
		entries = append(entries, e)
	}
	for _, a := range stored {
		add(a, a.MAC, time.Time{})
		if len(a.Previous) > 0 {
			add(a, a.Previous, a.Until)
		}
	}
	for _, t := range cfg.Admin.Tokens {
		digest := h.admins.Digest([]byte(t.Value.Reveal()))
		add(&adminDocument{ID: "config-" + t.Name, name: t.Name, Role: t.Role}, digest[:], time.Time{})
	}
	return h.admins.Prepare(entries)
}

var errNoAdmin = wire.Errorf(401, "unauthorized", "the token is not that of an administrator: check that it is complete, or ask an owner for one")

// Admit implements admin.Door.
func (h *Host) Admit(_ context.Context, token string) (admin.Identity, *wire.Error) {
	now := time.Now()
	if v := h.logins.Load(); v != nil && jwt.Looks([]byte(token)) {
		p, err := v.Verify([]byte(token), "", now)
		if err != nil {
			return admin.Identity{}, err
		}
		role := h.roleOf(p)
		if role == admin.Nobody {
			return admin.Identity{}, wire.Errorf(403, "role_required", "%s is known, but none of its groups has a role here: the operator can give one under admin.oidc.roles", p.KeyName)
		}
		return admin.Identity{Name: p.KeyName, Role: role}, nil
	}
	p, err := h.admins.Authenticate([]byte(token), now)
	if err != nil {
		return admin.Identity{}, errNoAdmin
	}
	role, _ := admin.ParseRole(p.Roles[0])
	return admin.Identity{Name: p.KeyName, Role: role}, nil
}

// roleOf is the highest role that a group of p has.
func (h *Host) roleOf(p *call.Principal) (role admin.Role) {
	for group, name := range h.gen.Load().cfg.Admin.OIDC.Roles {
		if r, ok := admin.ParseRole(name); ok && slices.Contains(p.Roles, group) {
			role = max(role, r)
		}
	}
	return role
}

// ListAdmins implements admin.Admins.
func (h *Host) ListAdmins(ctx context.Context) ([]admin.Admin, error) {
	stored, err := h.adminDocuments(ctx)
	if err != nil {
		return nil, err
	}
	used := h.admins.LastUsed()
	var list []admin.Admin
	for _, t := range h.gen.Load().cfg.Admin.Tokens {
		list = append(list, admin.Admin{Name: t.Name, Role: t.Role, Source: "config", Used: used["config-"+t.Name]})
	}
	for _, a := range stored {
		row := admin.Admin{Name: a.name, Role: a.Role, Source: "store", ID: a.ID, Created: a.Created, Expires: a.Expires, Used: used[a.ID]}
		if time.Now().Before(a.Until) {
			row.PreviousUntil = a.Until
		}
		list = append(list, row)
	}
	return list, nil
}

// IssueAdmin implements admin.Admins.
func (h *Host) IssueAdmin(ctx context.Context, n admin.NewAdmin) (admin.Created, error) {
	h.reload.Lock()
	defer h.reload.Unlock()
	a, err := h.adminCalled(ctx, n.Name)
	switch {
	case n.Rotate && err != nil:
		return admin.Created{}, err
	case !n.Rotate && (a != nil || errors.Is(err, admin.ErrAdminConfig)):
		return admin.Created{}, admin.ErrAdminExists
	case !n.Rotate && !errors.Is(err, admin.ErrAdminUnknown):
		return admin.Created{}, err
	}
	now := time.Now().UTC().Truncate(time.Second)
	if n.Rotate {
		a.Previous, a.Until = nil, time.Time{}
		if n.Overlap > 0 {
			a.Previous, a.Until = a.MAC, now.Add(n.Overlap)
		}
	} else {
		a = &adminDocument{name: n.Name, Role: n.Role.String(), Created: now, Expires: n.Expires}
	}
	id, token := auth.GenerateAdmin(a.ID)
	digest := h.admins.Digest([]byte(token))
	a.ID, a.MAC = id, digest[:]
	body, err := json.Marshal(a)
	if err != nil {
		return admin.Created{}, fmt.Errorf("cannot keep administrator %q: %w", n.Name, err)
	}
	_, err = h.store.PutDocument(ctx, call.Document{Kind: adminKind, Name: n.Name, Revision: a.revision, Body: body})
	if errors.Is(err, call.ErrRevision) {
		return admin.Created{}, admin.ErrAdminExists
	}
	if err != nil {
		return admin.Created{}, err
	}
	return admin.Created{ID: id, Name: n.Name, Token: token, PreviousUntil: a.Until}, h.loadAdmins(ctx, h.gen.Load().cfg)
}

func (h *Host) adminCalled(ctx context.Context, name string) (*adminDocument, error) {
	if slices.ContainsFunc(h.gen.Load().cfg.Admin.Tokens, func(t config.AdminToken) bool { return t.Name == name }) {
		return nil, admin.ErrAdminConfig
	}
	stored, err := h.adminDocuments(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range stored {
		if a.name == name {
			return a, nil
		}
	}
	return nil, admin.ErrAdminUnknown
}

// RevokeAdmin implements admin.Admins.
func (h *Host) RevokeAdmin(ctx context.Context, name string) error {
	h.reload.Lock()
	defer h.reload.Unlock()
	if _, err := h.adminCalled(ctx, name); errors.Is(err, admin.ErrAdminConfig) {
		return err
	}
	if err := h.store.DeleteDocument(ctx, adminKind, name, 0); errors.Is(err, call.ErrNoDocument) { // one that cannot be read is removed too
		return admin.ErrAdminUnknown
	} else if err != nil {
		return err
	}
	return h.loadAdmins(ctx, h.gen.Load().cfg)
}
