package host

import (
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// serving answers a call without asking a provider for it as it is. It has
// passed authentication; what it makes of itself are inner calls, which take
// the way of all.
type serving func(*flight) (call.Answer, *wire.Error)

// own is what the gateway itself serves, nil: it is not one of those, or what
// serves it is not configured. It is asked of every request: where f is not for
// it, a case costs a comparison.
func (h *Host) own(f *flight) serving {
	switch f.Op {
	case wire.OpChat:
		return h.ownChat(f)
	case wire.OpFiles, wire.OpBatches:
		return h.ownBatches(f)
	case wire.OpTool:
		return h.serveTools
	case wire.OpPipeline:
		return h.servePipeline
	}
	return nil
}
