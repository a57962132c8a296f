// Package tenant knows whose the objects are that providers keep: files,
// batches, stored responses. A provider sees one account, the gateway's; that
// one tenant of it cannot name another's objects is for the gateway to hold.
package tenant

import (
	"context"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Of is the tenant that p acts for: what org, project and team name together,
// or else the key by itself.
func Of(p *call.Principal) string {
	if p.Org == "" && p.Project == "" && p.Team == "" {
		return "key/" + p.KeyID
	}
	return "unit/" + url.QueryEscape(p.Org) + "/" + url.QueryEscape(p.Project) + "/" + url.QueryEscape(p.Team)
}

// Store keeps whose the objects are.
type Store interface {
	Keep(ctx context.Context, list []call.Kept) error
	Owns(ctx context.Context, provider, tenant string, ids []string) ([]bool, error)
	Forget(ctx context.Context, provider, tenant, id string) error
}

// Keeper answers for whose the objects are. It is safe for concurrent use.
type Keeper struct {
	store Store
	known memory
	write sync.Mutex // one commit at a time

	mu   sync.Mutex
	next *commit // that is still open
}

// commit is what goes to the disk at once, for all that wait meanwhile.
type commit struct {
	list []call.Kept
	err  error
	done chan struct{}
}

// New returns a keeper over store.
func New(store Store) *Keeper { return &Keeper{store: store} }

// Owner is a tenant at a provider.
type Owner struct{ Provider, Tenant string }

// Missing returns the first of refs that is not o's, nil if all are.
func (k *Keeper) Missing(ctx context.Context, o Owner, refs []Ref) (*Ref, error) {
	owned, err := k.owns(ctx, o, refs)
	if err != nil {
		return nil, err
	}
	for i := range refs {
		if !owned[i] {
			return &refs[i], nil
		}
	}
	return nil, nil
}

func (k *Keeper) owns(ctx context.Context, o Owner, refs []Ref) ([]bool, error) {
	now := time.Now()
	owned := make([]bool, len(refs))
	var ids []string
	var at []int
	for i := range refs {
		if owned[i] = k.known.has(o, refs[i].ID, now); !owned[i] {
			ids, at = append(ids, refs[i].ID), append(at, i)
		}
	}
	if len(ids) == 0 {
		return owned, nil
	}
	found, err := k.store.Owns(ctx, o.Provider, o.Tenant, ids)
	if err != nil {
		return nil, err
	}
	for j, i := range at {
		if owned[i] = found[j]; found[j] {
			k.known.put(o, ids[j], now)
		}
	}
	return owned, nil
}

// Add makes refs o's. It returns once that is on the disk; those who add at
// the same time share a commit.
func (k *Keeper) Add(ctx context.Context, o Owner, refs []Ref) error {
	owned, err := k.owns(ctx, o, refs)
	if err != nil {
		return err
	}
	now := time.Now()
	var list []call.Kept
	for i, r := range refs {
		if !owned[i] {
			list = append(list, call.Kept{Provider: o.Provider, ID: r.ID, Tenant: o.Tenant, Kind: r.Kind, Created: now})
		}
	}
	if len(list) == 0 {
		return nil
	}
	return k.commit(list)
}

// commit does not end with the request that it began with: others share it.
func (k *Keeper) commit(list []call.Kept) error {
	k.mu.Lock()
	c, first := k.next, k.next == nil
	if first {
		c = &commit{done: make(chan struct{})}
		k.next = c
	}
	c.list = append(c.list, list...)
	k.mu.Unlock()
	if !first {
		<-c.done
		return c.err
	}
	k.write.Lock() // others join while the commit before runs
	defer k.write.Unlock()
	k.mu.Lock()
	k.next = nil
	k.mu.Unlock()
	defer close(c.done)
	c.err = fmt.Errorf("cannot keep whose %d objects are: the commit failed", len(c.list)) // if Keep panics
	c.err = k.store.Keep(context.Background(), c.list)
	for i := range c.list { // which may have been another's
		k.known.drop(c.list[i].Provider, c.list[i].ID)
	}
	return c.err
}

// Remove forgets an object of o's that is gone.
func (k *Keeper) Remove(ctx context.Context, o Owner, id string) error {
	defer k.known.drop(o.Provider, id) // at the end: it may be looked up meanwhile
	return k.store.Forget(ctx, o.Provider, o.Tenant, id)
}

// NotFound is what a caller is told of an object that is not its tenant's,
// whether it is another's or nobody's.
func NotFound(r *Ref) *wire.Error {
	e := wire.Errorf(404, r.Kind+"_not_found", "there is no %s %q: use one that was made through this gateway, with a key of the same team", r.Kind, r.ID)
	e.Class = wire.ClassInvalid
	e.Param = r.Param
	return e
}
