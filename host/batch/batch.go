// Package batch carries out files of requests in its own time, by the shapes
// of OpenAI's batches and files. What is to be done lies in a durable queue, a
// chunk of lines at a time; each line is noted before its request leaves and
// again with its answer, so that after a crash it is known of every line
// whether it was sent. The requests themselves are the host's to make.
package batch

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Gateway makes the requests of lines.
type Gateway interface {
	// Principal is who the key of that id stands for now.
	Principal(key string) (*call.Principal, *wire.Error)
	// Check tells at once what keeps p from asking for model at an endpoint.
	Check(p *call.Principal, e *Endpoint, model string) *wire.Error
	// Ask makes a request. It calls before at most once, before a byte leaves; an
	// error of that is what it returns, and nothing has left.
	Ask(ctx context.Context, r *Request, before func() *wire.Error) (Reply, *wire.Error)
}

// Request is one line's.
type Request struct {
	*Endpoint
	Principal *call.Principal
	Batch     string
	Body      []byte
	Model     string // where the body names none
}

// Reply is what came of it.
type Reply struct {
	ID       string // of the request
	Status   int
	Body     []byte
	Cost     int64  // nano-dollars
	Provider string // that was asked last
}

// Endpoint is what the lines of a batch may be for.
type Endpoint struct {
	Path    string
	Op      wire.Op
	Dialect wire.Dialect
	Model   string // of bodies that name none, "": they have to
}

var endpoints = []*Endpoint{
	{"/v1/chat/completions", wire.OpChat, wire.OpenAIChat, ""},
	{"/v1/responses", wire.OpChat, wire.OpenAIResponses, ""},
	{"/v1/embeddings", wire.OpEmbeddings, wire.OpenAIEmbeddings, ""},
	{"/v1/completions", wire.OpCompletions, wire.OpenAICompletions, ""},
	{"/v1/moderations", wire.OpModeration, wire.OpenAIModeration, "omni-moderation-latest"},
	{"/v1/messages", wire.OpChat, wire.AnthropicMessages, ""},
}

// EndpointOf is the one with the path, nil: there is none.
func EndpointOf(path string) *Endpoint { return endpoint(path) }

func endpoint(path string) *Endpoint {
	for _, e := range endpoints {
		if e.Path == path {
			return e
		}
	}
	return nil
}

// Options of a Desk. They may be replaced while it works.
type Options struct {
	MaxLines    int           // of a batch
	MaxLine     int           // bytes of one
	MaxFile     int64         // bytes
	MaxFiles    int64         // bytes of all files of a tenant
	MaxBatches  int           // of a tenant, that are not over
	Chunk       int           // lines
	Workers     int           // chunks at once, on this node
	Concurrency int           // requests at once, of each provider
	Mode        string        // of batches that say nothing of it: call.BatchAuto, …
	Retry       bool          // a line whose answer was lost is sent again
	Window      time.Duration // the longest that may be asked for
	KeepFiles   time.Duration // that say nothing of it themselves
	KeepBatches time.Duration // after they are over
}

// Desk takes batches in and works on them. It is safe for concurrent use.
type Desk struct {
	log     *slog.Logger
	store   store.Batches
	gateway Gateway
	natives Native // nil: no provider is asked for batches of its own
	options func() Options
	notes   *notes
	paces   paces
	figures figures
	taking  sync.Mutex // one batch is taken in at a time

	bg   context.Context // ends when nothing new is to be begun
	stop context.CancelFunc
	work sync.WaitGroup
	once sync.Once
}

// lease is for how long a chunk is held without a word of its worker, look how
// often it is looked for what nobody works on, rest how long a stop waits for
// requests that run.
const (
	lease = 30 * time.Second
	look  = 5 * time.Second
)

// New returns a desk that does not work yet.
func New(s store.Batches, g Gateway, n Native, options func() Options, log *slog.Logger) *Desk {
	d := &Desk{log: log, store: s, gateway: g, natives: n, options: options}
	d.notes = newNotes(s)
	return d
}

// Start lets it work. What this node had in hand when it ended is given out anew.
func (d *Desk) Start(ctx context.Context) error {
	if err := d.store.Release(ctx); err != nil {
		return err
	}
	d.bg, d.stop = context.WithCancel(context.Background())
	d.notes.start()
	if err := d.store.Work(ctx, d.options().Workers, d.step); err != nil {
		d.stop()
		d.notes.stop()
		return err
	}
	d.work.Go(func() { d.sweep(d.bg) })
	return nil
}

// Stop gives nothing out any more and waits until what runs has ended, or ctx
// has: then it is ended. It may be called twice, and on nil.
func (d *Desk) Stop(ctx context.Context) (err error) {
	if d == nil || d.stop == nil {
		return nil
	}
	d.once.Do(func() {
		d.stop()
		d.work.Wait()
		err = d.store.Rest(ctx)
		d.notes.stop()
	})
	return err
}
