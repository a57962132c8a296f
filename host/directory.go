package host

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/directory"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// loadDirectory reads the directory of the store.
func (h *Host) loadDirectory(ctx context.Context) error {
	dir, err := h.readDirectory(ctx)
	if err == nil {
		h.directory.Store(dir)
	}
	return err
}

func (h *Host) readDirectory(ctx context.Context) (*directory.Directory, error) {
	var all []*call.Entry
	for _, kind := range directory.Kinds {
		docs, err := h.store.Documents(ctx, kind)
		if err != nil {
			return nil, err
		}
		for _, d := range docs {
			e, err := directory.Parse(d)
			if err != nil { // of a newer version of this program: nothing of it is let in
				h.log.Error("an entry of the directory cannot be read, and counts as disabled", "err", err)
				e = &call.Entry{Kind: kind, Name: d.Name, Disabled: true, Revision: d.Revision, Changed: d.Changed}
			}
			all = append(all, e)
		}
	}
	return directory.New(all), nil
}

// settle is p as dir completes it, with what its callers are told if dir refuses
// them.
func (h *Host) settle(dir *directory.Directory, p *call.Principal) (*call.Principal, *wire.Error) {
	settled, err := dir.Settle(p)
	if err == nil {
		return settled, nil
	}
	e := wire.Errorf(403, "key_disabled", "the key is refused: %s", h.unsettled(err))
	e.Class = wire.ClassPolicy
	return p, e
}

// refusedFor is why keys of p are refused, "" if they are not.
func (h *Host) refusedFor(p *call.Principal) string {
	if _, err := h.directory.Load().Settle(p); err != nil {
		return h.unsettled(err)
	}
	return ""
}

// unsettled words an error of the directory, with the nearest name that it knows.
func (h *Host) unsettled(err error) string {
	var unknown *directory.Unknown
	if !errors.As(err, &unknown) {
		return strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	if near := config.Nearest(unknown.Name, unknown.Known); near != "" {
		return fmt.Sprintf("%v: did you mean %q?", unknown, near)
	}
	return fmt.Sprintf("%v: create it with signalbox %s create %s, or see signalbox %s list", unknown, unknown.Kind, unknown.Name, unknown.Kind)
}

// Entries implements admin.Directory.
func (h *Host) Entries(_ context.Context, kind string) ([]*call.Entry, error) {
	return h.directory.Load().List(kind), nil
}

// PutEntry implements admin.Directory.
func (h *Host) PutEntry(ctx context.Context, kind, name string, create bool, change func(*call.Entry) error) (*call.Entry, error) {
	h.reload.Lock()
	defer h.reload.Unlock()
	if err := h.loadDirectory(ctx); err != nil {
		return nil, err
	}
	dir := h.directory.Load()
	e := &call.Entry{Kind: kind, Name: name}
	switch was := dir.Get(kind, name); {
	case was == nil && !create:
		return nil, h.noEntry(kind, name)
	case was != nil && create:
		return nil, wire.Errorf(409, kind+"_exists", "%s %q is there already: change it with signalbox %s update", kind, name, kind)
	case was != nil:
		e = new(*was)
		e.Teams, e.Attrs = slices.Clone(was.Teams), maps.Clone(was.Attrs)
	case kind == "user" && dir.Get("service", name) != nil, kind == "service" && dir.Get("user", name) != nil:
		return nil, wire.Errorf(409, kind+"_exists", "users and service accounts share their names, and %q is taken: choose another", name)
	}
	if err := change(e); err != nil {
		return nil, err
	}
	d, err := directory.Document(e)
	if err != nil {
		return nil, wire.Errorf(400, "invalid_request", "%v", err)
	}
	if err := dir.Place(e); err != nil {
		return nil, wire.Errorf(400, "invalid_request", "%s", h.unsettled(err))
	}
	if create && len(dir.List(kind)) == 0 {
		if err := h.adopt(ctx, kind, name); err != nil {
			return nil, err
		}
	}
	if e.Revision, err = h.store.PutDocument(ctx, d); errors.Is(err, call.ErrRevision) {
		return nil, wire.Errorf(409, "changed_meanwhile", "%s %q has been changed by another meanwhile: look at it, and try again", kind, name)
	} else if err != nil {
		return nil, err
	}
	e.Changed = time.Now().UTC()
	return e, h.loadKeys(ctx, h.gen.Load().cfg)
}

// adopt makes entries of what live keys name of a kind that the directory has
// none of yet: the first entry would shut them out. Names of users that keys
// have become users, whichever of user and service comes first.
func (h *Host) adopt(ctx context.Context, kind, but string) error {
	if kind == "service" && len(h.directory.Load().List("user")) > 0 || kind == "user" && len(h.directory.Load().List("service")) > 0 {
		return nil
	}
	live, err := h.livePrincipals(ctx)
	if err != nil {
		return err
	}
	made := map[string]bool{"": true, but: true}
	for _, p := range live {
		name := map[string]string{"org": p.Org, "team": p.Team, "project": p.Project, "user": p.User, "service": p.User}[kind]
		if made[name] {
			continue
		}
		made[name] = true
		d, err := directory.Document(&call.Entry{Kind: strings.Replace(kind, "service", "user", 1), Name: name})
		if err != nil {
			h.log.Warn("a key names what cannot be in the directory, and will be refused", "key", p.KeyName, "err", err)
			continue
		}
		if _, err := h.store.PutDocument(ctx, d); err != nil && !errors.Is(err, call.ErrRevision) {
			return err
		}
		h.log.Info("the directory has adopted what a key names", "kind", d.Kind, "name", name, "key", p.KeyName)
	}
	return nil
}

// livePrincipals are who live keys stand for, as they are written.
func (h *Host) livePrincipals(ctx context.Context) ([]*call.Principal, error) {
	stored, err := h.store.Keys(ctx)
	if err != nil {
		return nil, err
	}
	var live []*call.Principal
	for i := range stored {
		k := &stored[i]
		if k.Revoked.IsZero() && (k.Expires.IsZero() || time.Now().Before(k.Expires)) {
			live = append(live, &k.Principal)
		}
	}
	for _, k := range h.gen.Load().cfg.Keys {
		live = append(live, k.Principal())
	}
	return live, nil
}

// RemoveEntry implements admin.Directory.
func (h *Host) RemoveEntry(ctx context.Context, kind, name string) error {
	h.reload.Lock()
	defer h.reload.Unlock()
	if err := h.loadDirectory(ctx); err != nil {
		return err
	}
	dir := h.directory.Load()
	if members := dir.Members(kind, name); len(members) > 0 {
		return wire.Errorf(409, kind+"_in_use", "%s belong to %s %q: remove or move them first", few(members), kind, name)
	}
	live, err := h.livePrincipals(ctx)
	if err != nil {
		return err
	}
	var keys []string
	for _, p := range live {
		if directory.Names(p, kind, name) {
			keys = append(keys, p.KeyName)
		}
	}
	if len(keys) > 0 {
		return wire.Errorf(409, kind+"_in_use", "live keys act for %s %q: revoke or change them first: %s; to stop them at once: signalbox %s disable %s", kind, name, few(keys), kind, name)
	}
	e := dir.Get(kind, name)
	if e == nil {
		return h.noEntry(kind, name)
	}
	if err := h.store.DeleteDocument(ctx, kind, name, e.Revision); err != nil && !errors.Is(err, call.ErrNoDocument) {
		return err
	}
	return h.loadKeys(ctx, h.gen.Load().cfg)
}

func (h *Host) noEntry(kind, name string) error {
	var known []string
	for _, e := range h.directory.Load().List(kind) {
		known = append(known, e.Name)
	}
	return wire.Errorf(404, kind+"_unknown", "%s", h.unsettled(&directory.Unknown{Kind: kind, Name: name, Known: known}))
}

// few lists names, not too many of them.
func few(names []string) string {
	const most = 10
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
