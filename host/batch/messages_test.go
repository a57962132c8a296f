package batch

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// claims are requests of Anthropic's shape, as a body that orders them.
func claims(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("{\"custom_id\":\"id%d\",\n\"params\":{\"model\":\"m\",\n \"input\":\"text%d\"}}", i, i))
	}
	return `{"requests":[` + strings.Join(list, ",\n") + "]}\n"
}

func (o *office) messages(method, path, body string) (v messagesView, err *wire.Error) {
	o.t.Helper()
	r, err := o.Messages(o.t.Context(), o.me, &Ask{Method: method, Path: path, Body: []byte(body), Base: "https://here"})
	if err == nil {
		if err := json.Unmarshal(r.Body, &v); err != nil {
			o.t.Fatal(err)
		}
	}
	return v, err
}

func (o *office) ended(id string) messagesView {
	o.t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		v, err := o.messages("GET", "/"+id, "")
		if err != nil || time.Now().After(end) {
			o.t.Fatalf("%+v, %v", v, err)
		}
		if v.Status == "ended" {
			return v
		}
	}
}

// told are the types of a batch's results by their ids, and what errors say.
func (o *office) told(id string) (types map[string]string, said []string) {
	o.t.Helper()
	r, err := o.Messages(o.t.Context(), o.me, &Ask{Method: "GET", Path: "/" + id + "/results"})
	if err != nil {
		o.t.Fatal(err)
	}
	text, rerr := io.ReadAll(r.File)
	if cerr := r.File.Close(); rerr != nil || cerr != nil || r.Type != "application/x-jsonl" {
		o.t.Fatal(rerr, cerr, r.Type)
	}
	types = map[string]string{}
	for l := range strings.Lines(string(text)) {
		var m messageResult
		if err := json.Unmarshal([]byte(l), &m); err != nil {
			o.t.Fatalf("%s: %v", l, err)
		}
		if _, twice := types[m.ID]; twice {
			o.t.Errorf("%s is told of twice", m.ID)
		}
		types[m.ID] = m.Result.Type
		switch ok := m.Result.Message != nil; {
		case ok != (m.Result.Type == "succeeded"), (m.Result.Error != nil) != (m.Result.Type == "errored"):
			o.t.Errorf("a result is %s", l)
		case m.Result.Error != nil:
			said = append(said, string(m.Result.Error))
		}
	}
	return types, said
}

func tally(types map[string]string) (c messagesCounts) {
	for _, t := range types {
		*map[string]*int64{"succeeded": &c.Succeeded, "errored": &c.Errored, "canceled": &c.Canceled, "expired": &c.Expired}[t]++
	}
	return c
}

func TestMessageBatch(t *testing.T) {
	o := newOffice(t)
	o.fake.answer = func(text string, times int) (Reply, *wire.Error) {
		if text == "text3" {
			return Reply{ID: "req_2", Status: 400}, wire.Errorf(400, "bad", "no such thing")
		}
		return well(text, times)
	}
	v, err := o.messages("", "", claims(10))
	if err != nil || v.Status != "in_progress" || v.Counts != (messagesCounts{Processing: 10}) || v.Results != nil || v.Ended != nil {
		t.Fatalf("%+v, %v", v, err)
	}
	if _, err := o.messages("GET", "/"+v.ID+"/results", ""); err == nil || err.Status != 400 {
		t.Errorf("results before there are any: %v", err)
	}
	if _, err := o.messages("DELETE", "/"+v.ID, ""); err == nil || err.Code != "batch_not_ended" {
		t.Errorf("deleted while it runs: %v", err)
	}
	o.work()
	v = o.ended(v.ID)
	types, said := o.told(v.ID)
	if v.Counts != (messagesCounts{Succeeded: 9, Errored: 1}) || v.Counts != tally(types) || types["id3"] != "errored" ||
		*v.Results != "https://here/v1/messages/batches/"+v.ID+"/results" || v.Archived != nil {
		t.Errorf("%+v; results %v", v, types)
	}
	if len(said) != 1 || !strings.Contains(said[0], `"invalid_request_error"`) || !strings.Contains(said[0], "no such thing") {
		t.Errorf("errors are %q", said)
	}
	if w, err := o.batches("GET", "/"+v.ID, ""); err != nil || w.Status != call.BatchCompleted || w.Endpoint != "/v1/messages" { // one desk
		t.Errorf("as OpenAI's: %+v, %v", w, err)
	}
	if _, err := o.messages("", "/"+v.ID+"/cancel", ""); err == nil || err.Status != 400 {
		t.Errorf("cancelled after its end: %v", err)
	}
	me := o.me
	o.me.Tenant = "them"
	for _, q := range [][2]string{{"GET", ""}, {"GET", "/results"}, {"", "/cancel"}, {"DELETE", ""}} {
		if _, err := o.messages(q[0], "/"+v.ID+q[1], ""); err == nil || err.Status != 404 {
			t.Errorf("%s of another: %v", q, err)
		}
	}
	if _, err := o.messages("GET", "?after_id="+v.ID, ""); err == nil || err.Status != 404 {
		t.Errorf("a page after that of another: %v", err)
	}
	o.me = me
	if _, err := o.messages("DELETE", "/"+v.ID, ""); err != nil {
		t.Error(err)
	}
	if _, err := o.messages("GET", "/"+v.ID, ""); err == nil || err.Status != 404 {
		t.Errorf("deleted, and still there: %v", err)
	}
	if n, err := o.store.FilesSize(t.Context(), "us"); err != nil || n != 0 {
		t.Errorf("%d bytes of files are left, %v", n, err)
	}
}

// TestMessageBatchThatDoesNotRun: what was not carried out says why.
func TestMessageBatchThatDoesNotRun(t *testing.T) {
	f := func(name string, before func(o *office, id string), want messagesCounts, word string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			v, err := o.messages("", "", claims(5))
			if err != nil {
				t.Fatal(err)
			}
			before(o, v.ID)
			o.work()
			v = o.ended(v.ID)
			types, said := o.told(v.ID)
			if v.Counts != want || tally(types) != want || len(types) != 5 || word != "" && !slices.ContainsFunc(said, func(s string) bool { return strings.Contains(s, word) }) {
				t.Errorf("%+v, results %v, %q; want %+v", v, types, said, want)
			}
		})
	}
	change := func(o *office, id string, change func(*call.Batch)) {
		o.t.Helper()
		if _, err := o.store.ChangeBatch(o.t.Context(), id, func(b *call.Batch) error { change(b); return nil }); err != nil {
			o.t.Fatal(err)
		}
	}
	f("expired", func(o *office, id string) {
		change(o, id, func(b *call.Batch) { b.Expires = time.Now().Add(-time.Second) })
	}, messagesCounts{Expired: 5}, "")
	f("cancelled", func(o *office, id string) {
		if v, err := o.messages("", "/"+id+"/cancel", ""); err != nil || v.Status != "canceling" || v.Cancelled == nil {
			o.t.Errorf("%+v, %v", v, err)
		}
	}, messagesCounts{Canceled: 5}, "")
	f("its key is gone", func(o *office, _ string) {
		o.fake.refused = wire.Errorf(401, "key_revoked", "the key has been revoked")
	},
		messagesCounts{Errored: 5}, "the key has been revoked")
}

// TestBatchWhoseInputIsGone: nobody can tell of its requests, but it ends.
func TestBatchWhoseInputIsGone(t *testing.T) {
	o := newOffice(t)
	v, err := o.messages("", "", claims(5))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.store.ChangeBatch(t.Context(), v.ID, func(b *call.Batch) error { b.Input = "file-none"; return nil }); err != nil {
		t.Fatal(err)
	}
	o.work()
	if v = o.ended(v.ID); v.Counts != (messagesCounts{Errored: 5}) {
		t.Errorf("%+v", v)
	}
	if types, _ := o.told(v.ID); len(types) > 0 {
		t.Errorf("results are %v", types)
	}
}

func TestMessageBatchesAreChecked(t *testing.T) {
	o := newOffice(t)
	bad := func(body, param string) {
		t.Helper()
		if _, err := o.messages("", "", body); err == nil || err.Status != 400 || err.Param != param {
			t.Errorf("%.80s: %v (param %q); want 400, param %q", body, err, err.Param, param)
		}
	}
	one := `{"custom_id":"a","params":{"model":"m"}}`
	bad(``, "requests")
	bad(`[]`, "requests")
	bad(`{"requests":{}}`, "requests")
	bad(`{"requests":[]}`, "requests")
	bad(`{"requests":[`+one+`]`, "requests")
	bad(`{"requests":[`+one+`],"model":"m"}`, "model")
	bad(`{"requests":[`+one+`]}x`, "requests")
	bad(`{"requests":[{"custom_id":"a b","params":{"model":"m"}}]}`, "requests.0.custom_id")
	bad(`{"requests":[`+one+`,{"params":{"model":"m"}}]}`, "requests.1.custom_id")
	bad(`{"requests":[`+one+`,`+one+`]}`, "requests.1.custom_id")
	bad(`{"requests":[{"custom_id":"a"}]}`, "requests.0.params")
	bad(`{"requests":[{"custom_id":"a","params":{"model":"q"}}]}`, "requests.0.params.model")
	bad(`{"requests":[{"custom_id":"a","params":{"model":"m","stream":true}}]}`, "requests.0.params.stream")
	bad(`{"requests":[{"custom_id":"a","params":{"model":"m"},"priority":1}]}`, "requests.0")
	bad(`{"requests":[{"custom_id":"a","params":{"model":"m","input":"`+strings.Repeat("x", 1000)+`"}}]}`, "requests.0")
	bad(`{"requests":[{"custom_id":"a","params":{"model":"m","input":"`+strings.Repeat("x", 100_000)+`"}}]}`, "requests.0")
	bad(claims(51), "requests")
	if n, err := o.store.FilesSize(t.Context(), "us"); err != nil || n != 0 {
		t.Errorf("%d bytes of files are left, %v", n, err)
	}
	for range o.opt.MaxBatches { // nobody works on them
		if _, err := o.messages("", "", claims(1)); err != nil {
			t.Fatal(err)
		}
	}
	before, _ := o.store.FilesSize(t.Context(), "us")
	if _, err := o.messages("", "", claims(1)); err == nil || err.Status != 429 {
		t.Errorf("more than there may be: %v", err)
	}
	if n, err := o.store.FilesSize(t.Context(), "us"); err != nil || n != before {
		t.Errorf("the requests of one that was not taken stay: %d bytes, %v; want %d", n, err, before)
	}
}

func TestPagesOfMessageBatches(t *testing.T) {
	o := newOffice(t)
	o.opt.MaxBatches = 9
	var ids []string // the newest first
	for range 5 {
		v, err := o.messages("", "", claims(1))
		if err != nil {
			t.Fatal(err)
		}
		ids = append([]string{v.ID}, ids...)
	}
	o.order(lineset(1), "24h") // which is none of them
	f := func(query string, want []string, more bool) {
		t.Helper()
		r, err := o.Messages(t.Context(), o.me, &Ask{Method: "GET", Path: query})
		var p messagesPage
		if err != nil || json.Unmarshal(r.Body, &p) != nil {
			t.Fatalf("%s: %v, %s", query, err, r.Body)
		}
		var got []string
		for _, v := range p.Data {
			got = append(got, v.ID)
		}
		if !slices.Equal(got, want) || p.More != more || len(want) > 0 && (*p.First != want[0] || *p.Last != want[len(want)-1]) {
			t.Errorf("%s: %v, more %v (%v to %v); want %v, %v", query, got, p.More, p.First, p.Last, want, more)
		}
	}
	f("", ids, false)
	f("?limit=2", ids[:2], true)
	f("?limit=2&after_id="+ids[1], ids[2:4], true)
	f("?limit=2&after_id="+ids[3], ids[4:], false)
	f("?limit=2&before_id="+ids[3], ids[1:3], true)
	f("?limit=2&before_id="+ids[2], ids[:2], false)
	f("?before_id="+ids[0], nil, false)
	for _, query := range []string{"?limit=0", "?limit=1001", "?before_id=" + ids[0] + "&after_id=" + ids[1]} {
		if _, err := o.messages("GET", query, ""); err == nil || err.Status != 400 {
			t.Errorf("%s: %v", query, err)
		}
	}
}
