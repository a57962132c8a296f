package batch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// messenger is a provider that has Anthropic's batches, and the books beside it.
type messenger struct {
	*vendor
	orders []*ordered
	lose   bool   // the answers to orders are lost
	words  string // the status of all batches
	not    string // why no batch can have a request
}

// ordered is a batch that was made.
type ordered struct {
	ids     []string
	created time.Time
	words   string // its status, "": that of all
	fate    func(n int) string
}

func newMessenger(o *office) *messenger {
	m := &messenger{vendor: newVendor(o), words: "ended"}
	o.natives = m
	return m
}

func (m *messenger) Plan(r *Request) (Plan, *wire.Error) {
	p, err := m.vendor.Plan(r)
	p.Not = m.not
	p.Shape, p.Body = Messages, []byte(`{"model": "m", "max_tokens": 5, "messages": []}`)
	return p, err
}

func (m *messenger) Do(_ context.Context, e *Errand) (out []byte, failed *wire.Error) {
	m.mu.Lock()
	what, id := m.name(e)
	m.asked[what]++
	if failed = m.refuse[what]; failed == nil {
		out, failed = m.told(e, what, id)
	}
	m.mu.Unlock()
	if failed == nil && e.Into != nil {
		if _, err := e.Into.Write(out); err != nil {
			failed = wire.Errorf(502, "cut", "%v", err)
		}
	}
	return out, failed
}

func (m *messenger) told(e *Errand, what, id string) ([]byte, *wire.Error) {
	if e.Dialect != wire.AnthropicMessages || e.Op != wire.OpBatches {
		return nil, wire.Errorf(404, "unknown_path", "asked in dialect %s for %s", e.Dialect, e.Op)
	}
	n := 0
	_, _ = fmt.Sscanf(id, "msgbatch_%d", &n)
	switch what {
	case "POST batches":
		return m.take(e)
	case "GET batches":
		list := []json.RawMessage{}
		for i := range m.orders {
			list = append(list, m.show(i))
		}
		b, _ := json.Marshal(map[string]any{"data": list, "has_more": false}) // of what was marshalled
		return b, nil
	case "GET batches/*":
		return m.show(n), nil
	case "GET batches/*/results":
		return []byte(m.orders[n].results()), nil
	case "POST batches/*/cancel":
		m.orders[n].words = "ended"
		return m.show(n), nil
	case "DELETE batches/*":
		return []byte(`{}`), nil
	}
	return nil, wire.Errorf(404, "unknown_path", "there is no %s", what)
}

// take makes a batch of what was sent, if it is written as it is to be.
func (m *messenger) take(e *Errand) ([]byte, *wire.Error) {
	bad := func(err error) ([]byte, *wire.Error) { return nil, wire.Errorf(400, "bad_order", "%v", err) }
	if e.File == nil || e.File.Type != "application/json" {
		return bad(errors.New("there is no body"))
	}
	r, err := e.File.Open(0)
	if err != nil {
		return bad(err)
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil || int64(len(text)) != e.File.Size {
		return bad(fmt.Errorf("%d bytes, not %d: %w", len(text), e.File.Size, err))
	}
	var q struct {
		Requests []struct {
			ID     string          `json:"custom_id"`
			Params json.RawMessage `json:"params"`
		}
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&q); err != nil {
		return bad(err)
	}
	o := &ordered{created: time.Now()}
	for _, r := range q.Requests {
		if len(r.ID) > 64 || strings.Trim(r.ID, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
			return bad(fmt.Errorf("custom_id %q is not one", r.ID))
		}
		o.ids = append(o.ids, r.ID)
	}
	m.orders = append(m.orders, o)
	if m.lose {
		return nil, wire.Errorf(502, "cut", "the answer broke off")
	}
	return m.show(len(m.orders) - 1), nil
}

func (m *messenger) show(n int) []byte {
	o := m.orders[n]
	words := o.words
	if words == "" {
		words = m.words
	}
	counts := map[string]int{"processing": len(o.ids)}
	if words == "ended" {
		counts = map[string]int{}
		for i := range o.ids {
			counts[o.fated(i)]++
		}
	}
	b, _ := json.Marshal(map[string]any{"id": fmt.Sprintf("msgbatch_%d", n), "type": "message_batch", "processing_status": words, // of plain values
		"created_at": o.created, "request_counts": counts, "cancel_initiated_at": nil})
	return b
}

func (o *ordered) fated(n int) string {
	if o.fate == nil {
		return "succeeded"
	}
	return o.fate(n)
}

// results are those of all requests, the last one first: no order is promised.
func (o *ordered) results() string {
	var b strings.Builder
	for i := len(o.ids) - 1; i >= 0; i-- {
		result := fmt.Sprintf(`{"type":%q}`, o.fated(i))
		switch o.fated(i) {
		case "succeeded":
			result = `{"type":"succeeded","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"well"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":2}}}`
		case "errored":
			result = `{"type":"errored","error":{"type":"error","error":{"type":"not_found_error","message":"no such model"}}}`
		}
		fmt.Fprintf(&b, `{"custom_id":%q,"result":%s}`+"\n", o.ids[i], result)
	}
	return b.String()
}

// chat orders a batch of n requests.
func (o *office) chat(n int) string {
	o.t.Helper()
	var lines strings.Builder
	for i := range n {
		fmt.Fprintf(&lines, `{"custom_id":"id%d, of the caller","method":"POST","url":"/v1/chat/completions","body":{"model":"m","input":"text%d"}}`+"\n", i, i)
	}
	f, err := o.upload(lines.String(), "purpose", "batch")
	if err != nil {
		o.t.Fatal(err)
	}
	v, err := o.batches("", "", fmt.Sprintf(`{"input_file_id":%q,"endpoint":"/v1/chat/completions","completion_window":"24h"}`, f.ID))
	if err != nil {
		o.t.Fatal(err)
	}
	return v.ID
}

// after waits until what has been asked n times.
func (m *messenger) after(t *testing.T, what string, n int) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		m.mu.Lock()
		got := m.asked[what]
		m.mu.Unlock()
		if got >= n {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s is asked %d times; want %d", what, got, n)
		}
	}
}

// TestMessages: answers and errors come in the caller's dialect and under its
// ids; only what succeeded is paid for.
func TestMessages(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	m := newMessenger(o)
	m.words = "in_progress"
	o.work()
	id := o.chat(4)
	m.after(t, "GET batches/*", 1)
	m.mu.Lock()
	m.orders[0].fate = func(n int) string { return [...]string{"succeeded", "errored", "expired", "canceled"}[n] }
	m.words = "ended"
	m.mu.Unlock()
	v := o.until(id, call.BatchCancelled)
	held, spent, booked := m.sums()
	if held != 0 || spent != cost || booked != cost || len(m.orders) != 1 {
		t.Errorf("%d is held, %d spent, %d booked, by %d orders", held, spent, booked, len(m.orders))
	}
	var used wire.Usage
	for _, r := range m.rows {
		used.Add(&r.Usage)
	}
	if used != (wire.Usage{Input: 1, Output: 2}) || len(m.rows) != 2 {
		t.Errorf("%d rows say that %+v was used; want one of what succeeded, one of the error", len(m.rows), used)
	}
	lines := o.lines(v)
	want := map[string]string{"id0, of the caller": "", "id1, of the caller": "404", "id2, of the caller": "batch_expired", "id3, of the caller": "batch_cancelled"}
	if fmt.Sprint(lines) != fmt.Sprint(want) || v.Counts.Completed != 1 {
		t.Errorf("lines are %v, %+v; want %v", lines, v.Counts, want)
	}
	list, err := o.store.Lines(t.Context(), id, 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	for n, part := range map[int]string{0: `"content":"well"`, 1: `"error":{"message":"no such model"`} {
		if !strings.Contains(string(list[n].Out), part) {
			t.Errorf("line %d is %s; want %s", n, list[n].Out, part)
		}
	}
	if m.asked["DELETE batches/*"] != 1 {
		t.Errorf("the batch was removed %d times", m.asked["DELETE batches/*"])
	}
}

// TestMessagesRefused: what the provider does not take the gateway carries out.
func TestMessagesRefused(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	m := newMessenger(o)
	m.refuse["POST batches"] = wire.Errorf(413, "request_too_large", "too large")
	o.work()
	id := o.chat(3)
	v := o.until(id, call.BatchCompleted)
	if held, spent, booked := m.sums(); held+spent+booked != 0 || len(o.fake.asked) != 3 || !strings.Contains(*v.Signalbox.Why, "too large") {
		t.Errorf("%d is held, %d spent, %d booked; the gateway asked %v: %+v", held, spent, booked, o.fake.asked, v)
	}
}

// lead is a worker that holds the batch.
func (o *office) lead(id string) (*hand, *call.Batch) {
	o.t.Helper()
	b, err := o.store.Batch(o.t.Context(), id)
	if err != nil {
		o.t.Fatal(err)
	}
	h := &hand{o.Desk, newID("token")}
	if _, ok, err := o.store.TakeChunk(o.t.Context(), call.Step{Batch: id, Chunk: lead}, h.token, time.Hour); err != nil || !ok {
		o.t.Fatal("the batch cannot be taken", ok, err)
	}
	return h, &b
}

// planned is a batch that is about to be asked for.
func (o *office) planned(n int) (*hand, *call.Batch) {
	o.t.Helper()
	h, b := o.lead(o.chat(n))
	if err := h.validate(o.t.Context(), b); err != nil || b.Native == nil || b.Native.Stage != call.NativeCreating {
		o.t.Fatalf("the batch is not planned: %v: %+v", err, b)
	}
	return h, b
}

// TestMessagesOrderIsLost: an order whose answer is lost is not sent again
// before it is sure that it has not arrived, and the batch is known by its
// labels among others that look the same.
func TestMessagesOrderIsLost(t *testing.T) {
	o := newOffice(t)
	m := newMessenger(o)
	ctx := t.Context()
	create := func(h *hand, b *call.Batch, wait bool, orders int) {
		t.Helper()
		again, err := h.createAt(ctx, b)
		if err != nil || again > 0 != wait || len(m.orders) != orders {
			t.Fatalf("it is looked at again in %v, %v, with %d orders; want wait %v, %d orders", again, err, len(m.orders), wait, orders)
		}
	}
	old := func(h *hand, b *call.Batch) { // it would have arrived
		t.Helper()
		if err := h.move(ctx, b, func(b *call.Batch) { b.Native.Asked = time.Now().Add(-sending(b) - arrives) }); err != nil {
			t.Fatal(err)
		}
	}
	strange := func(words string) *ordered {
		s := &ordered{ids: []string{"theirs-1", "theirs-2", "theirs-3"}, created: time.Now(), words: words}
		m.orders = append(m.orders, s)
		return s
	}

	h, b := o.planned(3)
	s := strange("in_progress")
	m.lose = true
	create(h, b, true, 2)
	m.orders[1].words = "in_progress"
	m.lose = false
	old(h, b)
	create(h, b, true, 2) // either may be it
	s.words = "ended"
	create(h, b, true, 2) // the other may be it
	m.orders[1].words = "ended"
	create(h, b, false, 2)
	if b.Native.Stage != call.NativeWaiting || b.Native.Batch != "msgbatch_1" {
		t.Errorf("it is taken for %+v; want msgbatch_1", b.Native)
	}

	m.orders = nil // one that has not arrived
	h, b = o.planned(3)
	s = strange("in_progress")
	m.refuse["POST batches"] = wire.Errorf(502, "cut", "the connection broke")
	create(h, b, true, 1)
	delete(m.refuse, "POST batches")
	old(h, b)
	create(h, b, true, 1) // the strange one may be it
	s.words = "ended"
	create(h, b, false, 2)
	if b.Native.Batch != "msgbatch_1" {
		t.Errorf("it is taken for %+v", b.Native)
	}

	m.orders[1].words = "in_progress" // of another batch of the gateway's, as is known
	h, b = o.planned(3)
	m.refuse["POST batches"] = wire.Errorf(502, "cut", "the connection broke")
	create(h, b, true, 2)
	create(h, b, true, 2) // it may still arrive
	delete(m.refuse, "POST batches")
	old(h, b)
	create(h, b, false, 3)
}

// TestMessagesAskedByTwo: one that was taken for dead before it has asked does
// not ask beside the other.
func TestMessagesAskedByTwo(t *testing.T) {
	o := newOffice(t)
	m := newMessenger(o)
	h, b := o.planned(3)
	slow := *b
	native := *b.Native
	slow.Native = &native
	m.lose = true
	if again, err := h.createAt(t.Context(), b); err != nil || again == 0 {
		t.Fatal(again, err)
	}
	if _, err := (&hand{o.Desk, "slow"}).createAt(t.Context(), &slow); !errors.Is(err, errMoved) || len(m.orders) != 1 {
		t.Errorf("%v, %d orders", err, len(m.orders))
	}
}

// TestMessagesInDoubtIsLost: one of which it never becomes clear whether it was
// made is paid for, once.
func TestMessagesInDoubtIsLost(t *testing.T) {
	o := newOffice(t)
	m := newMessenger(o)
	h, b := o.planned(3)
	m.lose = true
	if again, err := h.createAt(t.Context(), b); err != nil || again == 0 {
		t.Fatal(again, err)
	}
	m.refuse["GET batches/*/results"] = wire.Errorf(404, "gone", "results are gone")
	if again, err := h.createAt(t.Context(), b); err != nil || again == 0 || len(m.orders) != 1 {
		t.Fatal(again, err, len(m.orders))
	}
	o.late(b.ID)
	b.Expires = time.Now().Add(-giveUp - time.Hour)
	if _, err := h.createAt(t.Context(), b); err != nil || b.Native.Stage != call.NativeOver || len(m.orders) != 1 {
		t.Errorf("%v, %d orders: %+v", err, len(m.orders), b.Native)
	}
	if held, spent, booked := m.sums(); held != 0 || spent != 3*needed || booked != spent {
		t.Errorf("%d is held, %d spent, %d booked", held, spent, booked)
	}
}

// TestMessagesLimits: a batch that is too much for the provider is left to the
// gateway, and nothing of it stays.
func TestMessagesLimits(t *testing.T) {
	f := func(why string, lines, size int64) {
		t.Helper()
		was := messagesLayout
		defer func() { messagesLayout = was }()
		messagesLayout.lines, messagesLayout.bytes = lines, size
		o := newOffice(t)
		newMessenger(o)
		h, b := o.lead(o.chat(3))
		if err := h.validate(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		now, err := o.store.Batch(t.Context(), b.ID)
		if err != nil || now.Native != nil || !strings.Contains(now.Why, why) {
			t.Errorf("%v: %+v; want %s", err, now, why)
		}
		if _, err := o.store.ReadFile(t.Context(), derived("file-", b.ID, "native", h.token), 0); !errors.Is(err, call.ErrNoFile) {
			t.Errorf("what was to be sent stays: %v", err)
		}
	}
	f("more requests than the 2", 2, 1<<20)
	f("50 at most", 100, 50)
}
