package host

import (
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/hint"
	"github.com/signalbox-ai/signalbox/sdk/route"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

const (
	mirrorWorkers = 4
	mirrorQueue   = 256
	// Larger bodies are not copied for it, and no more bytes wait in all.
	mirrorBody  = 1 << 20
	mirrorBytes = 16 << 20
	// mirrorSalt keeps the choice of what is mirrored apart from other uses of
	// a request's id.
	mirrorSalt = 0x6d6972726f720000
)

// mirror sends copies of requests to other targets, whose answers nobody sees.
// What it cannot keep up with it drops.
type mirror struct {
	host *Host
	who  *call.Principal
	jobs chan innerCall
	stop context.CancelFunc
	wg   sync.WaitGroup

	bytes                           atomic.Int64 // that wait
	sent, failed, skipped, overflow atomic.Int64
}

func newMirror(h *Host) *mirror {
	ctx, cancel := context.WithCancel(context.Background())
	m := &mirror{host: h, who: internal("mirror"), jobs: make(chan innerCall, mirrorQueue), stop: cancel}
	for range mirrorWorkers {
		m.wg.Go(func() { m.work(ctx) })
	}
	return m
}

// Stop drops what waits and ends what runs.
func (m *mirror) Stop() {
	m.stop()
	m.wg.Wait()
}

func (m *mirror) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case in := <-m.jobs:
			m.bytes.Add(-int64(len(in.Body)))
			in.Body = unstreamed(in.Body)
			if _, err := m.host.inner(ctx, &in); err != nil {
				m.failed.Add(1)
			} else {
				m.sent.Add(1)
			}
		}
	}
}

// take copies f's request, which has been sent on its way, if it is one of those
// that are mirrored. It waits for nothing.
func (m *mirror) take(f *flight) {
	if f.Model == nil || f.Model.Mirror.Target == nil || f.inner != nil || !f.SentUp || !f.mirrored() {
		return
	}
	t, now := f.Model.Mirror.Target, f.Received.UnixMilli()
	switch {
	case !f.mirrorable(t):
		m.skipped.Add(1)
	case t.Resting(now) > 0, t.Full(), t.State.Awaited(): // its places are for callers
		m.overflow.Add(1)
	case m.bytes.Add(int64(len(f.Body))) > mirrorBytes:
		m.bytes.Add(-int64(len(f.Body)))
		m.overflow.Add(1)
	default:
		in := innerCall{Principal: m.who, Op: f.Op, Dialect: f.Dialect, Body: append([]byte(nil), f.Body...),
			Target: t, Decision: f.Decision, Once: true}
		if f.Dialect == wire.GeminiGenerate {
			in.Model = t.Model // its bodies do not name it
		}
		select {
		case m.jobs <- in:
		default:
			m.bytes.Add(-int64(len(in.Body)))
			m.overflow.Add(1)
		}
	}
}

// mirrored reports whether f is in the share of its model's requests.
func (f *flight) mirrored() bool {
	return float64(route.Mix(uint64(f.ID)^mirrorSalt)>>11)/(1<<53) < f.Model.Mirror.Share
}

// mirrorable reports whether f may be sent to t as well: it means the same
// anywhere, the caller's policy and tags allow t, and it leaves nothing behind
// there.
func (f *flight) mirrorable(t *call.Target) bool {
	switch f.Op {
	case wire.OpChat, wire.OpCompletions, wire.OpEmbeddings, wire.OpModeration, wire.OpRerank:
	default:
		return false
	}
	c := &f.Call
	plain := c.Upload == nil && c.Method == "" && len(c.Facts.Refs) == 0 && !c.Facts.Unbounded && len(c.Body) <= mirrorBody
	return plain && allowed(f, t) && hint.Tagged(c, t) && t.Provider.Endpoint(f.Op, f.Dialect) != nil
}

// unstreamed is body without its wish to be answered by a stream, nor to be
// kept. What is no object stays as it is.
func unstreamed(body []byte) []byte {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return body
	}
	delete(members, "stream")
	delete(members, "stream_options")
	if _, has := members["store"]; has {
		members["store"] = json.RawMessage("false")
	}
	out, err := json.Marshal(members)
	if err != nil {
		return body
	}
	return out
}
