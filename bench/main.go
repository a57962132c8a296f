// Bench measures what the gateway costs: CPU per request, latency, memory and
// allocations, with every stage on, against nginx and a bare proxy that are
// measured in the same run. It compares the outcome with bars.json and fails
// where a bar is missed. README.md says how to read it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
)

func main() {
	runtime.LockOSThread() // the processes that are started end with this thread
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the command's flags.
type options struct {
	root   string // of the repository
	binary string
	out    string
	rounds int
	short  bool
	strict bool // a missed bar fails a short run too
	only   string
	parts  string
	among  string
	keep   bool
}

var errBars = errors.New("bars were missed")

func run(args []string, stdout io.Writer) error {
	if len(args) > 0 && roles[args[0]] != nil {
		return roles[args[0]](args[1:], stdout)
	}
	o := options{}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&o.root, "root", ".", "root of the repository")
	f.StringVar(&o.binary, "binary", "bin/signalbox", "the gateway, built by make build")
	f.StringVar(&o.out, "out", "bench/out/report.json", "where the report goes")
	f.IntVar(&o.rounds, "rounds", 0, "rounds of the alternation; 0: 5, or 3 with -short")
	f.BoolVar(&o.short, "short", false, "a fifth of the work; missed bars are reported, not fatal")
	f.BoolVar(&o.strict, "strict", false, "missed bars are fatal with -short too")
	f.StringVar(&o.only, "only", "", "regular expression: trials to run (their bars alone count)")
	f.StringVar(&o.parts, "parts", "trials,idle,soak,swaps,start,stages,modules", "parts to run (bars of others do not count)")
	f.StringVar(&o.among, "targets", strings.Join(everybody, ","), "targets to measure; without the gateway's it is not started")
	f.BoolVar(&o.keep, "keep", false, "keep the run's folder with logs and configuration")
	if err := f.Parse(args); err != nil {
		return err
	}
	if err := os.Chdir(o.root); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s, err := newSuite(o, stdout)
	if err != nil {
		return err
	}
	return s.run(ctx)
}
