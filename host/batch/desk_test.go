package batch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/host/store/sqlite"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake answers requests by what their bodies say.
type fake struct {
	mu      sync.Mutex
	refused *wire.Error // of the key
	asked   map[string]int
	answer  func(text string, times int) (Reply, *wire.Error)
}

func (f *fake) Principal(key string) (*call.Principal, *wire.Error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &call.Principal{KeyID: key}, f.refused
}

func (f *fake) Check(_ *call.Principal, _ *Endpoint, model string) *wire.Error {
	if model != "m" {
		return wire.Errorf(404, "model_not_found", "there is no model %q", model)
	}
	return nil
}

func (f *fake) Ask(_ context.Context, r *Request, before func() *wire.Error) (Reply, *wire.Error) {
	if err := before(); err != nil {
		return Reply{}, err
	}
	var b struct{ Input string }
	if err := json.Unmarshal(r.Body, &b); err != nil {
		return Reply{}, wire.Errorf(400, "bad", "%v", err)
	}
	f.mu.Lock()
	f.asked[b.Input]++
	n := f.asked[b.Input]
	f.mu.Unlock()
	return f.answer(b.Input, n)
}

func well(string, int) (Reply, *wire.Error) {
	return Reply{ID: "req_1", Status: 200, Body: []byte("{\n\"ok\":true}"), Cost: 3, Provider: "p"}, nil
}

type office struct {
	*Desk
	t    *testing.T
	fake *fake
	opt  Options
	me   Owner
}

func newOffice(t *testing.T) *office {
	s, err := sqlite.Open(t.Context(), "sqlite:"+t.TempDir()+"/s.db", sqlite.Options{Node: store.Node{ID: "n"}})
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Batches(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	o := &office{t: t, fake: &fake{asked: map[string]int{}, answer: well}, me: Owner{Tenant: "us", Key: "k"},
		opt: Options{MaxLines: 50, MaxLine: 1000, MaxFile: 10_000, MaxFiles: 20_000, MaxBatches: 3, Chunk: 4, Workers: 2, Concurrency: 4,
			Window: 48 * time.Hour, KeepFiles: time.Hour, KeepBatches: time.Hour}}
	o.Desk = New(b, o.fake, nil, func() Options { return o.opt }, slog.New(slog.DiscardHandler))
	t.Cleanup(func() {
		if err := errors.Join(o.Stop(context.Background()), s.Close()); err != nil {
			t.Error(err)
		}
	})
	return o
}

func (o *office) work() {
	o.t.Helper()
	if err := o.Start(o.t.Context()); err != nil {
		o.t.Fatal(err)
	}
}

func line(id, text string) string {
	return fmt.Sprintf(`{"custom_id":%q,"method":"POST","url":"/v1/embeddings","body":{"model":"m","input":%q}}`+"\n", id, text)
}

func lineset(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(line(fmt.Sprint("id", i), fmt.Sprint("text", i)))
	}
	return b.String()
}

// upload sends a form; fields are names and values in turn, before the file.
func (o *office) upload(content string, fields ...string) (fileView, *wire.Error) {
	o.t.Helper()
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	part, err := w.CreateFormFile("file", "in.jsonl")
	if err == nil {
		_, err = io.WriteString(part, content)
	}
	for i := 0; i+1 < len(fields) && err == nil; i += 2 { // behind the file
		err = w.WriteField(fields[i], fields[i+1])
	}
	if err = errors.Join(err, w.Close()); err != nil {
		o.t.Fatal(err)
	}
	r, failed := o.Files(o.t.Context(), o.me, &Ask{Body: form.Bytes(), ContentType: w.FormDataContentType()})
	var v fileView
	if failed == nil {
		if err := json.Unmarshal(r.Body, &v); err != nil {
			o.t.Fatal(err)
		}
	}
	return v, failed
}

func (o *office) order(content, window string) batchView {
	o.t.Helper()
	f, err := o.upload(content, "purpose", "batch")
	if err != nil {
		o.t.Fatal(err)
	}
	v, err := o.batches("", "", fmt.Sprintf(`{"input_file_id":%q,"endpoint":"/v1/embeddings","completion_window":%q,"metadata":{"a":"b"}}`, f.ID, window))
	if err != nil {
		o.t.Fatal(err)
	}
	return v
}

func (o *office) batches(method, path, body string) (v batchView, err *wire.Error) {
	o.t.Helper()
	r, err := o.Batches(o.t.Context(), o.me, &Ask{Method: method, Path: path, Body: []byte(body)})
	if err == nil {
		if err := json.Unmarshal(r.Body, &v); err != nil {
			o.t.Fatal(err)
		}
	}
	return v, err
}

// until waits for a state.
func (o *office) until(id, state string) batchView {
	o.t.Helper()
	var v batchView
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		var err *wire.Error
		if v, err = o.batches("GET", "/"+id, ""); err != nil {
			o.t.Fatal(err)
		}
		if v.Status == state {
			return v
		}
	}
	o.t.Fatalf("the batch is %s: %+v; want %s", v.Status, v, state)
	return v
}

// lines are the codes of a batch's lines by their ids, "": answered well.
func (o *office) lines(v batchView) map[string]string {
	o.t.Helper()
	codes := map[string]string{}
	for _, id := range []*string{v.Output, v.ErrorFile} {
		if id == nil {
			continue
		}
		r, err := o.Files(o.t.Context(), o.me, &Ask{Method: "GET", Path: "/" + *id + "/content"})
		if err != nil {
			o.t.Fatal(err)
		}
		text, rerr := io.ReadAll(r.File)
		if rerr = errors.Join(rerr, r.File.Close()); rerr != nil {
			o.t.Fatal(rerr)
		}
		for l := range strings.Lines(string(text)) {
			var out outcome
			if err := json.Unmarshal([]byte(l), &out); err != nil {
				o.t.Fatalf("%s: %v", l, err)
			}
			if _, twice := codes[out.Custom]; twice {
				o.t.Errorf("%s is told of twice", out.Custom)
			}
			switch {
			case out.Error != nil:
				codes[out.Custom] = out.Error.Code
			case out.Response.Status != 200:
				codes[out.Custom] = fmt.Sprint(out.Response.Status)
			default:
				codes[out.Custom] = ""
			}
		}
	}
	return codes
}

func TestBatch(t *testing.T) {
	o := newOffice(t)
	o.fake.answer = func(text string, times int) (Reply, *wire.Error) {
		switch {
		case text == "text3":
			return Reply{ID: "req_2", Status: 400}, wire.Errorf(400, "bad", "no")
		case text == "text5" && times < 3:
			e := wire.Errorf(429, "rate_limited", "too fast")
			e.RetryAfter = time.Millisecond
			return Reply{Provider: "p"}, e
		}
		return well(text, times)
	}
	o.work()
	v := o.order(lineset(10)+"\n"+line("last", "x"), "24h")
	v = o.until(v.ID, call.BatchCompleted)
	if v.Counts != (countsView{11, 10, 1}) || string(v.Metadata) != `{"a":"b"}` || v.Completed == nil {
		t.Errorf("the batch is %+v", v)
	}
	codes := o.lines(v)
	if len(codes) != 11 || codes["id3"] != "400" || codes["id5"] != "" || codes["last"] != "" {
		t.Errorf("lines are %v", codes)
	}
	for text, n := range o.fake.asked {
		if want := map[string]int{"text5": 3}[text]; n != max(want, 1) {
			t.Errorf("%s was asked %d times", text, n)
		}
	}
	b, err := o.store.Batch(t.Context(), v.ID)
	if err != nil || b.Cost != 30 {
		t.Errorf("it has cost %d, %v; want 30", b.Cost, err)
	}
}

func TestBatchIsCancelled(t *testing.T) {
	o := newOffice(t)
	begun, hold := make(chan struct{}, 50), make(chan struct{})
	o.fake.answer = func(text string, times int) (Reply, *wire.Error) {
		begun <- struct{}{}
		<-hold
		return well(text, times)
	}
	o.work()
	v := o.order(lineset(20), "24h")
	<-begun
	if v, err := o.batches("", "/"+v.ID+"/cancel", ""); err != nil || v.Status != call.BatchCancelling {
		t.Errorf("%+v, %v", v, err)
	}
	close(hold)
	v = o.until(v.ID, call.BatchCancelled)
	codes := o.lines(v)
	ran := 0
	for _, code := range codes {
		if code == "" {
			ran++
		} else if code != "batch_cancelled" {
			t.Errorf("a line ended as %s", code)
		}
	}
	if len(codes) != 20 || ran == 0 || ran == 20 || int64(ran) != v.Counts.Completed {
		t.Errorf("of %d lines %d ran: %+v", len(codes), ran, v)
	}
	if _, err := o.batches("", "/"+v.ID+"/cancel", ""); err != nil {
		t.Errorf("cancelled again: %v", err)
	}
}

func TestBatchOfARevokedKey(t *testing.T) {
	f := func(name string, atOnce int) {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			o.opt.Concurrency = atOnce
			o.fake.answer = func(text string, times int) (Reply, *wire.Error) {
				if text == "text1" {
					o.fake.mu.Lock()
					o.fake.refused = wire.Errorf(401, "key_revoked", "the key has been revoked")
					o.fake.mu.Unlock()
				}
				return well(text, times)
			}
			o.work()
			v := o.until(o.order(lineset(40), "24h").ID, call.BatchFailed)
			if v.Errors == nil || !strings.Contains(string(v.Errors.Data), `"key_revoked"`) {
				t.Errorf("it does not say why: %+v", v)
			}
			codes := o.lines(v)
			if len(codes) != 40 || codes["id39"] != "key_revoked" || codes["id1"] != "" {
				t.Errorf("lines are %v", codes)
			}
		})
	}
	f("several lines at once", 4)
	f("line by line", 1) // what is next to be sent finds that one before it was refused
}

func TestBatchExpires(t *testing.T) {
	o := newOffice(t)
	v := o.order(lineset(6), "1m")
	_, err := o.store.ChangeBatch(t.Context(), v.ID, func(b *call.Batch) error { b.Expires = time.Now().Add(-time.Second); return nil })
	if err != nil {
		t.Fatal(err)
	}
	o.work()
	codes := o.lines(o.until(v.ID, call.BatchExpired))
	if len(codes) != 6 || codes["id0"] != "batch_expired" || len(o.fake.asked) > 0 {
		t.Errorf("lines are %v, asked %v", codes, o.fake.asked)
	}
}

func TestBatchThatIsNotInOrder(t *testing.T) {
	o := newOffice(t)
	o.work()
	v := o.until(o.order(line("a", "x")+"{\n"+line("a", "x")+strings.Replace(line("b", "x"), `"m"`, `"q"`, 1), "24h").ID, call.BatchFailed)
	if v.Errors == nil {
		t.Fatalf("%+v", v)
	}
	var faults []Fault
	if err := json.Unmarshal(v.Errors.Data, &faults); err != nil || len(faults) != 3 {
		t.Fatalf("%s: %v", v.Errors.Data, err)
	}
	for i, want := range []string{"invalid_json_line 2 <nil>", "duplicate_custom_id 3 custom_id", "model_not_found 4 body.model"} {
		param := "<nil>"
		if faults[i].Param != nil {
			param = *faults[i].Param
		}
		if got := fmt.Sprint(faults[i].Code, " ", *faults[i].Line, " ", param); got != want {
			t.Errorf("fault %d is %s; want %s", i, got, want)
		}
	}
	if len(o.fake.asked) > 0 {
		t.Errorf("asked %v", o.fake.asked)
	}
}

func TestOrdersAreChecked(t *testing.T) {
	o := newOffice(t)
	f, err := o.upload(lineset(1), "purpose", "batch")
	if err != nil {
		t.Fatal(err)
	}
	bad := func(body string, status int, param string) {
		t.Helper()
		_, err := o.batches("", "", strings.ReplaceAll(body, "FILE", f.ID))
		if err == nil || err.Status != status || err.Param != param {
			t.Errorf("%s: %v (param %v); want %d, param %s", body, err, err, status, param)
		}
	}
	bad(`{`, 400, "")
	bad(`{"endpoint":"/v1/embeddings","completion_window":"24h"}`, 400, "input_file_id")
	bad(`{"input_file_id":"file-none","endpoint":"/v1/embeddings","completion_window":"24h"}`, 404, "input_file_id")
	bad(`{"input_file_id":"FILE","endpoint":"/v1/images","completion_window":"24h"}`, 400, "endpoint")
	bad(`{"input_file_id":"FILE","endpoint":"/v1/embeddings","completion_window":"49h"}`, 400, "completion_window")
	bad(`{"input_file_id":"FILE","endpoint":"/v1/embeddings"}`, 400, "completion_window")
	bad(`{"input_file_id":"FILE","endpoint":"/v1/embeddings","completion_window":"24h","metadata":{"a":1}}`, 400, "metadata")
	bad(`{"input_file_id":"FILE","endpoint":"/v1/embeddings","completion_window":"24h","output_expires_after":{"anchor":"created_at","seconds":1}}`, 400, "output_expires_after.seconds")
	if _, err := o.Batches(t.Context(), o.me, &Ask{Body: []byte(`{}`), Wish: "elsewhere"}); err == nil || err.Param != "x-signalbox-batch" {
		t.Errorf("a batch to be run elsewhere: %v", err)
	}
	for range o.opt.MaxBatches { // nobody works on them
		o.order(lineset(1), "24h")
	}
	bad(`{"input_file_id":"FILE","endpoint":"/v1/embeddings","completion_window":"24h"}`, 429, "")
	if _, err := o.Files(t.Context(), o.me, &Ask{Method: "DELETE", Path: "/" + f.ID}); err != nil {
		t.Error(err)
	}
}

func TestUploadsAreChecked(t *testing.T) {
	o := newOffice(t)
	bad := func(status int, code, content string, fields ...string) {
		t.Helper()
		if _, err := o.upload(content, fields...); err == nil || err.Status != status || err.Code != code {
			t.Errorf("%v: %v; want %d %s", fields, err, status, code)
		}
	}
	bad(400, "invalid_request", "x")
	bad(400, "invalid_request", "x", "purpose", "assistants")
	bad(400, "invalid_request", "x", "purpose", "batch", "expires_after[anchor]", "created_at", "expires_after[seconds]", "5")
	bad(413, "file_too_large", strings.Repeat("x", 10_001), "purpose", "batch")
	for range 2 {
		if _, err := o.upload(strings.Repeat("x", 9_000), "purpose", "batch"); err != nil {
			t.Fatal(err)
		}
	}
	bad(413, "files_quota", strings.Repeat("x", 9_000), "purpose", "batch")
	v, err := o.upload("x", "purpose", "batch", "expires_after[anchor]", "created_at", "expires_after[seconds]", "7200")
	if err != nil || v.Name != "in.jsonl" || *v.Expires-v.Created != 7200 || v.Status != "processed" || v.Object != "file" {
		t.Errorf("%+v, %v", v, err)
	}
	o.me.Tenant = "them"
	for _, q := range []*Ask{{Method: "GET", Path: "/" + v.ID}, {Method: "GET", Path: "/" + v.ID + "/content"}, {Method: "DELETE", Path: "/" + v.ID}, {Method: "GET", Path: "?after=" + v.ID}} {
		if _, err := o.Files(t.Context(), o.me, q); err == nil || err.Status != 404 {
			t.Errorf("%s %s of another: %v", q.Method, q.Path, err)
		}
	}
}
