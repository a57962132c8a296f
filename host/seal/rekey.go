package seal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// grace is for how long a retired data key stays: a node that has read which
// key is in use just before may still be about to write what it sealed.
const grace = time.Hour

// Rewrap wraps all data keys under the key-encryption key in use, and returns
// how many that were. What was sealed stays as it is. It may be stopped at any
// point and begun again.
func (r *Ring) Rewrap(ctx context.Context) (n int, err error) {
	docs, err := r.store.Documents(ctx, Kind)
	if err != nil {
		return 0, err
	}
	for _, d := range docs {
		done, err := r.rewrap(ctx, d.Name)
		n += done
		if err != nil {
			return n, fmt.Errorf("cannot wrap the data keys of %q: %w", d.Name, err)
		}
	}
	return n, nil
}

func (r *Ring) rewrap(ctx context.Context, name string) (n int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		d, c, err := r.class(ctx, name)
		if err != nil {
			return 0, err
		}
		for i := range c.Keys {
			k := &c.Keys[i]
			at := name + "/" + k.ID
			if k.Wrapped, err = wrapped(ctx, r.wrap, r.plain[at], purpose(at)); err != nil {
				return 0, err
			}
			k.KEK = r.wrap.ID()
		}
		if err = r.put(ctx, d, c); !errors.Is(err, call.ErrRevision) {
			return len(c.Keys), err
		}
	}
}

// Renew makes a new data key for a class, under which all that is sealed from
// now on is. Where one has been made whose predecessor is still there, it is
// not made again: what was begun is to be finished first.
func (r *Ring) Renew(ctx context.Context, name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, c, err := r.class(ctx, name)
	if err != nil || len(c.Keys) == 0 {
		return err
	}
	if len(c.Keys) > 1 && r.now().Sub(c.Keys[len(c.Keys)-1].Made) < grace {
		return nil
	}
	_, err = r.current(ctx, name, true)
	return err
}

// Drop forgets data keys of a class that have been retired for long enough;
// nothing may be sealed under them any more. It returns how many stay retired.
func (r *Ring) Drop(ctx context.Context, name string) (left int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		d, c, err := r.class(ctx, name)
		if err != nil || len(c.Keys) == 0 {
			return 0, err
		}
		before := len(c.Keys)
		c.Keys = slices.DeleteFunc(c.Keys, func(k dataKey) bool { return !k.Retired.IsZero() && r.now().Sub(k.Retired) >= grace })
		if len(c.Keys) == before {
			return before - 1, nil
		}
		if err = r.put(ctx, d, c); !errors.Is(err, call.ErrRevision) {
			return len(c.Keys) - 1, err
		}
	}
}

// Class is what is known of the data keys of one class.
type Class struct {
	Name  string    `json:"class"`
	Keys  int       `json:"data_keys"`
	KEKs  []string  `json:"wrapped_under"`
	Since time.Time `json:"since"` // the key in use
}

// Classes lists the data keys.
func (r *Ring) Classes(ctx context.Context) (list []Class, err error) {
	docs, err := r.store.Documents(ctx, Kind)
	if err != nil {
		return nil, err
	}
	for _, d := range docs {
		var c class
		if err := json.Unmarshal(d.Body, &c); err != nil {
			return nil, fmt.Errorf("cannot read the data keys of %q: %w", d.Name, err)
		}
		out := Class{Name: d.Name, Keys: len(c.Keys)}
		for _, k := range c.Keys {
			if !slices.Contains(out.KEKs, k.KEK) {
				out.KEKs = append(out.KEKs, k.KEK)
			}
			out.Since = k.Made
		}
		list = append(list, out)
	}
	return list, nil
}

// KEK is the id of the key-encryption key in use.
func (r *Ring) KEK() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.wrap.ID()
}

// KEKs are the ids of all key-encryption keys that are to be had.
func (r *Ring) KEKs() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.all))
}
