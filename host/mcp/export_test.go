package mcp

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/provider/egress"
)

// Guard is what a connection to addr, which host stands for, is held to.
func Guard(hosts *egress.Hosts, host, addr string) error {
	w := newWeb(&Spec{Hosts: hosts})
	return w.guard(host)("tcp", addr, nil)
}

// Through is what reaches a server with a URL.
func Through(spec *Spec) (client *http.Client, end func()) {
	w := newWeb(spec)
	return &http.Client{Transport: w}, w.stop
}

// Answered is what h answers to the request of an id, which c has brought.
func Answered(c *call.Call, id string, log *slog.Logger, h http.Handler) call.Answer {
	ctx, cancel := context.WithCancel(context.Background())
	caller := &Caller{Call: c, request: id, ctx: ctx, end: cancel}
	r, _ := http.NewRequestWithContext(ctx, http.MethodPost, "/mcp", nil) // nothing of it can be wrong
	return newExchange(caller, log, cancel).run(h, r, &c.Gone)
}
