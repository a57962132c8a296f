package policy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Options of an engine. The zero value is the default bundle, not watched.
type Options struct {
	Path string // folder or .tar.gz; empty: the default bundle of the binary
	// Stored returns a bundle that is kept elsewhere, as a tarball, nil: none is
	// there yet, and all is refused. It takes the place of Path.
	Stored func(context.Context) ([]byte, error)
	// Feed brings bundles from elsewhere. It takes the place of Path. Terms name what
	// they must be: what was kept under others does not stand in.
	Feed  Feed
	Terms string
	Log   *slog.Logger
	Watch bool // reload when the bundle changes on disk

	Deadline   time.Duration // of one decision, 5 ms if 0
	MemoBytes  int64         // cap on what is remembered, 8 MiB if 0
	Filters    []string      // names that policies may demand; any other is an error
	Tests      Tests         // what the bundle's own tests mean
	Reporter   Reporter      // nil: nobody is told
	TestsLimit time.Duration // of all of them, 20 s if 0
	DryRun     []string      // units whose verdicts are told and do not count; "*": all

	Catalogue Catalogue // what policies know of models; it must not be changed afterwards

	// Keep is the path of a file for the last accepted bundle, which is served
	// when the configured one cannot be at Open. Empty: there is none.
	Keep string
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Deadline == 0 {
		o.Deadline = 5 * time.Millisecond
	}
	if o.MemoBytes == 0 {
		o.MemoBytes = 8 << 20
	}
	return o
}

// Engine decides by the last good bundle. It is safe for concurrent use.
type Engine struct {
	opts Options
	snap atomic.Pointer[snapshot]

	decisions, denials, failures atomic.Uint64
	reloads, reloadErrors        atomic.Uint64
	keepErrors                   atomic.Uint64
	logged                       atomic.Int64 // Unix s of the last error that was logged

	mu           sync.Mutex // held by a reload
	units        map[string]*unitStats
	fed          fed
	catalogue    Catalogue // of the last good snapshot
	lastErr      error
	kept         bool // the kept bundle is served
	keptPieces   []*piece
	keptRevision string // of what Options.Keep holds, as far as known
	watch        *watcher
}

// Open loads the bundle, or else the kept one; without a good one there is no
// engine. ctx bounds nothing but the watch, which ends with it or with Close.
func Open(ctx context.Context, opts Options) (*Engine, error) {
	e := &Engine{opts: opts.withDefaults(), units: map[string]*unitStats{}, catalogue: opts.Catalogue}
	if e.opts.Watch && e.opts.Path != "" { // first, so that no change falls between
		w, err := watch(ctx, e.opts.Path, e.changed)
		if err != nil {
			err = fmt.Errorf("cannot watch policy bundle %q: %w", e.opts.Path, err)
			if e.opts.Keep == "" || !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
			e.opts.Log.Error("policy: bundle not watched, changes wait for the next reload", "error", err)
		}
		e.watch = w
	}
	err := e.first(ctx)
	if err != nil {
		err = e.serveKept(err)
	}
	if err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

// first brings the first bundle into use.
func (e *Engine) first(ctx context.Context) error {
	if e.opts.Feed != nil {
		return e.feed(ctx)
	}
	return e.Reload()
}

// Close ends the watch and the feed. The engine goes on deciding.
func (e *Engine) Close() {
	e.watch.close()
	if e.opts.Feed != nil {
		e.opts.Feed.Stop()
	}
	if e.opts.Reporter != nil {
		e.opts.Reporter.Stop()
	}
}

func (e *Engine) changed() {
	if err := e.Reload(); err != nil {
		e.opts.Log.Error("policy: new bundle refused, the last good one stays", "error", err, "revision", e.Revision())
	}
}

// Reload reads the bundle again and swaps it in if it passes every check;
// otherwise the last good one stays. Requests under way finish on the old one.
func (e *Engine) Reload() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.reload(e.catalogue)
}

// SetCatalogue is Reload with another catalogue: both are accepted, or the last
// good ones stay. c must not be changed afterwards.
func (e *Engine) SetCatalogue(c Catalogue) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.reload(c)
}

func (e *Engine) reload(c Catalogue) error {
	cause := e.lastErr
	err := e.note(e.replace(c))
	if err == nil && e.kept {
		e.lastErr = cause
	}
	return err
}

func (e *Engine) replace(c Catalogue) error {
	pieces, err := e.read()
	if err != nil && e.kept && e.opts.Feed != nil { // the service may be away for long
		src, err := compose(e.keptPieces)
		if err != nil {
			return err
		}
		return e.install(src, c)
	}
	if err != nil {
		return err
	}
	return e.use(pieces, c)
}

// read reads the bundles as they are now.
func (e *Engine) read() ([]*piece, error) {
	switch {
	case e.opts.Feed != nil:
		return e.fed.complete()
	case e.opts.Stored != nil:
		return e.readStored()
	}
	files, err := readFiles(e.opts.Path)
	if err != nil {
		return nil, fmt.Errorf("cannot read policy bundle %q: %w", e.opts.Path, err)
	}
	p := &piece{name: SoleBundle, location: e.opts.Path, files: files}
	return []*piece{p}, p.parse()
}

// use brings pieces into use with c, if they are not yet.
func (e *Engine) use(pieces []*piece, c Catalogue) error {
	src, err := compose(pieces)
	if err != nil {
		return err
	}
	if old := e.snap.Load(); old != nil && old.revision == src.revision && reflect.DeepEqual(e.catalogue, c) {
		e.kept = false
		return nil
	}
	if err := e.install(src, c); err != nil {
		return err
	}
	e.kept, e.keptPieces = false, nil
	e.keep(src.revision, pieces)
	return nil
}

// install makes src the bundle that decides, if it passes every check.
func (e *Engine) install(src *source, c Catalogue) error {
	src.catalogue = c
	s, err := activate(src, &e.opts)
	if err != nil {
		return fmt.Errorf("cannot activate policy bundle %q: %w", e.location(), err)
	}
	for _, u := range s.units {
		if e.units[u.name] == nil {
			e.units[u.name] = &unitStats{}
		}
		u.stats = e.units[u.name]
	}
	if old := e.snap.Load(); old != nil {
		for _, u := range old.units {
			u.stats.hits.Add(old.answered.Load())
		}
	}
	s.active = &Active{Revision: s.revision, Bundles: src.bundles, Since: time.Now(), Log: s.log}
	e.snap.Store(s)
	e.catalogue = c
	clear(e.fed.refused)
	e.reloads.Add(1)
	e.opts.Log.Info("policy: bundle active", "revision", s.revision, "units", len(s.units), "models", len(c.Models))
	return nil
}

// activate builds a snapshot and proves it by its probes and tests.
func activate(src *source, o *Options) (*snapshot, error) {
	s, err := build(src, o)
	if err != nil {
		return nil, err
	}
	probes, err := src.allProbes()
	if err != nil {
		return nil, err
	}
	if err := s.probe(src, probes); err != nil {
		return nil, err
	}
	return s, src.mustPass(s.units[0].bundle, o)
}

var errNothing = errors.New("BUG: the call has no principal")

// noPolicy is the answer when there is nothing to decide with.
var noPolicy = &call.Decision{Reasons: []call.Reason{{Code: CodePolicyError}}}

// Decide says whether c may go on and under which obligations. It is never
// nil; whatever goes wrong is a denial. When every unit remembers its answer
// it allocates nothing.
func (e *Engine) Decide(c *call.Call) *call.Decision {
	e.decisions.Add(1)
	s := e.snap.Load()
	if s == nil || c.Principal == nil {
		e.failed(c, errNothing)
		return noPolicy
	}
	r := getReader(c, &s.env)
	d, err := s.decide(r)
	putReader(r)
	if err != nil {
		e.failed(c, err)
	} else if !d.Allow {
		e.denials.Add(1)
	}
	return d
}

// failed counts an error, and logs at most one a second: a broken policy fails
// in every request.
func (e *Engine) failed(c *call.Call, err error) {
	e.failures.Add(1)
	now := time.Now().Unix()
	if last := e.logged.Load(); last != now && e.logged.CompareAndSwap(last, now) {
		e.opts.Log.Error("policy: cannot decide, request refused", "request", c.ID, "error", err)
	}
}

// Revision names the bundle that decides now, "" before there is one: the watch
// begins before the first.
func (e *Engine) Revision() string {
	if s := e.snap.Load(); s != nil {
		return s.revision
	}
	return ""
}
