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

	members map[string]any // of a body in JSON, which is made for each try
	files   []formFile     // of a form
	fields  map[string]string
	last    bool // there are no further tries
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
	own    map[*step]*account
	into   *Chunks // takes what the last step says, nil: it is read whole
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
	v, steps, err := r.sequence(ctx, p.steps, vars{"input": maps.Clone(inputs)})
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

// sequence runs steps in a row. It returns v, which stays as it is, with what
// they give, but for what is read no more.
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
		s.forget(v)
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
	if s.each != nil {
		return r.each(ctx, s, v, rec)
	}
	if s.op == nil {
		return r.group(ctx, s, v, rec)
	}
	got, err := r.one(ctx, s, v, rec)
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
	if s.typ != nil {
		return vars{s.spec.Name: s.typ.zero()}
	}
	out := vars{}
	for _, ch := range s.children {
		maps.Copy(out, ch.nothing())
	}
	return out
}

// purse is what the requests of s may cost, nil: nothing bounds them here.
func (r *run) purse(s *step) *Purse {
	p := &Purse{mu: &r.mu}
	if s.budget > 0 {
		p.accounts = append(p.accounts, r.account(s))
	}
	if r.total != nil {
		p.accounts = append(p.accounts, r.total)
	}
	if len(p.accounts) == 0 {
		return nil
	}
	return p
}

// account is the one of s in this run: whatever s is done within, and however
// often, its budget is one.
func (r *run) account(s *step) *account {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.own[s]
	if a == nil {
		if r.own == nil {
			r.own = map[*step]*account{}
		}
		a = &account{what: "the step", max: s.budget}
		r.own[s] = a
	}
	return a
}

// group runs the steps of s, all of them again where one fails that may pass.
func (r *run) group(ctx context.Context, s *step, v vars, rec *StepRecord) (gives vars, err *wire.Error) {
	for n := range s.spec.Retry.Attempts + 1 {
		if n > 0 && !pause(ctx, s, n, err) {
			break
		}
		var records []*StepRecord
		if s.parallel {
			gives, records, err = r.branches(ctx, s, v)
		} else {
			gives, records, err = r.row(ctx, s, v)
		}
		rec.Steps = append(rec.Steps, records...)
		if err == nil {
			rec.Status = StatusOK
			return gives, nil
		}
		if ctx.Err() != nil || !again(err) {
			break
		}
	}
	if rec.Status = StatusFailed; ctx.Err() != nil {
		rec.Status = StatusCancelled
	}
	return nil, err
}

// row runs the steps of s one after another.
func (r *run) row(ctx context.Context, s *step, v vars) (vars, []*StepRecord, *wire.Error) {
	after, records, err := r.sequence(ctx, s.children, v)
	if err != nil {
		return nil, records, err
	}
	gives := s.gives()
	for name := range gives {
		if got, kept := after[name]; kept {
			gives[name] = got
		} else {
			delete(gives, name)
		}
	}
	return gives, records, nil
}

// branches runs the steps of s beside each other.
func (r *run) branches(ctx context.Context, s *step, v vars) (vars, []*StepRecord, *wire.Error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	gives, records := make([]vars, len(s.children)), make([]*StepRecord, len(s.children))
	var first firstError
	var wg sync.WaitGroup
	for i, ch := range s.children {
		wg.Go(func() {
			var err *wire.Error
			if gives[i], records[i], err = r.step(ctx, ch, v); err != nil {
				first.set(err)
				cancel()
			}
		})
	}
	wg.Wait()
	if first.err != nil {
		return nil, records, first.err
	}
	out := vars{}
	for _, g := range gives {
		maps.Copy(out, g)
	}
	return out, records, nil
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
