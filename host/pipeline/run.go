package pipeline

import (
	"context"
	"maps"
	"runtime/debug"
	"sync"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Caller asks a model for a step, as a caller would: under policy, budgets and
// routing.
type Caller interface {
	Call(ctx context.Context, r *Request) (Reply, *wire.Error)
}

// Request is what a step asks.
type Request struct {
	Step    string
	Model   string
	Op      wire.Op
	Dialect wire.Dialect
	Body    []byte // JSON, unless Form is there
	Form    *Form
	Purse   *Purse  // that has to cover it, nil: there is none
	Into    *Chunks // gets the answer as it streams, nil: it is read whole

	sound  *Media
	fields map[string]string
}

// Reply is what came of a Request: also where it failed, as far as it came.
type Reply struct {
	ID       string
	Model    string // provider/model that answered, or was tried last
	Type     string // of Body
	Body     []byte
	Attempts int
	Usage    wire.Usage
	Cost     int64 // nano-dollars
}

// Watch hears of a run while it runs. Its functions are called by several
// goroutines, and may be nil.
type Watch struct {
	Step  func(*StepRecord)       // has begun, or ended: its status says which
	Chunk func(data []byte) error // of the answer: one event's data of a streamed chat completion
	Panic func(step string, what any, stack []byte)
}

// StatusRunning is a step's that has begun.
const StatusRunning Status = "running"

// run is one run of a pipeline.
type run struct {
	*Pipeline
	caller Caller
	watch  Watch
	mu     sync.Mutex // of purses
	total  *account   // nil: there is no budget
	into   *Chunks    // takes what the last step says, nil: it is read whole
}

// Run runs p on inputs, which Inputs has checked. The record is never nil.
func (p *Pipeline) Run(ctx context.Context, id string, inputs map[string]any, caller Caller, w Watch) (*Record, *wire.Error) {
	rec := &Record{ID: id, Object: "pipeline.run", Pipeline: p.Name, Began: time.Now()}
	if p.deadline > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.deadline)
		defer cancel()
	}
	r := &run{Pipeline: p, caller: caller, watch: w}
	if p.last != nil && w.Chunk != nil {
		r.into = &Chunks{send: w.Chunk}
	}
	if p.budget > 0 {
		r.total = &account{what: "pipeline " + quoted(p.Name), max: p.budget}
	}
	v, steps, err := r.sequence(ctx, p.steps, vars{"input": inputs})
	rec.Steps = steps
	if err == nil {
		rec.Output, err = r.answer(v)
	}
	if rec.Status = StatusOK; err != nil {
		err = r.ended(ctx, err)
		rec.Status, rec.Error = StatusFailed, errorOf(err)
	}
	rec.finish()
	return rec, err
}

func quoted(s string) string { return `"` + s + `"` }

// ended says of an error that came with the end of the whole, that it did.
func (r *run) ended(ctx context.Context, err *wire.Error) *wire.Error {
	switch ctx.Err() {
	case context.DeadlineExceeded:
		e := wire.Errorf(504, "pipeline_deadline", "pipeline %q did not end within its deadline of %s: %s", r.Name, r.deadline, err.Message)
		e.Class, e.Param = wire.ClassTimeout, err.Param
		return e
	case context.Canceled:
		e := wire.Errorf(499, "client_closed_request", "the caller closed the connection while pipeline %q ran", r.Name)
		e.Class = wire.ClassNetwork
		return e
	}
	return err
}

// answer is the pipeline's output.
func (r *run) answer(v vars) (any, *wire.Error) {
	if r.output != nil {
		out, err := r.output.eval(v)
		if err != nil {
			return nil, failed("output", "output", err)
		}
		return out, nil
	}
	last := r.steps[len(r.steps)-1]
	if last.op == nil {
		return nil, nil
	}
	main := last.op.main
	if last.json != nil {
		main = "json"
	}
	switch got := v[last.spec.Name].(type) {
	case map[string]any:
		return got[main], nil
	case []any:
		out := make([]any, len(got))
		for i, e := range got {
			if m, ok := e.(map[string]any); ok {
				out[i] = m[main]
			}
		}
		return out, nil
	}
	return nil, nil
}

// failed is the error of an expression, which is about what it was given.
func failed(what, param string, err error) *wire.Error {
	e := wire.Errorf(422, "expression_failed", "%s: %v", what, err)
	e.Param = param
	return e
}

// sequence runs steps in a row. What they give is added to v, which stays as it is.
func (r *run) sequence(ctx context.Context, steps []*step, v vars) (vars, []*StepRecord, *wire.Error) {
	v = maps.Clone(v)
	records := make([]*StepRecord, 0, len(steps))
	for _, s := range steps {
		gives, rec, err := r.step(ctx, s, v)
		records = append(records, rec)
		maps.Copy(v, gives)
		if err != nil {
			return v, records, err
		}
	}
	return v, records, nil
}

// step runs s and tells what it gives, by name.
func (r *run) step(ctx context.Context, s *step, v vars) (gives vars, rec *StepRecord, err *wire.Error) {
	began := time.Now()
	rec = &StepRecord{Name: s.spec.Name}
	defer r.rescue(s, rec, &err)
	if s.op != nil {
		rec.Op = s.op.op.String()
	}
	if s.when != nil {
		does, bad := s.when.eval(v)
		if bad != nil {
			err = r.of(s, failed("when", "when", bad))
			rec.Status, rec.Error = StatusFailed, errorOf(err)
			return nil, rec, err
		}
		if is, _ := does.(bool); !is {
			rec.Status = StatusSkipped
			r.tell(rec)
			return s.nothing(), rec, nil
		}
	}
	r.begin(rec)
	gives, err = r.perform(ctx, s, v, rec)
	rec.Duration = took(began)
	rec.sum()
	r.tell(rec)
	return gives, rec, err
}

// rescue makes a panic the error of its step: steps run in goroutines of their
// own, where it would end the process.
func (r *run) rescue(s *step, rec *StepRecord, err **wire.Error) {
	p := recover()
	if p == nil {
		return
	}
	if r.watch.Panic != nil {
		r.watch.Panic(s.spec.Name, p, debug.Stack())
	}
	*err = r.of(s, wire.Errorf(500, "internal_error", "the gateway failed at this step"))
	rec.Status, rec.Error = StatusFailed, errorOf(*err)
}

// perform runs s, whose condition holds.
func (r *run) perform(ctx context.Context, s *step, v vars, rec *StepRecord) (vars, *wire.Error) {
	switch {
	case s.op == nil:
		return r.group(ctx, s, v, rec)
	case s.each != nil:
		return r.each(ctx, s, v, rec)
	}
	got, err := r.one(ctx, s, v, r.purse(s), rec)
	if err != nil {
		return nil, err
	}
	return vars{s.spec.Name: got}, nil
}

func (r *run) begin(rec *StepRecord) {
	if r.watch.Step != nil {
		begun := *rec
		begun.Status = StatusRunning
		r.watch.Step(&begun)
	}
}

func (r *run) tell(rec *StepRecord) {
	if r.watch.Step != nil {
		r.watch.Step(rec)
	}
}

// nothing is what s gives when it is not done.
func (s *step) nothing() vars {
	if s.op == nil {
		out := vars{}
		for _, ch := range s.children {
			maps.Copy(out, ch.nothing())
		}
		return out
	}
	return vars{s.spec.Name: s.typ.zero()}
}

// purse is what the requests of s may cost, nil: nothing bounds them here.
func (r *run) purse(s *step) *Purse {
	p := &Purse{mu: &r.mu}
	if s.budget > 0 {
		p.accounts = append(p.accounts, &account{what: "the step", max: s.budget})
	}
	if r.total != nil {
		p.accounts = append(p.accounts, r.total)
	}
	if len(p.accounts) == 0 {
		return nil
	}
	return p
}

// group runs the steps of s.
func (r *run) group(ctx context.Context, s *step, v vars, rec *StepRecord) (vars, *wire.Error) {
	rec.Status = StatusOK
	if !s.parallel {
		after, records, err := r.sequence(ctx, s.children, v)
		rec.Steps = records
		if err != nil {
			rec.Status = StatusFailed
		}
		return after, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	gives, errs := make([]vars, len(s.children)), make([]*wire.Error, len(s.children))
	rec.Steps = make([]*StepRecord, len(s.children))
	var first firstError
	var wg sync.WaitGroup
	for i, ch := range s.children {
		wg.Go(func() {
			gives[i], rec.Steps[i], errs[i] = r.step(ctx, ch, v)
			if errs[i] != nil {
				first.set(errs[i])
				cancel()
			}
		})
	}
	wg.Wait()
	out := vars{}
	for _, g := range gives {
		maps.Copy(out, g)
	}
	if err := first.err; err != nil {
		rec.Status = StatusFailed
		return nil, err
	}
	return out, nil
}

// firstError keeps the first of several errors: those after it come of being
// cancelled.
type firstError struct {
	mu  sync.Mutex
	err *wire.Error
}

func (f *firstError) set(err *wire.Error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
}
