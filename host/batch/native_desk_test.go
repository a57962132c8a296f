package batch

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// vendor is a provider that has batches of its own, and the books beside it.
// Lines cost a hundredth of what is reserved for them.
type vendor struct {
	mu     sync.Mutex
	next   call.ID
	files  map[string]string
	made   []string                 // input files, by number of batch
	status string                   // of all batches
	refuse map[string]*wire.Error   // of requests by "METHOD path", * for an id
	then   map[string]func()        // after requests that went well
	asked  map[string]int           // by the same
	held   map[call.ID][3]int64     // what is reserved
	spent  map[call.ID][3]int64     // what was spent of that
	rows   map[call.ID]Row          // the ledger
	poor   *wire.Error              // nothing can be reserved
	chain  func(text string) string // the budget of a line
}

const (
	needed = 1000
	cost   = 10
)

func (v *vendor) Plan(r *Request) (Plan, *wire.Error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	var b struct{ Input string }
	if err := json.Unmarshal(r.Body, &b); err != nil {
		return Plan{}, wire.Errorf(400, "bad", "%v", err)
	}
	v.next += 2
	return Plan{ID: v.next, Reservation: v.next + 1, Provider: "p", Asked: "m", Target: "p/m", Chain: v.chain(b.Input),
		Need: [3]int64{needed, 5, 1}, Price: &call.Price{Request: cost}, Body: r.Body}, nil
}

func (v *vendor) Books() Books { return v }

func (v *vendor) Reserve(_ context.Context, _ string, groups []Group) *wire.Error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.poor != nil {
		return v.poor
	}
	for _, g := range groups {
		v.held[g.ID] = g.Need
	}
	return nil
}

func (v *vendor) Redeem(_ context.Context, id call.ID, spent [3]int64) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, ok := v.held[id]; ok {
		delete(v.held, id)
		v.spent[id] = spent
	}
	return nil
}

func (v *vendor) Book(_ *call.Batch, r *Row) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, twice := v.rows[r.ID]; !twice {
		v.rows[r.ID] = *r
	}
	return nil
}

// sums are what is held, what was spent of reservations, and the ledger's sum.
func (v *vendor) sums() (held, spent, booked int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, n := range v.held {
		held += n[call.UnitUSD]
	}
	for _, n := range v.spent {
		spent += n[call.UnitUSD]
	}
	for _, r := range v.rows {
		booked += r.Cost
	}
	return held, spent, booked
}

func (v *vendor) Do(_ context.Context, e *Errand) (out []byte, failed *wire.Error) {
	v.mu.Lock()
	what, id := v.name(e)
	v.asked[what]++
	then := func() {}
	if failed = v.refuse[what]; failed == nil {
		out, failed = v.answer(e, what, id)
		if f := v.then[what]; f != nil {
			then = f
		}
	}
	v.mu.Unlock()
	then()
	if failed == nil && e.Into != nil {
		if _, err := e.Into.Write(out); err != nil {
			failed = wire.Errorf(502, "cut", "%v", err)
		}
	}
	return out, failed
}

// name is a request as "METHOD op/*", with the id that it is about.
func (v *vendor) name(e *Errand) (what, id string) {
	method := e.Method
	if method == "" {
		method = http.MethodPost
	}
	path, _, _ := strings.Cut(e.Path, "?")
	id, action, acts := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	what = method + " " + e.Op.String()
	if id != "" {
		what += "/*"
	}
	if acts {
		what += "/" + action
	}
	return what, id
}

func (v *vendor) answer(e *Errand, what, id string) ([]byte, *wire.Error) {
	switch what {
	case "POST files":
		r, err := e.File.Open(0)
		if err != nil {
			return nil, wire.Errorf(502, "cut", "%v", err)
		}
		defer r.Close()
		text, err := io.ReadAll(r)
		if err != nil {
			return nil, wire.Errorf(502, "cut", "%v", err)
		}
		id = fmt.Sprintf("in-%d", v.asked[what])
		v.files[id] = string(text)
		return fmt.Appendf(nil, `{"id":%q}`, id), nil
	case "POST batches":
		var q struct {
			File string `json:"input_file_id"`
		}
		_ = json.Unmarshal(e.Body, &q) // an empty one is not found
		v.made = append(v.made, q.File)
		return v.batch(len(v.made) - 1), nil
	case "GET batches":
		list := []json.RawMessage{}
		for i := range v.made {
			list = append(list, v.batch(i))
		}
		b, _ := json.Marshal(map[string]any{"data": list}) // of what was marshalled
		return b, nil
	case "GET batches/*":
		n := 0
		_, _ = fmt.Sscanf(id, "b-%d", &n)
		return v.batch(n), nil
	case "GET files/*/content":
		text, ok := v.files[id]
		if !ok {
			return nil, wire.Errorf(404, "no_such_file", "there is no such file")
		}
		return []byte(text), nil
	case "DELETE files/*":
		delete(v.files, id)
		return []byte(`{}`), nil
	}
	return nil, wire.Errorf(404, "unknown_path", "there is no %s", what)
}

// batch shows one, which is carried out once its status says so.
func (v *vendor) batch(n int) []byte {
	in, out := v.made[n], ""
	if v.status == call.BatchCompleted {
		out = fmt.Sprintf("out-%d", n)
		if text, ok := v.files[in]; ok {
			v.files[out] = carried(text)
		}
	}
	b, _ := json.Marshal(map[string]any{"id": fmt.Sprintf("b-%d", n), "status": v.status, "input_file_id": in, "output_file_id": out, "created_at": time.Now().Unix()})
	return b
}

// carried are the results of a file of requests.
func carried(text string) string {
	var b bytes.Buffer
	for l := bufio.NewScanner(strings.NewReader(text)); l.Scan(); {
		var t task
		_ = json.Unmarshal(l.Bytes(), &t) // the desk has written it
		fmt.Fprintf(&b, `{"custom_id":%q,"response":{"status_code":200,"body":{"usage":{"prompt_tokens":1,"total_tokens":1}}},"error":null}`+"\n", t.ID)
	}
	return b.String()
}

func newVendor(o *office) *vendor {
	v := &vendor{files: map[string]string{}, status: call.BatchCompleted, refuse: map[string]*wire.Error{}, then: map[string]func(){}, asked: map[string]int{},
		held: map[call.ID][3]int64{}, spent: map[call.ID][3]int64{}, rows: map[call.ID]Row{}, chain: func(string) string { return "" }}
	o.opt.Mode = call.BatchAuto
	o.natives = v
	return v
}

// late makes a batch one whose provider is not waited for any more.
func (o *office) late(id string) {
	o.t.Helper()
	_, err := o.store.ChangeBatch(o.t.Context(), id, func(b *call.Batch) error { b.Expires = time.Now().Add(-giveUp - time.Hour); return nil })
	if err != nil {
		o.t.Fatal(err)
	}
}

// TestNativeGroups: each budget's share is reserved, spent and booked by itself.
func TestNativeGroups(t *testing.T) {
	o := newOffice(t)
	v := newVendor(o)
	v.chain = func(text string) string {
		return map[bool]string{true: "odd", false: "even"}[strings.HasSuffix(text, "1")]
	}
	o.work()
	b := o.until(o.order(lineset(5), "24h").ID, call.BatchCompleted)
	held, spent, booked := v.sums()
	if held != 0 || spent != 5*cost || booked != 5*cost || len(o.fake.asked) > 0 {
		t.Errorf("%d is held, %d spent, %d booked; the gateway asked %v", held, spent, booked, o.fake.asked)
	}
	got := slices.Sorted(maps.Values(map[call.ID]int64{}))
	for _, s := range v.spent {
		got = append(got, s[call.UnitUSD])
	}
	if slices.Sort(got); !slices.Equal(got, []int64{cost, 4 * cost}) {
		t.Errorf("of the two reservations %v was spent", got)
	}
	if codes := o.lines(b); len(codes) != 5 || codes["id0"] != "" {
		t.Errorf("lines are %v", codes)
	}
}

// TestNativeFallsBack: what a provider refuses the gateway carries out, and
// nothing stays reserved.
func TestNativeFallsBack(t *testing.T) {
	f := func(name, why string, refuse func(v *vendor)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			v := newVendor(o)
			refuse(v)
			o.work()
			b := o.until(o.order(lineset(5), "24h").ID, call.BatchCompleted)
			held, spent, booked := v.sums()
			if held != 0 || spent != 0 || booked != 0 || len(o.fake.asked) != 5 || b.Counts.Completed != 5 {
				t.Errorf("%d is held, %d spent, %d booked; the gateway asked %v: %+v", held, spent, booked, o.fake.asked, b)
			}
			if b.Signalbox.Mode != call.BatchGateway || b.Signalbox.Why == nil || !strings.Contains(*b.Signalbox.Why, why) {
				t.Errorf("it says %+v; want %q", b.Signalbox, why)
			}
		})
	}
	no := wire.Errorf(400, "not_for_you", "not for you")
	f("the file", "not for you", func(v *vendor) { v.refuse["POST files"] = no })
	f("the batch", "not for you", func(v *vendor) { v.refuse["POST batches"] = no })
	f("in its words", "no more than that", func(v *vendor) { v.status = call.BatchFailed })
	f("the budgets", "too little", func(v *vendor) { v.poor = wire.Errorf(402, "budget_exceeded", "too little") })
}

// TestNativeIsLost: a provider that does not tell of a batch is not waited for
// without an end, and each reservation is charged whole, once.
func TestNativeIsLost(t *testing.T) {
	f := func(name, reach string, set func(v *vendor)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			v := newVendor(o)
			v.chain = func(text string) string { return text }
			set(v)
			o.work()
			id := o.order(lineset(3), "24h").ID
			for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
				v.mu.Lock()
				n := v.asked[reach]
				v.mu.Unlock()
				if n > 0 {
					break
				}
				if time.Now().After(end) {
					t.Fatalf("nobody asks for %s", reach)
				}
			}
			o.late(id)
			b := o.until(id, call.BatchFailed)
			held, spent, booked := v.sums()
			if held != 0 || spent != 3*needed || booked != spent {
				t.Errorf("%d is held, %d spent, %d booked; want %d of both", held, spent, booked, 3*needed)
			}
			for _, r := range v.rows {
				if r.Code != "batch_lost" || !r.Estimated || r.Cost != needed {
					t.Errorf("a row is %+v", r)
				}
			}
			if codes := o.lines(b); len(codes) != 3 || codes["id1"] != "batch_lost" {
				t.Errorf("lines are %v", codes)
			}
		})
	}
	gone := wire.Errorf(404, "provider_not_found", "there is no such provider")
	f("it is asked in vain", "GET batches/*", func(v *vendor) { v.refuse["GET batches/*"] = gone })
	f("it never ends", "GET batches/*", func(v *vendor) { v.status = call.BatchRunning })
	f("it may have been made", "GET batches", func(v *vendor) {
		v.refuse["POST batches"], v.refuse["GET batches"] = wire.Errorf(502, "cut", "the answer broke off"), gone
	})
	f("its results are gone", "GET files/*/content", func(v *vendor) { v.refuse["GET files/*/content"] = gone })
}

// TestNativeCannotBeMade: a provider that takes no batch before the window is
// over has not got it.
func TestNativeCannotBeMade(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.opt.Mode = call.BatchNative
	v := newVendor(o)
	v.refuse["POST batches"] = wire.Errorf(503, "busy", "too busy")
	id := o.order(lineset(3), "24h").ID
	o.work()
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		v.mu.Lock()
		n := v.asked["POST batches"]
		v.mu.Unlock()
		if n > 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("nobody asks for the batch")
		}
	}
	_, err := o.store.ChangeBatch(t.Context(), id, func(b *call.Batch) error {
		b.Expires = time.Now().Add(-time.Second)
		if b.Native != nil {
			b.Native.Asked = time.Now().Add(-arrives) // it would be there by now
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	b := o.until(id, call.BatchExpired)
	if held, spent, booked := v.sums(); held+spent+booked != 0 {
		t.Errorf("%d is held, %d spent, %d booked", held, spent, booked)
	}
	if codes := o.lines(b); len(codes) != 3 || codes["id1"] != "batch_expired" {
		t.Errorf("lines are %v", codes)
	}
}

// TestNativeResultsAreRemovedLast: one that dies while it removes what lies at
// the provider leaves a batch whose results are known.
func TestNativeResultsAreRemovedLast(t *testing.T) {
	o := newOffice(t)
	v := newVendor(o)
	id := ""
	ready := make(chan struct{})
	var stages []call.NativeStage
	v.then["DELETE files/*"] = func() {
		<-ready
		if b, err := o.store.Batch(context.Background(), id); err == nil {
			stages = append(stages, b.Native.Stage)
		}
	}
	o.work()
	id = o.order(lineset(3), "24h").ID
	close(ready)
	o.until(id, call.BatchCompleted)
	if len(stages) != 2 || stages[0] != call.NativeOver {
		t.Errorf("files were removed at stages %v", stages)
	}
}
