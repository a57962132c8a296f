package store

import (
	"context"
	"io"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Batches keeps files, the batches that they are the input and output of, and
// the queue of what is to be done on those.
type Batches interface {
	Files
	Lines

	// CreateBatch adds b, with a chunk of number -1.
	CreateBatch(ctx context.Context, b call.Batch) error
	// Batch is the one with the id, call.ErrNoBatch: there is none.
	Batch(ctx context.Context, id string) (call.Batch, error)
	// ChangeBatch lets change alter it in one piece and returns what became of
	// it; an error of change leaves it as it was. Its counts and cost stay.
	ChangeBatch(ctx context.Context, id string, change func(*call.Batch) error) (call.Batch, error)
	// EndBatch is ChangeBatch that lets the drafts be found with it: all of it
	// comes to be, or nothing.
	EndBatch(ctx context.Context, id string, drafts []call.File, change func(*call.Batch) error) (call.Batch, error)
	// Batches returns a page, newest first unless asked otherwise.
	Batches(ctx context.Context, q call.FilesQuery) ([]call.Batch, error)
	// Unfinished returns the ids of a tenant's batches that are not over, oldest
	// first; "" as tenant: of all.
	Unfinished(ctx context.Context, tenant string) ([]string, error)
	// DeleteBatch forgets one that is over, with its lines. call.ErrNoBatch: there
	// is none that is.
	DeleteBatch(ctx context.Context, id string) error
	// PruneBatches forgets a bounded number of batches that were over before
	// over, and of lines and chunks of those over by now, and tells whether there is more.
	PruneBatches(ctx context.Context, over time.Time) (more bool, err error)

	Queue
}

// Files are what tenants put with the gateway.
type Files interface {
	// PutFile keeps what r reads under f, whose size and hash it fills in. The
	// file is there once it is on the disk whole; if r fails, it is not.
	PutFile(ctx context.Context, f call.File, r io.Reader) (call.File, error)
	// DraftFile is PutFile of one that nobody finds until EndBatch. Its id must be
	// the caller's alone.
	DraftFile(ctx context.Context, f call.File, r io.Reader) (call.File, error)
	// DiscardDraft forgets one, unless an EndBatch of the batch has let it be
	// found. What nobody discards is swept like uploads that broke off.
	DiscardDraft(ctx context.Context, batch, id string) error
	// File is the tenant's with the id; "" as tenant: anybody's. call.ErrNoFile: there is none.
	File(ctx context.Context, tenant, id string) (call.File, error)
	// Files returns a page, newest first unless asked otherwise.
	Files(ctx context.Context, q call.FilesQuery) ([]call.File, error)
	// ReadFile reads the bytes from from on. call.ErrNoFile: they are gone.
	ReadFile(ctx context.Context, id string, from int64) (io.ReadCloser, error)
	// DeleteFile forgets the tenant's file, "" as tenant: anybody's.
	// call.ErrFileUsed: a batch that is not over reads it.
	DeleteFile(ctx context.Context, tenant, id string) error
	// FilesSize is what a tenant's files come to, in bytes.
	FilesSize(ctx context.Context, tenant string) (int64, error)
	// PruneFiles removes a bounded number of files that expired before now, which
	// no batch needs any more, and what is left of uploads that broke off.
	PruneFiles(ctx context.Context, now time.Time) (more bool, err error)
}

// Lines are the parts of batches, down to single requests. What is said with a
// token counts only while the chunk is held under it.
type Lines interface {
	// AddChunks adds parts of a batch; those that are there stay.
	AddChunks(ctx context.Context, chunks []call.Chunk) error
	Chunks(ctx context.Context, batch string) ([]call.Chunk, error)
	// TakeChunk gives the chunk to token for lease. false: it is done, or another
	// holds it, as it says. Chunk -1 is done only once its batch is over.
	TakeChunk(ctx context.Context, s call.Step, token string, lease time.Duration) (call.Chunk, bool, error)
	// HoldChunk prolongs that; false: another has it by now.
	HoldChunk(ctx context.Context, s call.Step, token string, lease time.Duration) (bool, error)
	// LeaveChunk ends it; done: nothing is left to do. left is how many chunks
	// with lines there are of the batch that are not done.
	LeaveChunk(ctx context.Context, s call.Step, token string, done bool) (left int, err error)
	// Orphans are the steps whose workers have died: held by somebody, but not
	// any more. What dead nodes were about to do is given out anew.
	Orphans(ctx context.Context) ([]call.Step, error)
	// Release ends what this node has held before it was started anew.
	Release(ctx context.Context) error
	// Lines returns up to most lines from number from on, in order.
	Lines(ctx context.Context, batch string, from, most int) ([]call.Line, error)
	// Note makes the changes durable, all in one, and tells of each whether it counts.
	Note(ctx context.Context, changes []LineChange) ([]bool, error)
}

// LineChange is what becomes of a line.
type LineChange struct {
	call.Step
	Token string
	Line  call.Line
	What  LineVerb
}

// LineVerb says what a LineChange does.
type LineVerb uint8

// What can become of a line.
const (
	LineBegin  LineVerb = iota // it is about to be sent: nobody has before
	LineEnd                    // State, Out and Cost of one that Token has begun, or that none has if it was never sent
	LineUndo                   // nothing of it was sent
	LineSettle                 // State, Out and Cost of one that was begun under another token, and whose answer is lost
	LineRetry                  // one that was begun under another token is as if it never had been
)

// Queue hands out steps durably: each is worked on again until work says that
// it is done, also after a crash.
type Queue interface {
	// Work lets work be called with steps, up to workers at once, until Rest.
	// again > 0: the step is to be looked at again after that time.
	Work(ctx context.Context, workers int, work func(ctx context.Context, s call.Step) (again time.Duration, err error)) error
	// Enqueue adds steps; those that are in the queue already are not added again.
	Enqueue(ctx context.Context, steps []call.Step) error
	// Rest waits until running steps have returned; their contexts end with ctx.
	Rest(ctx context.Context) error
}
