package host

import (
	"context"
	"reflect"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/signalbox-ai/signalbox/host/access"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/content"
	"github.com/signalbox-ai/signalbox/host/logfile"
	"github.com/signalbox-ai/signalbox/host/telemetry"
	"github.com/signalbox-ai/signalbox/host/trace"
)

// telling is what tells others of requests, beside the ledger, by one
// configuration. It ends once no generation has it any more and the last request
// that began with it is over, so that nothing of what runs goes untold.
type telling struct {
	all      *tellings
	resource *resource.Resource // of what is exported
	tracer   *trace.Tracer      // nil: nothing is exported
	access   *access.Log        // nil: there is none
	content  *content.Log       // of prompts and answers, nil: there is none
	metrics  metric.Exporter    // for push, nil: none is pushed
	push     *telemetry.Push    // once it is in use
	held     atomic.Int64       // by requests, and by being in use
	over     sync.Once
}

// tellings are all that have not ended, and what all there ever were have come to.
type tellings struct {
	traces          trace.Counts
	access, content logfile.Counts

	mu   sync.Mutex
	open map[*telling]bool
}

// tell opens what cfg has told of requests, nil: nothing. Where that is the same
// as before it goes on unchanged.
func (h *Host) tell(ctx context.Context, cfg *config.Config, old *generation) (*telling, error) {
	if old != nil && reflect.DeepEqual(old.cfg.Telemetry, cfg.Telemetry) {
		return old.telling, nil
	}
	if c := &cfg.Telemetry; c.Traces.Endpoint == "" && c.Metrics.Endpoint == "" && c.AccessLog.Path == "" && c.Content.Path == "" {
		return nil, nil
	}
	t := &telling{all: &h.told}
	t.held.Store(1)
	h.told.mu.Lock()
	if h.told.open == nil {
		h.told.open = map[*telling]bool{}
	}
	h.told.open[t] = true
	h.told.mu.Unlock()
	var err error
	for _, open := range [...]func(context.Context, *config.Config, *telling) error{h.openTraces, h.openMetrics, h.openAccess, h.openContent} {
		if err = open(ctx, cfg, t); err != nil {
			t.end()
			return nil, err
		}
	}
	return t, nil
}

// use has g's requests told of as it says, and those of old to their end.
func (h *Host) use(g, old *generation) {
	var before *telling
	if old != nil {
		before = old.telling
	}
	if g.telling == before {
		return
	}
	if t := g.telling; t != nil && t.metrics != nil {
		t.push = h.metrics.Push(telemetry.PushOptions{Export: t.metrics, Resource: t.resource, Every: g.cfg.Telemetry.Metrics.Every, Log: h.log, Name: nameOf})
	}
	if before != nil {
		go before.push.Close() // metrics are of no request
		before.release()
	}
}

// bind gives f the generation that it keeps to its end, with what tells of it.
func (h *Host) bind(f *flight) {
	for {
		g := h.gen.Load()
		g.telling.hold()
		if h.gen.Load() == g { // else it may have ended before it was held
			f.gen = g
			return
		}
		g.telling.release()
	}
}

// telling is what tells of requests that begin now, nil: nothing does.
func (h *Host) telling() *telling {
	if g := h.gen.Load(); g != nil {
		return g.telling
	}
	return nil
}

func (t *telling) hold() {
	if t != nil {
		t.held.Add(1)
	}
}

func (t *telling) release() {
	if t != nil && t.held.Add(-1) == 0 {
		go t.end()
	}
}

// end tells what is left to tell. It waits for another end of t.
func (t *telling) end() {
	t.over.Do(func() {
		t.tracer.Close()
		if t.push == nil && t.metrics != nil {
			_ = t.metrics.Shutdown(context.Background()) // it has sent nothing
		}
		t.push.Close()
		t.access.Close()
		t.content.Close()
		t.all.mu.Lock()
		delete(t.all.open, t)
		t.all.mu.Unlock()
	})
}

// close ends all, whoever holds them.
func (a *tellings) close() {
	a.mu.Lock()
	var work sync.WaitGroup
	for t := range a.open {
		work.Go(t.end)
	}
	a.mu.Unlock()
	work.Wait()
}
