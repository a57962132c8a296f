package batch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/host/store/pgtest"
	"github.com/signalbox-ai/signalbox/host/store/postgres"
	"github.com/signalbox-ai/signalbox/host/store/sqlite"
)

// watched is a store that tells when lines are read, and may fail to end a batch.
type watched struct {
	desk
	lines func(from int)
	end   func() error
}

func (s *watched) Lines(ctx context.Context, batch string, from, most int) ([]call.Line, error) {
	if s.lines != nil {
		s.lines(from)
	}
	return s.desk.Lines(ctx, batch, from, most)
}

func (s *watched) EndBatch(ctx context.Context, id string, drafts []call.File, change func(*call.Batch) error) (call.Batch, error) {
	if s.end != nil {
		if err := s.end(); err != nil {
			return call.Batch{}, err
		}
	}
	return s.desk.EndBatch(ctx, id, drafts, change)
}

func eachStore(t *testing.T, f func(t *testing.T, s store.Store)) {
	t.Run("SQLite", func(t *testing.T) {
		s, err := sqlite.Open(t.Context(), "sqlite:"+t.TempDir()+"/s.db", sqlite.Options{Node: store.Node{ID: "n"}})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		f(t, s)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		s, err := postgres.Open(t.Context(), pgtest.New(t), postgres.Options{Node: store.Node{ID: "n"}})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		f(t, s)
	})
}

// closing is a batch whose last line was sent by one who is not heard of, and
// whose others are done.
type closing struct {
	t     *testing.T
	plain store.Batches
	desk  *watched
	lines int
}

const closingOut = 8 << 10 // bytes of a line: the output has several parts in the database

func newClosing(t *testing.T, s store.Store) *closing {
	t.Helper()
	plain, err := s.Batches(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	c := &closing{t: t, plain: plain, desk: &watched{desk: plain}, lines: 130}
	ctx, now := t.Context(), time.Now().UTC()
	if _, err := plain.PutFile(ctx, call.File{ID: "file-in", Tenant: "us", Created: now}, strings.NewReader(lineset(c.lines))); err != nil {
		t.Fatal(err)
	}
	b := call.Batch{ID: "batch_1", Tenant: "us", Key: "k", Input: "file-in", Endpoint: "/v1/embeddings", State: call.BatchFinalizing, Lines: int64(c.lines), Created: now, Expires: now.Add(time.Hour)}
	step := call.Step{Batch: b.ID, Chunk: 0}
	if err := errors.Join(plain.CreateBatch(ctx, b), plain.AddChunks(ctx, []call.Chunk{{Batch: b.ID, Lines: c.lines, First: 1}})); err != nil {
		t.Fatal(err)
	}
	if _, err := plain.ChangeBatch(ctx, b.ID, func(b *call.Batch) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := plain.TakeChunk(ctx, step, "worker", time.Hour); err != nil || !ok {
		t.Fatal(ok, err)
	}
	for n := 1; n <= c.lines; n++ {
		changes := []store.LineChange{{Step: step, Token: "worker", What: store.LineBegin, Line: call.Line{Number: n}}}
		if n < c.lines {
			changes = append(changes, c.answer(n))
		}
		if _, err := plain.Note(ctx, changes); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := plain.LeaveChunk(ctx, step, "worker", true); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *closing) answer(n int) store.LineChange {
	out := fmt.Appendf(nil, `{"custom_id":"id%d","response":{"body":%q}}`+"\n", n-1, strings.Repeat("x", closingOut))
	return store.LineChange{Step: call.Step{Batch: "batch_1"}, Token: "worker", What: store.LineEnd, Line: call.Line{Number: n, State: call.LineDone, Out: out}}
}

// hand is a worker that has taken the batch; it may be slow to end it.
func (c *closing) hand(s store.Batches, token string, lease time.Duration) *hand {
	c.t.Helper()
	if _, ok, err := c.plain.TakeChunk(c.t.Context(), call.Step{Batch: "batch_1", Chunk: lead}, token, lease); err != nil || !ok {
		c.t.Fatal(ok, err)
	}
	opt := Options{MaxLine: 1000, KeepFiles: time.Hour}
	return &hand{&Desk{store: s, options: func() Options { return opt }, log: slog.New(slog.DiscardHandler)}, token}
}

func (h *hand) end(ctx context.Context) error {
	b, err := h.store.Batch(ctx, "batch_1")
	if err == nil {
		_, _, err = h.over(ctx, &b)
	}
	return err
}

// whole checks that the batch is over, that its files tell of each line once,
// and that there are no others.
func (c *closing) whole() {
	c.t.Helper()
	ctx := c.t.Context()
	b, err := c.plain.Batch(ctx, "batch_1")
	if err != nil || b.State != call.BatchCompleted || b.Done+b.Failed != b.Lines {
		c.t.Fatalf("the batch is %+v, %v", b, err)
	}
	var all []byte
	for _, id := range []string{b.Output, b.Errors} {
		f, err := c.plain.File(ctx, "us", id)
		if err != nil {
			c.t.Fatalf("file %q of the batch: %v", id, err)
		}
		r, err := c.plain.ReadFile(ctx, id, 0)
		if err != nil {
			c.t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err = errors.Join(err, r.Close()); err != nil || int64(len(text)) != f.Size {
			c.t.Errorf("file %q holds %d bytes, %v; want %d", id, len(text), err, f.Size)
		}
		all = append(all, text...)
	}
	for n := range c.lines {
		if got := bytes.Count(all, fmt.Appendf(nil, `"custom_id":"id%d"`, n)); got != 1 {
			c.t.Errorf("line %d is told %d times", n+1, got)
		}
	}
	files, err := c.plain.Files(ctx, call.FilesQuery{Tenant: "us", Most: 10})
	if err != nil || len(files) != 3 {
		c.t.Errorf("files are %+v, %v; want the input, the output and the errors", files, err)
	}
}

// TestTwoWorkersEndOneBatch has a second worker end a batch while the first,
// which is slow and has lost it, is amid writing its files.
func TestTwoWorkersEndOneBatch(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		c := newClosing(t, s)
		amid, on := make(chan bool), make(chan bool)
		var passes atomic.Int64
		c.desk.lines = func(from int) {
			if from == 0 {
				passes.Add(1)
			}
			if from > 100 && passes.Load() == 2 { // of the output: 800 KiB of it are written
				amid <- true
				<-on
			}
		}
		slow := c.hand(c.desk, "slow", 0)
		ended := make(chan error, 1)
		go func() { ended <- slow.end(context.Background()) }()
		<-amid
		second := c.hand(c.plain, "second", time.Hour)
		err := second.end(t.Context())
		close(on)
		if err = errors.Join(err, <-ended); err != nil {
			t.Error(err)
		}
		c.whole()
		drafts := []string{derived("file-", "batch_1", "output", "slow"), derived("file-", "batch_1", "error", "slow")}
		for _, id := range drafts {
			r, err := c.plain.ReadFile(t.Context(), id, 0)
			if err == nil {
				r.Close()
			}
			if !errors.Is(err, call.ErrNoFile) {
				t.Errorf("what the slow one wrote is left: %v", err)
			}
		}
	})
}

// TestAnswerBetweenTwoFiles: it comes when the output has been written and the
// errors have not.
func TestAnswerBetweenTwoFiles(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		c := newClosing(t, s)
		passes := 0
		c.desk.lines = func(from int) {
			if from > 0 {
				return
			}
			if passes++; passes == 3 {
				if counted, err := c.plain.Note(context.Background(), []store.LineChange{c.answer(c.lines)}); err != nil || counted[0] {
					t.Errorf("an answer counts that is in no file: %v, %v", counted, err)
				}
			}
		}
		if err := c.hand(c.desk, "lead", time.Hour).end(t.Context()); err != nil || passes != 3 {
			t.Errorf("%d passes, %v", passes, err)
		}
		c.whole()
	})
}

// TestEndThatFails: a batch that could not be ended is ended by the next, and
// nothing is left of the files of the first.
func TestEndThatFails(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		c := newClosing(t, s)
		no := errors.New("the database is gone")
		c.desk.end = func() error { return no }
		d := c.hand(c.desk, "unlucky", 0).Desk
		d.bg = context.Background()
		step := call.Step{Batch: "batch_1", Chunk: lead}
		if _, err := d.step(t.Context(), step); !errors.Is(err, no) {
			t.Fatalf("got %v; want that it failed", err)
		}
		c.desk.end = nil
		if again, err := d.step(t.Context(), step); err != nil || again != 0 {
			t.Fatalf("again after %v, %v", again, err)
		}
		c.whole()
	})
}
