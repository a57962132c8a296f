package batch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// messageResult is a line of results as Anthropic writes it.
type messageResult struct {
	ID     string `json:"custom_id"`
	Result struct {
		Type    string          `json:"type"`
		Message json.RawMessage `json:"message,omitempty"`
		Error   json.RawMessage `json:"error,omitempty"`
	} `json:"result"`
}

// results reads what came of a batch. It goes on after ctx, as long as the
// caller reads.
func (d *Desk) results(ctx context.Context, b *call.Batch) (Result, *wire.Error) {
	if !b.Over() {
		return Result{}, wire.Errorf(400, "batch_not_ended", "the batch has not ended: its results are there once processing_status is ended")
	}
	r := &results{d: d, ctx: context.WithoutCancel(ctx)}
	for _, id := range [...]string{b.Output, b.Errors} {
		if id == "" {
			continue
		}
		if _, err := d.store.File(ctx, b.Tenant, id); err != nil {
			if errors.Is(err, call.ErrNoFile) {
				return Result{}, wire.Errorf(404, "results_expired", "the results of the batch are not kept any more")
			}
			return Result{}, told(err)
		}
		r.left = append(r.left, id)
	}
	return Result{File: r, Type: "application/x-jsonl"}, nil
}

// results turns files of results into Anthropic's lines as they are read.
type results struct {
	d    *Desk
	ctx  context.Context
	left []string // files
	file io.ReadCloser
	l    *lines
	line []byte
}

// Read implements io.Reader.
func (r *results) Read(p []byte) (int, error) {
	for len(r.line) == 0 {
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.line)
	r.line = r.line[n:]
	return n, nil
}

func (r *results) next() error {
	if r.file == nil {
		if len(r.left) == 0 {
			return io.EOF
		}
		file, err := r.d.store.ReadFile(r.ctx, r.left[0], 0)
		if err != nil {
			return err
		}
		r.file, r.l, r.left = file, newLines(file, longestResult), r.left[1:]
	}
	text, err := r.l.next()
	if errors.Is(err, io.EOF) {
		err, r.file = r.file.Close(), nil
		return err
	}
	var o outcome
	if err == nil {
		err = json.Unmarshal(text, &o)
	}
	if err == nil {
		r.line = oneLine(o.message())
	}
	return err
}

// Close implements io.Closer.
func (r *results) Close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

// unsent reports whether nobody has carried out the request.
func (e *outError) unsent() bool {
	return e != nil && (e.Code == codeCancelled || e.Code == codeExpired)
}

// message is o as Anthropic writes it.
func (o *outcome) message() *messageResult {
	m := &messageResult{ID: o.Custom}
	to := &m.Result
	switch a := o.Response; {
	case o.Error.unsent():
		to.Type = map[string]string{codeCancelled: "canceled", codeExpired: "expired"}[o.Error.Code]
	case o.Error != nil:
		to.Type = "errored"
		to.Error = wire.AppendError(nil, wire.AnthropicMessages, wire.Errorf(500, o.Error.Code, "%s", o.Error.Message), "")
	case a != nil && a.Status >= 200 && a.Status <= 299:
		to.Type, to.Message = "succeeded", a.Body
	case a != nil && isError(a.Body):
		to.Type, to.Error = "errored", a.Body
	default:
		e := wire.Errorf(502, "bad_answer", "the answer to this request cannot be read")
		if a != nil {
			e.Status, e.Message = a.Status, strings.TrimSpace(string(a.Body))
		}
		to.Type, to.Error = "errored", wire.AppendError(nil, wire.AnthropicMessages, e, "")
	}
	return m
}

// isError reports whether body is an error of Anthropic's.
func isError(body []byte) bool {
	var e struct {
		Type  string
		Error json.RawMessage
	}
	return json.Unmarshal(body, &e) == nil && e.Type == "error" && bytes.HasPrefix(e.Error, []byte("{"))
}
