package policy

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"golang.org/x/sys/unix"
)

// What keeps a bundle from being compiled without an end: OPA's compiler goes
// through closures within closures, and through types that hold a type twice
// and again, so often that a few lines take it years.
const (
	maxClosures = 5  // comprehensions, every and templates within each other
	maxNesting  = 40 // all that can stand within itself
	maxRunaways = 2  // compilations that are not waited for any more
)

// compileLimit is the processor time that one compilation may take: such of
// bundles as people write take a hundredth of it.
var compileLimit = 10 * time.Second

// nested refuses what is nested deeper than OPA's compiler can bear.
func nested(m *ast.Module) error {
	n := nesting{}
	ast.NewGenericVisitor(func(x any) bool { return n.enter(x, 0, 0) }).Walk(m)
	return n.err
}

type nesting struct{ err error }

// enter looks at x, which stands within depth others, closures of them closures.
// It goes down by itself: true.
func (n *nesting) enter(x any, depth, closures int) bool {
	if n.err != nil {
		return true
	}
	var at *ast.Location
	switch x := x.(type) {
	case *ast.Term:
		at = x.Location
		switch x.Value.(type) {
		case *ast.ArrayComprehension, *ast.SetComprehension, *ast.ObjectComprehension, *ast.TemplateString:
			closures++
		case *ast.Array, ast.Object, ast.Set, ast.Call, ast.Ref:
		default:
			return false
		}
	case *ast.Every:
		at = x.Location
		closures++
	default:
		return false
	}
	switch depth++; {
	case closures > maxClosures:
		n.err = fmt.Errorf("%s: comprehensions, every and templates stand within each other more than %d deep: make rules or functions of the inner ones", at, maxClosures)
	case depth > maxNesting:
		n.err = fmt.Errorf("%s: values, calls and references stand within each other more than %d deep: move the inner ones into rules, or into the bundle's data", at, maxNesting)
	}
	ast.NewGenericVisitor(func(y any) bool { return y != x && n.enter(y, depth, closures) }).Walk(x)
	return true
}

// runaways are the compilations that are not waited for any more.
var runaways atomic.Int32

// bounded compiles, within compileLimit of processor time: a busy machine is no
// bundle's fault. Nothing can end a compilation; one that takes longer goes on at
// the lowest priority, and its result is dropped.
func bounded[T any](compile func() T) (out T, err error) {
	if n := runaways.Load(); n >= maxRunaways {
		return out, fmt.Errorf("cannot compile: %d bundles before this one are still being compiled, without an end: restart the gateway", n)
	}
	type outcome struct {
		out      T
		panicked any
	}
	type thread struct {
		id  int
		had time.Duration // before
	}
	on, done := make(chan thread, 1), make(chan outcome, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its priority
		id := unix.Gettid()
		on <- thread{id, threadTime(id)}
		var o outcome
		defer func() { o.panicked = recover(); done <- o }()
		o.out = compile()
	}()
	th := <-on
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case o := <-done:
			if o.panicked != nil {
				panic(o.panicked)
			}
			return o.out, nil
		case <-tick.C:
		}
		if threadTime(th.id)-th.had > compileLimit {
			break
		}
	}
	runaways.Add(1)
	_ = unix.Setpriority(unix.PRIO_PROCESS, th.id, 19)
	go func() { <-done; runaways.Add(-1) }()
	return out, fmt.Errorf("cannot compile: it takes more than %s: look for rules that make values of other rules' values several times over, and for deep nesting", compileLimit)
}

// threadTime is the processor time that a thread of this process has had.
func threadTime(id int) time.Duration {
	const perThread, scheduled = 4, 2 // of a clock's number, as the kernel has it
	var t unix.Timespec
	if unix.ClockGettime(int32(^id<<3|perThread|scheduled), &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
