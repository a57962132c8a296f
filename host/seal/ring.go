package seal

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Kind is that of the documents that hold data keys, one for each class.
const Kind = "data_key"

// Docs keep data keys, wrapped.
type Docs interface {
	Documents(ctx context.Context, kind string) ([]call.Document, error)
	PutDocument(ctx context.Context, d call.Document) (revision int64, err error)
}

// dataKey is one as it is kept.
type dataKey struct {
	ID      string    `json:"id"`
	KEK     string    `json:"kek"` // id of what wrapped it
	Wrapped []byte    `json:"wrapped"`
	Made    time.Time `json:"made"`
	Retired time.Time `json:"retired,omitzero"` // zero: in use for what is sealed now
}

// class is the body of a document: the last key is the one in use.
type class struct {
	Keys []dataKey `json:"keys"`
}

// Ring seals and opens.
type Ring struct {
	store Docs
	now   func() time.Time

	mu    sync.Mutex
	wrap  Wrapper
	all   map[string]Wrapper // by id
	boxes map[string]*box    // by class/id
	plain map[string][]byte  // data keys, by class/id
}

// Open readies the data keys that store holds. wrap is for new ones; what it
// did not wrap, one of others must have.
func Open(ctx context.Context, store Docs, wrap Wrapper, others ...Wrapper) (*Ring, error) {
	r := &Ring{store: store, now: time.Now, boxes: map[string]*box{}, plain: map[string][]byte{}}
	return r, r.Use(ctx, wrap, others...)
}

// Use takes other key-encryption keys into use, if they open all data keys.
func (r *Ring) Use(ctx context.Context, wrap Wrapper, others ...Wrapper) error {
	all := map[string]Wrapper{wrap.ID(): wrap}
	for _, w := range others {
		if all[w.ID()] == nil {
			all[w.ID()] = w
		}
	}
	docs, err := r.store.Documents(ctx, Kind)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.load(ctx, docs, all, true); err != nil {
		return err
	}
	r.wrap, r.all = wrap, all
	return nil
}

// load unwraps the keys of docs that are not known; again: the known ones too,
// to see that they can be.
func (r *Ring) load(ctx context.Context, docs []call.Document, all map[string]Wrapper, again bool) error {
	for _, d := range docs {
		var c class
		if err := json.Unmarshal(d.Body, &c); err != nil {
			return fmt.Errorf("cannot read the data keys of %q: %w", d.Name, err)
		}
		for _, k := range c.Keys {
			at := d.Name + "/" + k.ID
			if r.boxes[at] != nil && !again {
				continue
			}
			w := all[k.KEK]
			if w == nil {
				return fmt.Errorf("cannot open data key %s (under %s): %w", at, k.KEK, ErrKey)
			}
			key, err := w.Unwrap(ctx, k.Wrapped, purpose(at))
			if err != nil {
				return fmt.Errorf("cannot open data key %s (under %s): %w", at, k.KEK, err)
			}
			if err := r.know(at, k.ID, key); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Ring) know(at, id string, key []byte) error {
	var raw [idBytes]byte
	if n, err := hex.Decode(raw[:], []byte(id)); err != nil || n != idBytes {
		return fmt.Errorf("cannot read data key %s: its id is not of 16 hexadecimal digits", at)
	}
	b, err := newBox(raw, key)
	if err == nil {
		r.boxes[at], r.plain[at] = b, key
	}
	return err
}

// purpose ties a data key to its class and id.
func purpose(at string) string { return "signalbox data key " + at }

// Seal encrypts plain for a place: table, row and column. It opens nowhere else.
func (r *Ring) Seal(ctx context.Context, class, at string, plain []byte) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b, err := r.current(ctx, class, false)
	if err != nil {
		return nil, fmt.Errorf("cannot seal %q: %w", at, err)
	}
	return b.seal(plain, class, at), nil
}

// Open returns what was sealed for a place.
func (r *Ring) Open(ctx context.Context, class, at string, sealed []byte) ([]byte, error) {
	id, err := idOf(sealed)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	name := class + "/" + hex.EncodeToString(id[:])
	if r.boxes[name] == nil { // another node may have made it
		docs, err := r.store.Documents(ctx, Kind)
		if err == nil {
			err = r.load(ctx, docs, r.all, false)
		}
		if err != nil {
			return nil, err
		}
	}
	b := r.boxes[name]
	if b == nil {
		return nil, errDamaged
	}
	return b.open(sealed, class, at)
}

// Fresh reports whether sealed is under the data key in use for its class.
func (r *Ring) Fresh(ctx context.Context, class string, sealed []byte) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b, err := r.current(ctx, class, false)
	if err != nil {
		return false, err
	}
	id, err := idOf(sealed)
	return err == nil && string(id[:]) == string(b.head[1:]), err
}

// current is the box of the data key in use, which is made if there is none,
// or if a new one is asked for. The store is asked each time: another node may
// have made one meanwhile.
func (r *Ring) current(ctx context.Context, name string, fresh bool) (*box, error) {
	for {
		d, c, err := r.class(ctx, name)
		if err != nil {
			return nil, err
		}
		if n := len(c.Keys); n > 0 && !fresh {
			b := r.boxes[name+"/"+c.Keys[n-1].ID]
			if b == nil {
				return nil, fmt.Errorf("BUG: data key %s of %q was not loaded", c.Keys[n-1].ID, name)
			}
			return b, nil
		}
		k, key, err := r.make(ctx, name)
		if err != nil {
			return nil, err
		}
		for i := range c.Keys {
			if c.Keys[i].Retired.IsZero() {
				c.Keys[i].Retired = k.Made
			}
		}
		c.Keys = append(c.Keys, k)
		if err := r.put(ctx, d, c); err == nil {
			if err := r.know(name+"/"+k.ID, k.ID, key); err != nil {
				return nil, err
			}
			fresh = false
		} else if !errors.Is(err, call.ErrRevision) {
			return nil, err
		}
	}
}

// class reads the document of a class, and the keys in it that are new.
func (r *Ring) class(ctx context.Context, name string) (d call.Document, c class, err error) {
	docs, err := r.store.Documents(ctx, Kind)
	if err != nil {
		return d, c, err
	}
	d = call.Document{Kind: Kind, Name: name}
	i := slices.IndexFunc(docs, func(d call.Document) bool { return d.Name == name })
	if i < 0 {
		return d, c, nil
	}
	if err := r.load(ctx, docs[i:i+1], r.all, false); err != nil {
		return d, c, err
	}
	return docs[i], c, json.Unmarshal(docs[i].Body, &c)
}

func (r *Ring) put(ctx context.Context, d call.Document, c class) (err error) {
	if d.Body, err = json.Marshal(c); err != nil {
		return err
	}
	_, err = r.store.PutDocument(ctx, d)
	return err
}

func (r *Ring) make(ctx context.Context, name string) (dataKey, []byte, error) {
	var id [idBytes]byte
	rand.Read(id[:])
	key := make([]byte, keyBytes)
	rand.Read(key)
	k := dataKey{ID: hex.EncodeToString(id[:]), KEK: r.wrap.ID(), Made: r.now().UTC().Truncate(time.Second)}
	var err error
	k.Wrapped, err = wrapped(ctx, r.wrap, key, purpose(name+"/"+k.ID))
	return k, key, err
}
