package tenant

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Page is a page of a provider's list, with the tenant's own entries alone.
type Page struct {
	Body []byte
	Own  int
	// Next is the last entry's id, whoever it belongs to, "" on the last page.
	Next string
}

// list is a page as providers write it. What else they say of one is left out:
// it could be about entries of others.
type list struct {
	Object  *string           `json:"object,omitempty"`
	Data    []json.RawMessage `json:"data"`
	FirstID *string           `json:"first_id,omitempty"`
	LastID  *string           `json:"last_id,omitempty"`
	HasMore *bool             `json:"has_more,omitempty"`
}

// Filter leaves of a list that c has got the entries that are o's.
func (k *Keeper) Filter(ctx context.Context, o Owner, c *call.Call, body []byte) (p Page, err error) {
	var l list
	if err := json.Unmarshal(body, &l); err != nil {
		return p, fmt.Errorf("cannot read the list of provider %q: %w", o.Provider, err)
	}
	objects, refs := make([]object, len(l.Data)), make([]Ref, len(l.Data))
	for i, d := range l.Data {
		if err := json.Unmarshal(d, &objects[i]); err != nil {
			return p, fmt.Errorf("cannot read entry %d of the list of provider %q: %w", i, o.Provider, err)
		}
		refs[i] = Ref{Kind: kindOf(c.Op), ID: objects[i].ID}
	}
	owned, err := k.owns(ctx, o, refs)
	if err != nil {
		return p, err
	}
	if n := len(refs); n > 0 && l.HasMore != nil && *l.HasMore {
		p.Next = refs[n-1].ID
	}
	var files []Ref
	var first, last string
	own := make([]json.RawMessage, 0, len(l.Data))
	for i := range refs {
		if !owned[i] {
			continue
		}
		if len(own) == 0 {
			first = refs[i].ID
		}
		last, own = refs[i].ID, append(own, l.Data[i])
		if refs[i].Kind == Batch {
			files = append(files, objects[i].results()...)
		}
	}
	if len(files) > 0 {
		if err := k.Add(ctx, o, files); err != nil {
			return p, err
		}
	}
	l.Data, p.Own = own, len(own)
	l.bounds(first, last)
	p.Body, err = json.Marshal(l)
	return p, err
}

// bounds makes the ends that the page names those of its own entries. A page
// without any says so by having none.
func (l *list) bounds(first, last string) {
	end := func(at **string, id string) {
		if *at == nil {
			return
		}
		if *at = &id; id == "" {
			*at = nil
		}
	}
	end(&l.FirstID, first)
	end(&l.LastID, last)
}
