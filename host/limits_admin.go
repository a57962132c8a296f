package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/signalbox-ai/signalbox/host/admin"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/directory"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// names are what scopes may name, by kind.
type names map[string]map[string]bool

func (n names) add(kind, name string) {
	if name == "" {
		return
	}
	if n[kind] == nil {
		n[kind] = map[string]bool{}
	}
	n[kind][name] = true
}

// known are the names that the directory, the keys and g have.
func (h *Host) known(ctx context.Context, g *generation) (names, []*call.Principal, error) {
	keys, err := h.store.Keys(ctx)
	if err != nil {
		return nil, nil, err
	}
	var all []*call.Principal
	for i := range keys {
		if keys[i].Revoked.IsZero() {
			all = append(all, &keys[i].Principal)
		}
	}
	for _, k := range g.cfg.Keys {
		all = append(all, k.Principal())
	}
	n := names{}
	for i, p := range all {
		all[i], _ = h.directory.Load().Settle(p) // one that is refused names what it names
		for _, s := range scopesOf(all[i]) {
			kind, name, _ := strings.Cut(s, "/")
			n.add(kind, name)
		}
	}
	for _, kind := range directory.Kinds {
		scope := kind
		if kind == "service" {
			scope = "user"
		}
		for _, e := range h.directory.Load().List(kind) {
			n.add(scope, e.Name)
		}
	}
	for name := range g.models {
		n.add("model", name)
	}
	for name := range g.cfg.Providers {
		n.add("provider", name)
	}
	return n, all, nil
}

// check says what is wrong with scope: a kind that there is not, or a name.
func (n names) check(scope string) error {
	kind, name, ok := strings.Cut(scope, "/")
	if !slices.Contains(call.ScopeKinds, kind) || !ok {
		near := ""
		if k := config.Nearest(kind, call.ScopeKinds); k != "" {
			near = fmt.Sprintf(", did you mean %q?", k)
		}
		return fmt.Errorf("scope %q is not kind/name%s: kinds are %s", scope, near, strings.Join(call.ScopeKinds, ", "))
	}
	if n[kind][name] {
		return nil
	}
	if provider, model, of := strings.Cut(name, "/"); kind == "model" && of && model != "" && n["provider"][provider] {
		return nil // a provider's models are not all known
	}
	if near := config.Nearest(name, slices.Sorted(maps.Keys(n[kind]))); near != "" {
		return fmt.Errorf("scope %q: there is no %s %q, did you mean %q?", scope, kind, name, near)
	}
	return fmt.Errorf("scope %q: there is no %s %q: neither the directory nor a key names it, nor the configuration", scope, kind, name)
}

// checkHeld refuses limits of the configuration on what there is not.
func (h *Host) checkHeld(ctx context.Context, g *generation) error {
	held := g.cfg.Held()
	if len(held) == 0 {
		return nil
	}
	if err := h.loadDirectory(ctx); err != nil {
		return err
	}
	n, _, err := h.known(ctx, g)
	if err != nil {
		return err
	}
	for _, l := range held {
		if err := n.check(keyScope(l.Scope, g.cfg)); err != nil {
			return fmt.Errorf("cannot use the limits of the configuration: %w", err)
		}
	}
	return nil
}

func refuseLimit(err error) error { return wire.Errorf(400, "invalid_request", "%v", err) }

// Limits implements admin.Limits.
func (h *Host) Limits(ctx context.Context) ([]admin.ScopeLimits, error) {
	n, _, err := h.known(ctx, h.gen.Load())
	if err != nil {
		return nil, err
	}
	held := h.held.Load()
	var out []admin.ScopeLimits
	for _, by := range []struct {
		source string
		limits map[string][]call.Limit
	}{{"config", held.config}, {"store", held.stored}} {
		for _, scope := range sortedNames(by.limits) {
			s := admin.ScopeLimits{Scope: scope, Source: by.source, Limits: bare(by.limits[scope])}
			if by.source == "store" {
				s.Revision, s.Changed = held.docs[scope].Revision, held.docs[scope].Changed
			}
			if err := n.check(scope); err != nil {
				s.Problem = err.Error()
			}
			if by.source == "store" && held.unread[scope] {
				s.Problem, s.Limits = errLimitsUnread.Error()+": until then all that they are for is refused", nil
			}
			out = append(out, s)
		}
	}
	return out, nil
}

// bare are limits without the scope, which stands beside them.
func bare(limits []call.Limit) []call.Limit {
	out := slices.Clone(limits)
	for i := range out {
		out[i].Scope = ""
	}
	return out
}

// PutLimits implements admin.Limits. It checks the limits with all keys that
// there are before it keeps them: one that cannot be held is refused here.
func (h *Host) PutLimits(ctx context.Context, scope string, limits []call.Limit, revision int64) (admin.ScopeLimits, error) {
	h.reload.Lock()
	defer h.reload.Unlock()
	scope, err := h.scoped(ctx, scope)
	if err != nil {
		return admin.ScopeLimits{}, err
	}
	for i := range limits {
		limits[i].Scope = scope
		if err := checkLimit(&limits[i]); err != nil {
			return admin.ScopeLimits{}, refuseLimit(fmt.Errorf("limits[%d]: %w", i, err))
		}
	}
	if err := h.tryLimits(ctx, scope, limits); err != nil {
		return admin.ScopeLimits{}, refuseLimit(err)
	}
	d := call.Document{Kind: limitKind, Name: scope, Revision: revision}
	if d.Body, err = json.Marshal(limitBody{bare(limits)}); err != nil {
		return admin.ScopeLimits{}, err
	}
	if d.Revision, err = h.keepLimits(ctx, d); errors.Is(err, call.ErrRevision) {
		return admin.ScopeLimits{}, admin.ErrLimitsChanged
	} else if err != nil {
		return admin.ScopeLimits{}, err
	}
	return admin.ScopeLimits{Scope: scope, Source: "store", Revision: d.Revision, Limits: bare(limits)}, h.loadKeys(ctx, h.gen.Load().cfg)
}

// keepLimits writes d over its revision or, of revision 0, over whichever there
// is: another node may write at the same time.
func (h *Host) keepLimits(ctx context.Context, d call.Document) (revision int64, err error) {
	if d.Revision != 0 {
		return h.store.PutDocument(ctx, d)
	}
	for range 10 {
		d.Revision = h.held.Load().docs[d.Name].Revision
		if revision, err = h.store.PutDocument(ctx, d); !errors.Is(err, call.ErrRevision) {
			break
		}
		if err := h.loadLimits(ctx, h.gen.Load().cfg); err != nil {
			return 0, err
		}
	}
	return revision, err
}

// scoped is scope with the id of a key in place of its name, if there is such.
func (h *Host) scoped(ctx context.Context, scope string) (string, error) {
	g := h.gen.Load()
	if err := h.loadKeys(ctx, g.cfg); err != nil { // what other nodes have changed meanwhile
		return "", err
	}
	n, all, err := h.known(ctx, g)
	if err != nil {
		return "", err
	}
	if name, ok := strings.CutPrefix(scope, "key/"); ok {
		for _, p := range all {
			if p.KeyName == name {
				scope = "key/" + p.KeyID
			}
		}
	}
	if err := n.check(scope); err != nil {
		return "", refuseLimit(err)
	}
	return scope, nil
}

// tryLimits says whether all keys could be held to limits on scope beside what
// else holds for them.
func (h *Host) tryLimits(ctx context.Context, scope string, limits []call.Limit) error {
	g := h.gen.Load()
	held, err := h.readLimits(ctx, g.cfg)
	if err != nil {
		return err
	}
	held.stored[scope] = limits
	_, all, err := h.known(ctx, g)
	if err != nil {
		return err
	}
	for _, p := range all {
		list := ofCallers(held.of(p))
		err := h.checkRates(list)
		if err == nil {
			_, err = h.budget.Chain(list)
		}
		if err != nil {
			return fmt.Errorf("with these limits, for key %q: %w", p.KeyName, err)
		}
	}
	return nil
}

// RemoveLimits implements admin.Limits.
func (h *Host) RemoveLimits(ctx context.Context, scope string) error {
	h.reload.Lock()
	defer h.reload.Unlock()
	err := h.store.DeleteDocument(ctx, limitKind, scope, 0)
	if errors.Is(err, call.ErrNoDocument) { // it may be a key's name
		var named string
		if named, err = h.scoped(ctx, scope); err == nil {
			err = h.store.DeleteDocument(ctx, limitKind, named, 0)
		}
	}
	switch {
	case errors.Is(err, call.ErrNoDocument) && len(h.held.Load().config[keyScope(scope, h.gen.Load().cfg)]) > 0:
		return admin.ErrLimitsConfig
	case errors.Is(err, call.ErrNoDocument):
		return admin.ErrLimitsUnknown
	case err != nil:
		return err
	}
	return h.loadKeys(ctx, h.gen.Load().cfg)
}

// Applying is what GET /admin/limits/{scope} shows: all that holds for requests
// of a key or, of another scope, for those of which no more is known.
func (h *Host) Applying(ctx context.Context, scope string) (string, []admin.AppliedLimit, error) {
	g := h.gen.Load()
	n, all, err := h.known(ctx, g)
	if err != nil {
		return "", nil, err
	}
	kind, name, _ := strings.Cut(scope, "/")
	p := &call.Principal{}
	switch kind {
	case "key":
		for _, k := range all {
			if k.KeyID == name || k.KeyName == name {
				p, scope = k, "key/"+k.KeyID
			}
		}
	case "user":
		p.User = name
	case "project":
		p.Project = name
	case "team":
		p.Team = name
	case "org":
		p.Org = name
	case "env":
		p.Env = name
	}
	if err := n.check(scope); err != nil {
		return "", nil, refuseLimit(err)
	}
	p, _ = h.directory.Load().Settle(p) // a team's organisation and the like, where that is known
	applied := h.held.Load().applying(p)
	if ofTarget(scope) {
		applied = slices.DeleteFunc(applied, func(a admin.AppliedLimit) bool { return a.Scope != scope })
	}
	return scope, applied, nil
}
