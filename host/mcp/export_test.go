package mcp

import (
	"net/http"

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
