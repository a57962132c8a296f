package policy

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/cache"
)

// unit is one package of a bundle, compiled: what it reads, how it is asked,
// and what it has answered.
type unit struct {
	unitRules
	reads  *reads
	bundle *compiled
	query  ast.Body
	values cache.InterQueryValueCache // compiled patterns
	decode decoder
	memo   *memo[verdict] // nil: the unit is evaluated every time
	known  interner
	stats  *unitStats

	dryFailure *verdict // what an evaluation that fails comes to in a dry run
}

// unitStats outlive a snapshot, so that counters never go back.
type unitStats struct {
	hits, misses, errors atomic.Uint64
}

// maxPatterns bounds the compiled patterns that a unit keeps: callers may have
// a say in them, and OPA's own default is no bound.
const maxPatterns = 1000

// newUnit prepares the unit's one query, which asks for the rules that it has.
// The query has no answer at all when one of them is undefined.
func newUnit(rules *unitRules, b *compiled, r *reads) (*unit, error) {
	patterns := maxPatterns
	u := &unit{unitRules: *rules, reads: r, bundle: b, decode: decoder{unit: rules.name}, stats: &unitStats{},
		values: cache.NewInterQueryValueCache(context.Background(), &cache.Config{
			InterQueryBuiltinValueCache: cache.InterQueryBuiltinValueCacheConfig{MaxNumEntries: &patterns}})}
	var body ast.Body
	for _, entry := range u.entries() {
		name := ast.VarTerm(string(entry[len(entry)-1].Value.(ast.String)))
		body.Append(ast.Equality.Expr(name, ast.NewTerm(entry)))
	}
	var err error
	if u.query, err = b.compiler.QueryCompiler().Compile(body); err != nil {
		return nil, fmt.Errorf("cannot prepare unit %q: %w", u.name, err)
	}
	return u, nil
}

// ask returns what the unit says of r's call, from memory if it can.
func (u *unit) ask(r *reader) (*verdict, error) {
	if u.memo != nil {
		r.key = r.appendKey(r.key[:0], u.reads.fields)
		if v := u.memo.get(r.key, r.by); v != nil {
			u.stats.hits.Add(1)
			return v, nil
		}
	}
	u.stats.misses.Add(1)
	input, cancel := r.evaluation()
	v, err := u.evalOn(u.bundle, input, cancel, r.rules)
	if err != nil {
		u.stats.errors.Add(1)
		r.rules = nil // it may hold what was given up half-way
		return nil, err
	}
	if u.memo != nil && len(r.key) <= maxKey {
		u.memo.put(r.key, v, v.size, r.by)
	}
	return v, nil
}

// eval evaluates the unit; an error means that it decided nothing.
func (u *unit) eval(input *ast.Term, cancel topdown.Cancel) (*verdict, error) {
	return u.evalOn(u.bundle, input, cancel, nil)
}

// evalOn is eval on b, which may have other data. What rules have come to on the
// same b and input may be given in shared, so that units work out once what they
// share.
func (u *unit) evalOn(b *compiled, input *ast.Term, cancel topdown.Cancel, shared topdown.VirtualCache) (v *verdict, err error) {
	defer func() {
		if p := recover(); p != nil {
			v, err = nil, fmt.Errorf("cannot evaluate unit %q: panic: %v", u.name, p)
		}
	}()
	return u.answer(u.queryOn(b, input, cancel).WithVirtualCache(shared))
}

func (u *unit) queryOn(b *compiled, input *ast.Term, cancel topdown.Cancel) *topdown.Query {
	return topdown.NewQuery(u.query).
		WithCompiler(b.compiler).WithStore(b.store).WithTransaction(b.txn).
		WithInput(input).WithCancel(cancel).WithMetrics(metrics.NoOp()).
		WithInterQueryBuiltinValueCache(u.values).
		WithStrictBuiltinErrors(true) // else a bad pattern makes its rule undefined: no denial
}

var errUndefined = errors.New("permit or obligations is undefined: give it a default")

// answer evaluates q, which must have one answer.
func (u *unit) answer(q *topdown.Query) (v *verdict, err error) {
	answers := 0
	err = q.Iter(context.Background(), func(qr topdown.QueryResult) error {
		answers++
		err := fits(qr)
		if err == nil {
			v, err = u.known.intern(&u.decode, qr)
		}
		return err
	})
	if err == nil && answers != 1 {
		err = errUndefined
	}
	if err != nil {
		return nil, fmt.Errorf("cannot evaluate unit %q: %w", u.name, err)
	}
	return v, nil
}

// What bounds the distinct verdicts that are kept by content.
const (
	maxInterned      = 4 << 10
	maxInternedBytes = 1 << 20
)

// verdictIDs number verdicts; one is never used twice.
var verdictIDs atomic.Uint64

// interner makes equal answers one verdict, so that the merged decision can be
// remembered by the verdicts' ids.
type interner struct {
	mu     sync.Mutex
	byText map[string]*verdict
	bytes  int64
}

func (n *interner) intern(d *decoder, qr topdown.QueryResult) (*verdict, error) {
	var text []byte // OPA prints equal values alike
	for _, rule := range [...]ast.Var{"deny", "permit", "obligations"} {
		if t := qr[rule]; t != nil {
			text = append(append(text, t.String()...), '\n')
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if v := n.byText[string(text)]; v != nil {
		return v, nil
	}
	v, err := d.verdict(qr["deny"], qr["permit"], qr["obligations"])
	if err != nil {
		return nil, err
	}
	v.id, v.size = verdictIDs.Add(1), int64(256+2*len(text))
	if n.bytes += v.size; n.byText == nil || len(n.byText) >= maxInterned || n.bytes > maxInternedBytes {
		n.byText, n.bytes = map[string]*verdict{}, v.size
	}
	n.byText[string(text)] = v
	return v, nil
}
