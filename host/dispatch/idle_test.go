package dispatch_test

import (
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/dispatch"
)

// TestManyKeepAlives: what an upstream sends of them before its first event
// costs their length, and goes to the caller.
func TestManyKeepAlives(t *testing.T) {
	for _, ping := range []string{": ping\n\n", ": ping\r\n\r\n"} {
		r := newRig(t, dispatch.Options{})
		pings := strings.Repeat(ping, 1<<17)
		r.target("a", events(pings, delta("a"), finish, doneEvent))
		out, err, werr := r.do(r.call(streamCall))
		if err != nil || werr != nil || !strings.HasPrefix(out, pings+delta("a")+finish) {
			t.Errorf("%d bytes, %v, %v", len(out), err, werr)
		}
	}
}
