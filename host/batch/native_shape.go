package batch

import (
	"context"
	"fmt"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Shape names a kind of batches that providers have.
type Shape string

// The shapes.
const (
	Files    Shape = "files"    // OpenAI's: requests are uploaded as a file, results are files
	Messages Shape = "messages" // Anthropic's: requests go along with the order, results are the batch's own
)

var shapes = map[Shape]shape{
	"":       fileBatches{}, // noted when there was no other
	Files:    fileBatches{},
	Messages: messageBatches{},
}

// shapeOf is that of a batch in the hands of a provider.
func shapeOf(n *call.Native) shape { return shapes[Shape(n.Shape)] }

// shape is what is different about one kind of batches. How a batch goes from
// stage to stage, and its money, are the same for all.
type shape interface {
	writer
	asker
	reader
}

// writer writes what is sent.
type writer interface {
	layout() *layout
	// request is a line of the file of requests, which is called file.
	request(file string, l *label, t *task, body []byte) any
}

// layout is what holds for all requests of a shape together.
type layout struct {
	dialect             wire.Dialect // of what is asked about batches
	head, between, tail string       // of the file of requests
	uploads             bool         // the file comes before the order, not with it
	nameless            bool         // labels have no room for the caller's ids
	lines               int64        // at most, 0: the provider says
	bytes               int64        // of the file, by the same
}

// asker asks for batches and hears of them.
type asker interface {
	// order asks for the batch; requests are what was written.
	order(b *call.Batch, requests *Sent) (*Errand, error)
	// read reads a batch, or a page of them.
	read(text []byte) (remote, error)
	// page is the query of the page that follows the batch called after, "": the first.
	page(after string) string
	// own tells whether the provider's r is b.
	own(ctx context.Context, d *hand, b *call.Batch, r *remote) (ownership, *wire.Error)
}

// ownership says whose a batch is.
type ownership int

const (
	ownNot ownership = iota
	ownYes
	ownUnsure // only when it has ended it can be told
)

// reader reads results.
type reader interface {
	// results are to be asked for, in turn, once b has ended.
	results(b *call.Batch) []*Errand
	// remains are what removes all of b that lies at the provider.
	remains(b *call.Batch) []*Errand
	// result reads a line of results, and tells what is wrong with it.
	result(b *call.Batch, text []byte) (answered, error)
}

// remote is a batch, or a page of them, as a provider shows it.
type remote struct {
	ID             string
	State          string // by OpenAI's names
	Input          string // file
	Output, Errors string // files, by the same
	Created        time.Time
	Total          int64 // requests, 0: it does not say
	Done, Failed   int64
	Fault          Fault // why it is failed
	List           []remote
	More           bool
}

// answered is what has become of one request.
type answered struct {
	label
	response *outResponse // nil: nobody has carried it out
	err      *outError
	usage    wire.Usage
	metered  bool // usage is what it has cost
}

func errNoLabel(custom string) error {
	return fmt.Errorf("it is of no line of the batch: its custom_id is %q", custom)
}

// do has the provider of b asked.
func (d *hand) do(ctx context.Context, b *call.Batch, e *Errand) ([]byte, *wire.Error) {
	e.Provider, e.Batch = b.Native.Provider, b.ID
	if e.Dialect == wire.NoDialect {
		e.Dialect = shapeOf(b.Native).layout().dialect
	}
	return d.natives.Do(ctx, e)
}

// ask asks the provider about batches and reads what it answers.
func (d *hand) ask(ctx context.Context, b *call.Batch, e *Errand) (r remote, _ *wire.Error) {
	e.Op = wire.OpBatches
	text, failed := d.do(ctx, b, e)
	if failed != nil {
		return r, failed
	}
	r, err := shapeOf(b.Native).read(text)
	if err != nil {
		failed = wire.Errorf(502, "bad_answer", "the provider's answer about a batch cannot be read")
	}
	return r, failed
}
