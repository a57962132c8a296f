package pipeline

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// each does s for each element of its list, in order of the list, several at a
// time.
func (r *run) each(ctx context.Context, s *step, v vars, rec *StepRecord) (vars, *wire.Error) {
	items, err := s.items(v)
	if err != nil {
		err = r.of(s, err)
		rec.Status, rec.Error = StatusFailed, errorOf(err)
		return nil, err
	}
	whole := ctx
	ctx, cancel := context.WithCancel(whole)
	defer cancel()
	m := &mapping{run: r, step: s, items: items, cancel: cancel, spare: s.spare(len(items)),
		out: make([]any, len(items)), records: make([]*StepRecord, len(items))}
	var wg sync.WaitGroup
	for range min(s.width(), len(items)) {
		wg.Go(func() { m.work(ctx, v) })
	}
	wg.Wait()
	for i := range m.records {
		if m.records[i] == nil { // it was not begun
			m.records[i] = &StepRecord{Name: s.spec.Name, Index: new(i), Op: rec.Op, Status: StatusCancelled}
		}
	}
	rec.Items, rec.Status = m.records, StatusOK
	ended := whole.Err() != nil && (m.failed > 0 || m.next < len(items))
	if m.failed <= m.spare && !ended {
		return vars{s.spec.Name: m.out}, nil
	}
	if err = m.first.err; err == nil { // it has ended between two items
		err = r.of(s, wire.Errorf(499, "client_closed_request", "the run has ended before all items were done"))
	}
	rec.Status, rec.Error = StatusFailed, errorOf(err)
	return nil, err
}

// items are those that s is done for.
func (s *step) items(v vars) ([]any, *wire.Error) {
	got, err := s.each.eval(v)
	if err != nil {
		return nil, failed("each", "each", err)
	}
	items, ok := got.([]any)
	if !ok {
		return nil, failed("each", "each", fmt.Errorf("is %s, and must be a list", nameOf(got)))
	}
	if most := s.most(); len(items) > most {
		return nil, failed("each", "each", fmt.Errorf("the list has %d items, more than max_items (%d)", len(items), most))
	}
	return items, nil
}

// usualItems is how many items a step that has each takes where it does not say.
const usualItems = 100

// most is for how many items s may be done.
func (s *step) most() int {
	if s.spec.MaxItems > 0 {
		return s.spec.MaxItems
	}
	return usualItems
}

// width is for how many items s is done at a time.
func (s *step) width() int {
	if s.spec.Concurrency > 0 {
		return s.spec.Concurrency
	}
	return usualWidth
}

// spare is how many of n items may fail.
func (s *step) spare(n int) int {
	if s.spec.MinSuccess == nil {
		return 0
	}
	return n - *s.spec.MinSuccess
}

// mapping is a step that is being done for a list.
type mapping struct {
	*run
	step    *step
	items   []any
	cancel  context.CancelFunc
	spare   int // of failures
	out     []any
	records []*StepRecord

	mu     sync.Mutex
	next   int
	failed int
	first  firstError
}

// take returns the next item to be done.
func (m *mapping) take(ctx context.Context) (int, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.next == len(m.items) || ctx.Err() != nil && m.next > 0 {
		return 0, false
	}
	m.next++
	return m.next - 1, true
}

func (m *mapping) work(ctx context.Context, v vars) {
	v = maps.Clone(v)
	for i, ok := m.take(ctx); ok; i, ok = m.take(ctx) {
		v["item"], v["index"] = m.items[i], float64(i)
		began := time.Now()
		rec := &StepRecord{Name: m.step.spec.Name, Index: new(i)}
		got, err := m.item(ctx, m.step, v, rec)
		rec.Duration = took(began)
		rec.sum()
		m.records[i], m.out[i] = rec, got
		if err != nil {
			m.lose(err)
			zero, _ := m.step.result.zero().(map[string]any)
			zero["error"] = err.Message
			m.out[i] = zero
		}
	}
}

// item does s for one element, which v holds.
func (r *run) item(ctx context.Context, s *step, v vars, rec *StepRecord) (got map[string]any, err *wire.Error) {
	defer r.rescue(s, rec, &err)
	if s.op != nil {
		rec.Op = s.op.op.String()
		return r.one(ctx, s, v, rec)
	}
	gives, err := r.group(ctx, s, v, rec)
	if err != nil {
		rec.Error = errorOf(err)
		return nil, err
	}
	gives["ok"], gives["error"] = true, ""
	return gives, nil
}

// lose notes that an item has failed; where too many have, the rest is not done.
func (m *mapping) lose(err *wire.Error) {
	m.first.set(err)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failed++; m.failed > m.spare {
		m.cancel()
	}
}
