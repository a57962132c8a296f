// Signalbox is an AI gateway: one endpoint and one key in front of every AI
// API, extended without forking it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(program()) }

// program runs the command line of the process and returns its exit code. The
// first signal ends what runs in order, a second one kills.
func program() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, explain(err))
		return exitCode(err)
	}
	return 0
}
