package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
)

func batches(t *testing.T, s store.Store) store.Batches {
	t.Helper()
	b, err := s.Batches(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func files(t *testing.T, open Opener) {
	s, ctx := open(), t.Context()
	b := batches(t, s)
	put := func(id, tenant, content string, expires time.Time) call.File {
		t.Helper()
		f, err := b.PutFile(ctx, call.File{ID: id, Tenant: tenant, Name: id + ".jsonl", Purpose: "batch", Created: noon, Expires: expires}, strings.NewReader(content))
		if err != nil || f.Size != int64(len(content)) || len(f.SHA256) != 64 {
			t.Fatalf("put %s: %+v, %v", id, f, err)
		}
		return f
	}
	long := strings.Repeat("0123456789abcdef", 40<<10) // several rows of PostgreSQL's
	one := put("file-1", "us", long, time.Time{})
	put("file-2", "us", "", time.Now().Add(time.Hour))
	put("file-3", "them", "x", time.Now().Add(-time.Hour))
	if _, err := b.PutFile(ctx, call.File{ID: "file-4", Tenant: "us", Created: noon}, io.MultiReader(strings.NewReader(long), broken{})); err == nil {
		t.Error("an upload that broke off was kept")
	}
	closed(t, s)
	b = batches(t, open())
	if got, err := b.File(ctx, "us", "file-1"); err != nil || !reflect.DeepEqual(got, one) {
		t.Errorf("file-1 is %+v, %v; want %+v", got, err, one)
	}
	for tenant, id := range map[string]string{"them": "file-1", "us": "file-4", "": "file-3"} { // foreign, never whole, expired
		if _, err := b.File(ctx, tenant, id); !errors.Is(err, call.ErrNoFile) {
			t.Errorf("%s of %q: got %v", id, tenant, err)
		}
	}
	for _, from := range []int64{0, 5, 256 << 10, 256<<10 + 7, int64(len(long)) - 1} {
		r, err := b.ReadFile(ctx, "file-1", from)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil || string(got) != long[from:] {
			t.Errorf("from %d: %d bytes, %v; want %d", from, len(got), err, len(long)-int(from))
		}
		r.Close()
	}
	list := func(q call.FilesQuery, want string) {
		t.Helper()
		q.Tenant = "us"
		all, err := b.Files(ctx, q)
		var got []string
		for _, f := range all {
			got = append(got, f.ID)
		}
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("%+v: %v, %v; want %s", q, got, err, want)
		}
	}
	list(call.FilesQuery{Most: 9}, "[file-2 file-1]")
	list(call.FilesQuery{Most: 9, Ascending: true}, "[file-1 file-2]")
	list(call.FilesQuery{Most: 1}, "[file-2]")
	list(call.FilesQuery{Most: 9, After: "file-2"}, "[file-1]")
	list(call.FilesQuery{Most: 9, Purpose: "other"}, "[]")
	if n, err := b.FilesSize(ctx, "us"); err != nil || n != one.Size {
		t.Errorf("files come to %d, %v; want %d", n, err, one.Size)
	}
	if more, err := b.PruneFiles(ctx, time.Now()); err != nil || more {
		t.Errorf("pruning: %v, %v", more, err)
	}
	if _, err := b.ReadFile(ctx, "file-2", 0); err != nil {
		t.Errorf("a file that lives on was pruned: %v", err)
	}
	if n, err := b.FilesSize(ctx, "them"); err != nil || n != 0 {
		t.Errorf("an expired file is left: %d, %v", n, err)
	}
	if err := b.DeleteFile(ctx, "them", "file-1"); !errors.Is(err, call.ErrNoFile) {
		t.Errorf("deleted another's file: %v", err)
	}
	if err := b.DeleteFile(ctx, "us", "file-1"); err != nil {
		t.Error(err)
	}
	list(call.FilesQuery{Most: 9}, "[file-2]")
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("the caller has gone") }

func newBatch(t *testing.T, b store.Batches, id string, chunks int) {
	t.Helper()
	err := b.CreateBatch(t.Context(), call.Batch{ID: id, Tenant: "us", Input: "in-" + id, Key: "k", Endpoint: "/v1/embeddings", State: call.BatchValidating, Metadata: []byte(`{"a":"b"}`), Created: noon})
	if err != nil {
		t.Fatal(err)
	}
	var list []call.Chunk
	for n := range chunks {
		list = append(list, call.Chunk{Batch: id, Number: n, First: n * 10, Lines: 10, From: int64(n) * 100, To: int64(n)*100 + 100})
	}
	for range 2 { // adding what is there changes nothing
		if err := b.AddChunks(t.Context(), list); err != nil {
			t.Fatal(err)
		}
	}
}

func batchesKept(t *testing.T, open Opener) {
	s, ctx := open(), t.Context()
	b := batches(t, s)
	for _, id := range []string{"batch_1", "batch_2", "batch_3"} {
		newBatch(t, b, id, 1)
	}
	got, err := b.ChangeBatch(ctx, "batch_2", func(x *call.Batch) error { x.State, x.Completed, x.Lines = call.BatchCompleted, noon, 7; return nil })
	if err != nil || got.State != call.BatchCompleted || string(got.Metadata) != `{"a":"b"}` {
		t.Fatalf("changed: %+v, %v", got, err)
	}
	no := errors.New("no")
	if _, err := b.ChangeBatch(ctx, "batch_1", func(x *call.Batch) error { x.State = "?"; return no }); !errors.Is(err, no) {
		t.Errorf("a change that fails: %v", err)
	}
	if _, err := b.ChangeBatch(ctx, "batch_9", func(*call.Batch) error { return nil }); !errors.Is(err, call.ErrNoBatch) {
		t.Errorf("a change of none: %v", err)
	}
	closed(t, s)
	b = batches(t, open())
	if one, err := b.Batch(ctx, "batch_1"); err != nil || one.State != call.BatchValidating || !one.Created.Equal(noon) {
		t.Errorf("batch_1 is %+v, %v", one, err)
	}
	if _, err := b.Batch(ctx, "batch_9"); !errors.Is(err, call.ErrNoBatch) {
		t.Errorf("none: %v", err)
	}
	page := func(q call.FilesQuery, want string) {
		t.Helper()
		all, err := b.Batches(ctx, q)
		var got []string
		for _, x := range all {
			got = append(got, x.ID)
		}
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("%+v: %v, %v; want %s", q, got, err, want)
		}
	}
	page(call.FilesQuery{Most: 2}, "[batch_3 batch_2]")
	page(call.FilesQuery{Most: 2, After: "batch_2", Tenant: "us"}, "[batch_1]")
	page(call.FilesQuery{Most: 2, Tenant: "them"}, "[]")
	page(call.FilesQuery{Most: 9, Prefix: "batch_"}, "[batch_3 batch_2 batch_1]")
	page(call.FilesQuery{Most: 9, Prefix: "batch_2"}, "[batch_2]")
	if ids, err := b.Unfinished(ctx, "us"); err != nil || fmt.Sprint(ids) != "[batch_1 batch_3]" {
		t.Errorf("unfinished are %v, %v", ids, err)
	}
	if more, err := b.PruneBatches(ctx, noon); err != nil || more {
		t.Errorf("pruning: %v, %v", more, err)
	}
	if c, err := b.Chunks(ctx, "batch_2"); err != nil || len(c) != 0 {
		t.Errorf("chunks of one that is over: %v, %v", c, err)
	}
	if c, err := b.Chunks(ctx, "batch_1"); err != nil || len(c) != 2 || c[0].Number != -1 || c[1].To != 100 {
		t.Errorf("chunks of one that is not: %v, %v", c, err)
	}
	page(call.FilesQuery{Most: 9}, "[batch_3 batch_2 batch_1]")
	if _, err := b.PruneBatches(ctx, noon.Add(time.Second)); err != nil {
		t.Error(err)
	}
	page(call.FilesQuery{Most: 9}, "[batch_3 batch_1]")
	if err := b.DeleteBatch(ctx, "batch_1"); !errors.Is(err, call.ErrNoBatch) {
		t.Errorf("deleted one that is not over: %v", err)
	}
	if _, err := b.ChangeBatch(ctx, "batch_1", func(x *call.Batch) error { x.State, x.Cancelled = call.BatchCancelled, noon; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := b.DeleteBatch(ctx, "batch_1"); err != nil {
		t.Error(err)
	}
	if c, err := b.Chunks(ctx, "batch_1"); err != nil || len(c) != 0 {
		t.Errorf("chunks of one that was deleted: %v, %v", c, err)
	}
	page(call.FilesQuery{Most: 9}, "[batch_3]")
	if _, err := b.ReadFile(ctx, "file-none", 0); !errors.Is(err, call.ErrNoFile) {
		t.Errorf("read a file that is not there: %v", err)
	}
}

func filesUsed(t *testing.T, open Opener) {
	b, ctx := batches(t, open()), t.Context()
	newBatch(t, b, "batch_1", 0)
	if _, err := b.PutFile(ctx, call.File{ID: "in-batch_1", Tenant: "us", Created: noon, Expires: time.Now().Add(time.Hour)}, strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	if err := b.DeleteFile(ctx, "us", "in-batch_1"); !errors.Is(err, call.ErrFileUsed) {
		t.Errorf("deleted a file that a batch needs: %v", err)
	}
	prune := func(left int64) {
		t.Helper()
		if _, err := b.PruneFiles(ctx, time.Now().Add(2*time.Hour)); err != nil {
			t.Error(err)
		}
		if n, err := b.FilesSize(ctx, "us"); err != nil || n != left {
			t.Errorf("%d bytes are left, %v; want %d", n, err, left)
		}
	}
	prune(1)
	if _, err := b.ChangeBatch(ctx, "batch_1", func(x *call.Batch) error { x.State, x.Completed = call.BatchCompleted, noon; return nil }); err != nil {
		t.Fatal(err)
	}
	prune(0)
}

// drafts are found with the end of their batch, or never.
func drafts(t *testing.T, open Opener) {
	b, ctx := batches(t, open()), t.Context()
	newBatch(t, b, "batch_1", 0)
	draft := func(id string) call.File {
		t.Helper()
		f, err := b.DraftFile(ctx, call.File{ID: id, Tenant: "us", Created: noon}, strings.NewReader("x"))
		if err != nil || f.Size != 1 {
			t.Fatalf("%+v, %v", f, err)
		}
		return f
	}
	there := func(id string, row, content bool) {
		t.Helper()
		_, err := b.File(ctx, "us", id)
		r, rerr := b.ReadFile(ctx, id, 0)
		if rerr == nil {
			r.Close()
		}
		if (err == nil) != row || (rerr == nil) != content {
			t.Errorf("%s: found %v, read %v; want %v, %v", id, err, rerr, row, content)
		}
	}
	kept, lost := draft("file-kept"), draft("file-lost")
	there("file-kept", false, true)
	no := errors.New("no")
	if _, err := b.EndBatch(ctx, "batch_1", []call.File{lost}, func(*call.Batch) error { return no }); !errors.Is(err, no) {
		t.Errorf("an end that fails: %v", err)
	}
	there("file-lost", false, true)
	end := func(x *call.Batch) error { x.State, x.Completed = call.BatchCompleted, noon; return nil }
	if x, err := b.EndBatch(ctx, "batch_1", []call.File{kept}, end); err != nil || !x.Over() {
		t.Errorf("the end: %+v, %v", x, err)
	}
	for _, id := range []string{"file-kept", "file-lost"} {
		if err := b.DiscardDraft(ctx, "batch_1", id); err != nil {
			t.Error(err)
		}
	}
	there("file-kept", true, true)
	there("file-lost", false, false)
}

func batchChunks(t *testing.T, open Opener) {
	s, ctx := open(), t.Context()
	b := batches(t, s)
	newBatch(t, b, "batch_1", 2)
	step := call.Step{Batch: "batch_1", Chunk: 0}
	take := func(token string, lease time.Duration, want bool) {
		t.Helper()
		c, ok, err := b.TakeChunk(ctx, step, token, lease)
		if err != nil || ok != want || ok && (c.Node == "" || c.To != 100) {
			t.Errorf("%s takes: %+v %v, %v; want %v", token, c, ok, err, want)
		}
	}
	take("a", time.Hour, true)
	take("b", time.Hour, false)
	if ok, err := b.HoldChunk(ctx, step, "b", time.Hour); err != nil || ok {
		t.Errorf("held by another: %v, %v", ok, err)
	}
	if ok, err := b.HoldChunk(ctx, step, "a", 0); err != nil || !ok {
		t.Errorf("held: %v, %v", ok, err)
	}
	orphans := func(want int) {
		t.Helper()
		got, err := b.Orphans(ctx)
		if err != nil || len(got) != want || want > 0 && (got[0].Chunk != 0 || got[0].Try == 0) {
			t.Errorf("orphans are %v, %v; want %d", got, err, want)
		}
	}
	orphans(1)
	take("b", time.Hour, true) // a's time is over
	orphans(0)
	if ok, err := b.HoldChunk(ctx, step, "a", time.Hour); err != nil || ok {
		t.Errorf("held after it was lost: %v, %v", ok, err)
	}
	if left, err := b.LeaveChunk(ctx, step, "a", true); err != nil || left != 2 { // which is not a's to say
		t.Error(left, err)
	}
	closed(t, s)
	b = batches(t, open())
	if err := b.Release(ctx); err != nil { // the node has started anew
		t.Fatal(err)
	}
	take("c", time.Hour, true)
	if left, err := b.LeaveChunk(ctx, step, "c", true); err != nil || left != 1 {
		t.Error(left, err)
	}
	take("d", time.Hour, false)
	first := call.Step{Batch: "batch_1", Chunk: -1}
	for _, over := range []bool{false, false, true} { // the first part is never done before the batch is over
		if over {
			if _, err := b.ChangeBatch(ctx, "batch_1", func(x *call.Batch) error { x.State, x.Completed = call.BatchCompleted, noon; return nil }); err != nil {
				t.Fatal(err)
			}
		}
		if c, ok, err := b.TakeChunk(ctx, first, "e", time.Hour); err != nil || ok == over || c.Done != over {
			t.Errorf("of a batch that is over (%t) the first part is taken: %v, %+v, %v", over, ok, c, err)
		}
		if _, err := b.LeaveChunk(ctx, first, "e", true); err != nil {
			t.Error(err)
		}
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	winners := 0
	for i := range 8 {
		wg.Go(func() {
			_, ok, err := b.TakeChunk(ctx, call.Step{Batch: "batch_1", Chunk: 1}, fmt.Sprint("t", i), time.Hour)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			if ok {
				winners++
			}
		})
	}
	wg.Wait()
	if winners != 1 {
		t.Errorf("%d hold one chunk", winners)
	}
}

func batchLines(t *testing.T, open Opener) {
	b, ctx := batches(t, open()), t.Context()
	newBatch(t, b, "batch_1", 1)
	step := call.Step{Batch: "batch_1", Chunk: 0}
	take := func(token string, lease time.Duration) {
		t.Helper()
		if _, ok, err := b.TakeChunk(ctx, step, token, lease); err != nil || !ok {
			t.Fatal(ok, err)
		}
	}
	note := func(want bool, what store.LineVerb, token string, l call.Line) {
		t.Helper()
		got, err := b.Note(ctx, []store.LineChange{{Step: step, Token: token, What: what, Line: l}})
		if err != nil || got[0] != want {
			t.Errorf("verb %d of %s on line %d: %v, %v; want %v", what, token, l.Number, got, err, want)
		}
	}
	ok := func(n int) call.Line {
		return call.Line{Number: n, State: call.LineDone, Out: fmt.Appendf(nil, "out%d", n), Cost: 5}
	}
	bad := func(n int) call.Line {
		return call.Line{Number: n, State: call.LineFailed, Out: []byte("bad"), Cost: 2}
	}
	take("a", time.Hour)
	note(true, store.LineBegin, "a", call.Line{Number: 0})
	note(false, store.LineBegin, "a", call.Line{Number: 0}) // once
	note(false, store.LineBegin, "b", call.Line{Number: 1}) // not b's chunk
	note(true, store.LineEnd, "a", ok(0))
	note(false, store.LineEnd, "a", bad(0)) // once
	note(true, store.LineEnd, "a", bad(1))  // that was never sent
	note(false, store.LineEnd, "b", bad(2))
	note(true, store.LineBegin, "a", call.Line{Number: 3})
	note(true, store.LineUndo, "a", call.Line{Number: 3})
	for n := 3; n < 7; n++ {
		note(true, store.LineBegin, "a", call.Line{Number: n})
	}
	if _, err := b.HoldChunk(ctx, step, "a", 0); err != nil {
		t.Fatal(err)
	}
	take("b", time.Hour)
	note(false, store.LineBegin, "a", call.Line{Number: 7})
	note(true, store.LineEnd, "a", ok(3)) // the answer has come after all
	note(false, store.LineSettle, "b", bad(3))
	note(true, store.LineSettle, "b", bad(4))
	note(false, store.LineEnd, "a", ok(4)) // too late
	note(true, store.LineRetry, "b", call.Line{Number: 5})
	note(false, store.LineEnd, "a", ok(5))
	note(true, store.LineBegin, "b", call.Line{Number: 5})
	note(false, store.LineSettle, "b", bad(5)) // b's own
	note(false, store.LineUndo, "b", call.Line{Number: 6})
	lines, err := b.Lines(ctx, "batch_1", 1, 3)
	if err != nil || len(lines) != 3 || lines[0].Number != 1 || lines[0].State != call.LineFailed || string(lines[1].Out) != "out3" || lines[2].Number != 4 {
		t.Errorf("lines are %+v, %v", lines, err)
	}
	x, err := b.Batch(ctx, "batch_1")
	if err != nil || x.Done != 2 || x.Failed != 2 || x.Cost != 14 {
		t.Errorf("counts are %d, %d, %d: %v; want 2, 2, 14", x.Done, x.Failed, x.Cost, err)
	}
}

func batchQueue(t *testing.T, open Opener) {
	s, ctx := open(), t.Context()
	b := batches(t, s)
	steps := []call.Step{{Batch: "a", Chunk: 1}, {Batch: "a", Chunk: 2}, {Batch: "a", Chunk: 3}}
	for range 2 { // adding them again changes nothing
		if err := b.Enqueue(ctx, steps); err != nil {
			t.Fatal(err)
		}
	}
	closed(t, s)
	b = batches(t, open())
	var mu sync.Mutex
	seen := map[int]int{}
	all := make(chan struct{})
	err := b.Work(ctx, 2, func(_ context.Context, st call.Step) (time.Duration, error) {
		mu.Lock()
		defer mu.Unlock()
		seen[st.Chunk]++
		if st.Chunk == 1 && seen[1] == 1 {
			return time.Millisecond, nil // again
		}
		if st.Chunk == 2 && seen[2] == 1 {
			return 0, errors.New("it failed")
		}
		if seen[1] == 2 && seen[2] == 2 && seen[3] == 1 {
			close(all)
		}
		return 0, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-all:
	case <-time.After(time.Minute):
		t.Error("not all steps were worked on")
	}
	for range 2 {
		if err := b.Rest(ctx); err != nil {
			t.Error(err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if want := map[int]int{1: 2, 2: 2, 3: 1}; !reflect.DeepEqual(seen, want) {
		t.Errorf("worked on %v; want %v", seen, want)
	}
}
