package policy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// Tests says what a bundle's own tests mean before it comes into use.
type Tests uint8

// The zero value refuses a bundle whose tests fail.
const (
	TestsRequired Tests = iota
	TestsWarn           // failures are logged
	TestsOff            // they are not run
)

// What bounds the tests of a bundle that is to come into use.
const (
	testTimeout  = 10 * time.Second // of one
	testsTimeout = 20 * time.Second // of all
)

// runTests starts the tests on b's data, against modules, which are the
// bundle's own unless something is being tried out.
func (src *source) runTests(ctx context.Context, b *compiled, modules map[string]*ast.Module, tracer topdown.QueryTracer) (chan *tester.Result, error) {
	all := maps.Clone(modules)
	maps.Copy(all, src.tests)
	compiler, err := b.newCompiler(src)
	if err != nil {
		return nil, err
	}
	r := tester.NewRunner().SetCompiler(compiler).SetStore(b.store).SetModules(copyModules(all)).SetTimeout(testTimeout).RaiseBuiltinErrors(true)
	if tracer != nil {
		r.SetCoverageQueryTracer(tracer)
	}
	type started struct {
		results chan *tester.Result
		err     error
	}
	s, err := bounded(func() (s started) { s.results, s.err = r.RunTests(ctx, b.txn); return s }) // it compiles before it returns
	if err = errors.Join(err, s.err); err != nil {
		return nil, fmt.Errorf("cannot run the bundle's tests: %w", err)
	}
	return s.results, nil
}

// mustPass runs the bundle's tests on b's data, if they are to be run.
func (src *source) mustPass(b *compiled, o *Options) error {
	if o.Tests == TestsOff || len(src.tests) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), o.testsTimeout())
	defer cancel()
	results, err := src.runTests(ctx, b, src.modules, nil)
	var errs []error
	if err != nil {
		errs = append(errs, err)
	} else {
		for r := range results {
			if !r.Pass() || r.Skip {
				errs = append(errs, errors.New(findingAt(r.Location, "%s.%s %s", r.Package, r.Name, outcome(r)).String()))
			}
		}
	}
	if ctx.Err() != nil {
		errs = append(errs, fmt.Errorf("the bundle's tests did not end within %s", o.testsTimeout()))
	}
	err = errors.Join(errs...)
	if err != nil && o.Tests == TestsWarn {
		o.Log.Warn("policy: tests of the bundle fail, it comes into use all the same", "error", err)
		return nil
	}
	return err
}

func (o *Options) testsTimeout() time.Duration {
	if o.TestsLimit > 0 {
		return o.TestsLimit
	}
	return testsTimeout
}
