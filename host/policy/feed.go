package policy

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Feed brings bundles from elsewhere, until Stop.
type Feed interface {
	// Start begins to offer bundles, one at a time. An error of offer means
	// that what was in use before it stays.
	Start(to Receiver) error
	// Tried waits until each bundle has been asked for once, whatever came of it.
	Tried(context.Context)
	// Stop may be called twice; nothing is offered after it.
	Stop()
}

// Receiver takes what a feed brings.
type Receiver interface {
	// Offer takes a bundle, a gzipped tarball, into use or refuses it.
	Offer(name string, tarball []byte) error
	// Expect says which bundles decide together, and what each may own at most,
	// nil: what it claims.
	Expect(roots map[string][]string)
}

// Reporter is told what decides after each bundle that was to, and why that one
// does not, if it does not. It must not wait.
type Reporter interface {
	Noted(a *Active, err error)
	Stop() // may be called twice
}

// feedPatience is how long a start waits for the first bundles.
const feedPatience = 10 * time.Second

// fed is what a feed has brought. It is guarded by the engine's lock.
type fed struct {
	roots map[string][]string // by the bundles that are expected
	have  map[string]*piece
	// refused are the bundles that came last and were not good: they are brought
	// again at each question, and to prove them again would take as long. Others
	// beside them, or other models, may make them good.
	refused map[string]refusal
}

type refusal struct {
	sum [sha256.Size]byte
	err error
	at  time.Time
}

// refusedFor is for how long: tests may have been slow on a busy machine.
const refusedFor = 5 * time.Minute

func (f *fed) complete() ([]*piece, error) {
	var out []*piece
	var missing []string
	for _, name := range slices.Sorted(maps.Keys(f.roots)) {
		if p := f.have[name]; p != nil {
			out = append(out, p)
		} else {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 || len(out) == 0 {
		return nil, fmt.Errorf("cannot decide without policy bundles that have not come: %s", strings.Join(missing, ", "))
	}
	return out, nil
}

// feed starts the feed and waits for its first bundles.
func (e *Engine) feed(ctx context.Context) error {
	e.fed.have, e.fed.refused = map[string]*piece{}, map[string]refusal{}
	if err := e.opts.Feed.Start(e); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, feedPatience)
	defer cancel()
	e.opts.Feed.Tried(ctx)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.snap.Load() != nil {
		return nil
	}
	if e.lastErr != nil {
		return e.lastErr
	}
	_, err := e.fed.complete()
	return err
}

// Expect implements Receiver.
func (e *Engine) Expect(roots map[string][]string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fed.roots = roots
	clear(e.fed.refused)
	maps.DeleteFunc(e.fed.have, func(name string, p *piece) bool {
		allowed, still := roots[name]
		return !still || !slices.Equal(allowed, p.roots)
	})
	if pieces, err := e.fed.complete(); err == nil {
		if e.note(e.use(pieces, e.catalogue)) != nil {
			e.opts.Log.Error("policy: the bundles that are left cannot decide, what did stays", "error", e.lastErr)
		}
	}
}

// Offer implements Receiver. Of several bundles, none comes into use before all
// have come.
func (e *Engine) Offer(name string, tarball []byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.note(e.offer(name, tarball))
}

func (e *Engine) offer(name string, tarball []byte) error {
	roots, expected := e.fed.roots[name]
	if !expected {
		return fmt.Errorf("policy bundle %q was not asked for", name)
	}
	sum := sha256.Sum256(tarball)
	if r, ok := e.fed.refused[name]; ok && r.sum == sum && time.Since(r.at) < refusedFor {
		return r.err
	}
	err := e.prove(name, tarball, roots)
	if err != nil {
		e.fed.refused[name] = refusal{sum, err, time.Now()}
	}
	return err
}

// prove takes the bundle into use, or waits with it for the others.
func (e *Engine) prove(name string, tarball []byte, roots []string) error {
	p, err := newPiece(name, tarball, roots)
	if err != nil {
		return err
	}
	old := e.fed.have[name]
	e.fed.have[name] = p
	pieces, err := e.fed.complete()
	if err != nil {
		e.opts.Log.Info("policy: bundle waits for the others", "bundle", name, "missing", err)
		return nil
	}
	if err = e.use(pieces, e.catalogue); err != nil {
		if e.fed.have[name] = old; old == nil {
			delete(e.fed.have, name)
		}
	}
	return err
}

// location says where the bundles come from.
func (e *Engine) location() string {
	switch {
	case e.opts.Feed != nil:
		return "service:" + e.opts.Path
	case e.opts.Stored != nil:
		return "store:"
	}
	return e.opts.Path
}

const codeNoPolicy = "no_policy"

// nothing is the bundle of a store that none was pushed into: it refuses all.
const nothing = `package signalbox.units.none

default permit := false

deny contains {"code": "` + codeNoPolicy + `"}
`

func (e *Engine) readStored() ([]*piece, error) {
	ctx, cancel := context.WithTimeout(context.Background(), feedPatience)
	defer cancel()
	tarball, err := e.opts.Stored(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot read the policy bundle of the store: %w", err)
	}
	if tarball == nil {
		p, err := parsePiece(SoleBundle, map[string][]byte{"none.rego": []byte(nothing)}, nil)
		return []*piece{p}, err
	}
	p, err := newPiece(SoleBundle, tarball, nil)
	return []*piece{p}, err
}

// note keeps err for whoever asks how the last bundle fared.
func (e *Engine) note(err error) error {
	if e.lastErr = err; err != nil {
		e.reloadErrors.Add(1)
	}
	if e.opts.Reporter != nil {
		e.opts.Reporter.Noted(e.Active(), err)
	}
	return err
}
