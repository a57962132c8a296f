package batch

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// messagesWindow is how long Anthropic's batches have.
const messagesWindow = 24 * time.Hour

// createMessages takes in a batch whose requests are in the body: they become
// its input file as they are read. What is not in order is told at once.
func (d *Desk) createMessages(ctx context.Context, o Owner, q *Ask) (Result, *wire.Error) {
	opt := d.options()
	mode, bad := q.mode(opt.Mode)
	if bad != nil {
		return Result{}, bad
	}
	who, bad := d.gateway.Principal(o.Key)
	if bad != nil {
		return Result{}, bad
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	window := min(messagesWindow, opt.Window)
	b := call.Batch{ID: newID(messagesID), Tenant: o.Tenant, Key: o.Key, KeyName: o.KeyName, State: call.BatchValidating, Mode: mode, Created: now,
		Input: newID("file-"), Endpoint: messagesPath, Window: window.String(), Expires: now.Add(window), OutputLife: int64(opt.KeepFiles.Seconds())}
	in := &requests{k: d.checker(who, endpoint(messagesPath), &opt)}
	f := call.File{ID: b.Input, Tenant: o.Tenant, Name: b.ID + ".jsonl", Purpose: "batch", Created: now, Expires: now.Add(opt.KeepFiles)}
	err := q.reading(func(r io.Reader) error {
		in.from(r)
		_, err := d.keep(ctx, f, in, &opt)
		return err
	})
	if err != nil {
		return Result{}, told(err)
	}
	b.Lines = int64(in.k.count)
	if err := d.take(ctx, b, opt.MaxBatches); err != nil {
		if derr := d.store.DeleteFile(context.WithoutCancel(ctx), o.Tenant, b.Input); derr != nil {
			d.log.Warn("the requests of a batch that was not taken stay until they expire", "file", b.Input, "err", derr)
		}
		return Result{}, told(err)
	}
	d.queue(ctx, b.ID)
	return answer(showMessages(&b, q.Base), nil, "batch", b.ID)
}

// requests reads {"requests":[{"custom_id":…,"params":…}]} and is, read itself,
// the lines that they come to.
type requests struct {
	k    *checker
	body thrifty
	dec  *json.Decoder
	line []byte
	over bool
}

func (q *requests) from(r io.Reader) {
	q.body.r = r
	q.dec = json.NewDecoder(&q.body)
	q.dec.DisallowUnknownFields()
}

// messageRequest is one of them.
type messageRequest struct {
	ID     string          `json:"custom_id"`
	Params json.RawMessage `json:"params"`
}

// customID is what Anthropic takes as one.
var customID = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)

// Read implements io.Reader.
func (q *requests) Read(p []byte) (int, error) {
	for len(q.line) == 0 {
		if q.over {
			return 0, io.EOF
		}
		if err := q.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, q.line)
	q.line = q.line[n:]
	return n, nil
}

// next makes the next request a line.
func (q *requests) next() error {
	at := fmt.Sprintf("requests.%d", q.k.count)
	q.body.left = 2*int64(q.k.opt.MaxLine) + 64<<10
	if q.k.count == 0 {
		if err := q.open(); err != nil {
			return err
		}
	}
	if !q.dec.More() {
		q.over = true
		return q.close()
	}
	var r messageRequest
	if err := q.dec.Decode(&r); err != nil {
		return q.unreadable(at, err)
	}
	if q.k.count++; q.k.count > q.k.opt.MaxLines {
		return invalid("requests", "requests are more than %d: make several batches of them", q.k.opt.MaxLines)
	}
	if !customID.MatchString(r.ID) {
		return invalid(at+".custom_id", "%s.custom_id must be 1 to 64 letters, digits, - and _, not %q", at, r.ID)
	}
	q.line = oneLine(task{ID: r.ID, Method: "POST", URL: messagesPath, Body: r.Params})
	if q.k.line(q.k.count, q.line, len(q.line) > q.k.opt.MaxLine); len(q.k.faults) > 0 {
		return q.k.faults[0].inline(at)
	}
	return nil
}

// inline is a fault of a line as one of the request that it was made of.
func (f *Fault) inline(at string) *wire.Error {
	if f.Param != nil {
		at += map[string]string{"custom_id": ".custom_id", "body": ".params", "body.model": ".params.model", "body.stream": ".params.stream"}[*f.Param]
	}
	return invalid(at, "%s: %s", at, f.Message)
}

// open reads up to the first request.
func (q *requests) open() error {
	var got [3]json.Token
	for i := range got {
		t, err := q.dec.Token()
		if err != nil {
			return q.unreadable("requests", err)
		}
		got[i] = t
	}
	if got != [...]json.Token{json.Delim('{'), "requests", json.Delim('[')} {
		return invalid("requests", `the body must be an object {"requests":[…]} and nothing else`)
	}
	return nil
}

// close reads what follows the last one.
func (q *requests) close() error {
	if q.k.count == 0 {
		return invalid("requests", "requests has none: give one at least")
	}
	for _, want := range [...]json.Token{json.Delim(']'), json.Delim('}')} {
		got, err := q.dec.Token()
		if err != nil {
			return q.unreadable("requests", err)
		}
		if got != want {
			return invalid(fmt.Sprint(got), "the body has %v beside requests, which batches do not have", got)
		}
	}
	if _, err := q.dec.Token(); err != io.EOF {
		return invalid("requests", "the body goes on after its end")
	}
	return nil
}

// unreadable is why a part of the body cannot be read.
func (q *requests) unreadable(at string, err error) error {
	switch {
	case q.body.err != nil:
		return q.body.err
	case q.body.left <= 0:
		return invalid(at, "%s is longer than %d bytes", at, q.k.opt.MaxLine)
	}
	return invalid(at, "%s cannot be read as the JSON of a batch: %v", at, err)
}

// thrifty bounds what is read at a time: it is all in memory.
type thrifty struct {
	r    io.Reader
	left int64
	err  error // of r
}

// Read implements io.Reader.
func (t *thrifty) Read(p []byte) (int, error) {
	if t.left <= 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := t.r.Read(p[:min(int64(len(p)), t.left)])
	if t.left -= int64(n); err != nil && err != io.EOF {
		t.err = err
	}
	return n, err
}

// oneLine is v, which has to be JSON, on a line of its own.
func oneLine(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("BUG: cannot write a line; got %v; want what was read as JSON", err))
	}
	return b.Bytes()
}
