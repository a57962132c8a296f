package dispatch_test

import (
	"net"
	"sync/atomic"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/dispatch"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// TestWhatCreatesSomethingIsSentOnce: a connection that ends without an answer
// leaves open whether a batch was created; a second request would create another.
func TestWhatCreatesSomethingIsSentOnce(t *testing.T) {
	r := newRig(t, dispatch.Options{})
	var sent atomic.Int32
	tgt := r.raw("a", func(nc net.Conn, _ int) bool {
		if sent.Add(1) == 2 {
			return false // taken, and the connection closed
		}
		say(nc, whole(jsonAnswer))
		return true
	})
	chat := tgt.Provider.Endpoint(wire.OpChat, wire.OpenAIChat)
	batches := *chat // by the same connections
	batches.Op, batches.Dialect = wire.OpBatches, wire.OpenAIBatches
	tgt.Provider.Publish(call.NewEndpoints([]*call.Endpoint{chat, &batches}))
	if _, err, _ := r.do(r.call(jsonCall)); err != nil { // leaves a connection to be used again
		t.Fatal(err)
	}
	c := r.call(jsonCall)
	c.Op, c.Dialect = wire.OpBatches, wire.OpenAIBatches
	if _, err, _ := r.do(c); err == nil || sent.Load() != 2 {
		t.Errorf("got %v after %d requests, want an error after 2", err, sent.Load())
	}
}
