package batch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// messageBatches are batches as Anthropic has them. Requests are in its own
// dialect, whatever the caller's is.
type messageBatches struct{}

// The limits are of https://platform.claude.com/docs/en/build-with-claude/batch-processing,
// November 2026.
var messagesLayout = layout{dialect: wire.AnthropicMessages, head: `{"requests":[` + "\n", between: ",\n", tail: "\n]}\n",
	nameless: true, lines: 100_000, bytes: 256_000_000}

func (messageBatches) layout() *layout { return &messagesLayout }

// messageLine is a request as it is written.
type messageLine struct {
	ID     string          `json:"custom_id"`
	Params json.RawMessage `json:"params"`
}

// tag is that of labels: no other plan of a batch, of this one or another, has
// the file.
func (messageBatches) tag(file string) string { return strings.TrimPrefix(file, "file-") }

func (m messageBatches) request(file string, l *label, _ *task, body []byte) any {
	return messageLine{l.short(m.tag(file)), body}
}

func (messageBatches) order(_ *call.Batch, requests *Sent) (*Errand, error) {
	return &Errand{File: requests}, nil
}

// messageBatch is a batch, or a page of them, as it is written.
type messageBatch struct {
	ID         string     `json:"id"`
	Status     string     `json:"processing_status"`
	Created    time.Time  `json:"created_at"`
	Cancelling *time.Time `json:"cancel_initiated_at"`
	Counts     struct {
		Processing int64 `json:"processing"`
		Succeeded  int64 `json:"succeeded"`
		Errored    int64 `json:"errored"`
		Canceled   int64 `json:"canceled"`
		Expired    int64 `json:"expired"`
	} `json:"request_counts"`
	Data []messageBatch `json:"data"`
	More bool           `json:"has_more"`
}

func (messageBatches) read(text []byte) (remote, error) {
	var m messageBatch
	err := json.Unmarshal(text, &m)
	return m.remote(), err
}

func (m *messageBatch) remote() remote {
	c := &m.Counts
	r := remote{ID: m.ID, Created: m.Created, Total: c.Processing + c.Succeeded + c.Errored + c.Canceled + c.Expired,
		Done: c.Succeeded, Failed: c.Errored + c.Canceled + c.Expired, More: m.More}
	switch {
	case m.Status == "in_progress":
		r.State = call.BatchRunning
	case m.Status == "canceling":
		r.State = call.BatchCancelling
	case m.Status != "ended":
		r.State = m.Status // a word of later
	case c.Canceled > 0:
		r.State = call.BatchCancelled
	case c.Expired > 0:
		r.State = call.BatchExpired
	default:
		r.State = call.BatchCompleted
	}
	for i := range m.Data {
		r.List = append(r.List, m.Data[i].remote())
	}
	return r
}

func (messageBatches) page(after string) string {
	if after == "" {
		return "?limit=1000"
	}
	return "?limit=1000&after_id=" + url.QueryEscape(after)
}

// own knows it by the labels of its results: there is nothing else that is
// ours, and nothing before it has ended. Until then one that is as long and was
// made since may be it, unless it is known to be another.
func (m messageBatches) own(ctx context.Context, d *hand, b *call.Batch, r *remote) (ownership, *wire.Error) {
	if r.Total != b.Native.Total || r.Created.Before(b.Begun.Add(-clocks)) {
		return ownNot, nil
	}
	if !ended(r.State) {
		taken, err := d.takenBy(ctx, b, r.ID)
		switch {
		case err != nil:
			return ownUnsure, wire.Errorf(503, "store_unavailable", "it cannot be looked up whose batches are: %v", err)
		case taken:
			return ownNot, nil
		}
		return ownUnsure, nil
	}
	text, failed := d.firstLine(ctx, b, &Errand{Op: wire.OpBatches, Method: http.MethodGet, Path: resultsOf(r.ID)})
	if failed != nil {
		return ownUnsure, failed
	}
	var o messageResult
	if json.Unmarshal(text, &o) != nil {
		return ownUnsure, wire.Errorf(502, "bad_answer", "the results of %s cannot be read", r.ID)
	}
	if _, ok := parseShort(o.ID, m.tag(b.Native.Input)); ok {
		return ownYes, nil
	}
	return ownNot, nil
}

func resultsOf(id string) string { return "/" + url.PathEscape(id) + "/results" }

func (messageBatches) results(b *call.Batch) []*Errand {
	return []*Errand{{Op: wire.OpBatches, Method: http.MethodGet, Path: resultsOf(b.Native.Batch)}}
}

func (messageBatches) remains(b *call.Batch) []*Errand {
	return []*Errand{{Op: wire.OpBatches, Method: http.MethodDelete, Path: "/" + url.PathEscape(b.Native.Batch)}}
}

func (m messageBatches) result(b *call.Batch, text []byte) (a answered, err error) {
	var o messageResult
	if json.Unmarshal(text, &o) != nil {
		return a, errors.New("it is not written as results are")
	}
	var ok bool
	if a.label, ok = parseShort(o.ID, m.tag(b.Native.Input)); !ok || a.group >= len(b.Native.Groups) {
		return a, errNoLabel(o.ID)
	}
	switch o.Result.Type {
	case "succeeded":
		a.succeeded(b, o.Result.Message)
	case "errored":
		a.errored(b, o.Result.Error)
	case "canceled":
		a.err = &outError{codeCancelled, "This request was not executed: the batch was cancelled."}
	case "expired":
		a.err = &outError{codeExpired, "This request could not be executed before the provider's window expired."}
	default:
		a.err = &outError{"bad_answer", "The provider says of this request that it is " + o.Result.Type + ", which means nothing here."}
	}
	return a, nil
}

// succeeded takes an answer in, as the caller's dialect has it.
func (a *answered) succeeded(b *call.Batch, message []byte) {
	d := endpoint(b.Endpoint).Dialect
	a.usage, a.metered = wire.ReadUsage(wire.AnthropicMessages, message)
	a.response = &outResponse{Status: http.StatusOK, Body: message}
	tr, ok := wire.Translate(d, wire.AnthropicMessages) // it has translated the request
	if !ok {
		return
	}
	_, model, _ := strings.Cut(b.Native.Groups[a.group].Target, "/")
	body, _, err := tr.Response(nil, message, model)
	if err != nil { // it is paid for all the same
		e := wire.Errorf(http.StatusBadGateway, "bad_answer", "the provider's answer cannot be translated: %v", err)
		a.response.Status, body = e.Status, wire.AppendError(nil, d, e, a.id.String())
	}
	a.response.Body = body
}

// errored takes an error in: a request that has one costs nothing.
func (a *answered) errored(b *call.Batch, text []byte) {
	e, _ := wire.ReadError(text)
	status, ok := messageErrors[e.Type]
	if !ok {
		status = http.StatusBadGateway
	}
	a.response = &outResponse{Status: status, Body: text}
	d := endpoint(b.Endpoint).Dialect
	if tr, ok := wire.Translate(d, wire.AnthropicMessages); ok {
		a.response.Body = tr.Error(nil, status, text)
	} else if !isError(text) {
		a.response.Body = wire.AppendError(nil, d, wire.Errorf(status, "bad_answer", "%s", bytes.TrimSpace(text)), a.id.String())
	}
}

// messageErrors are the statuses that errors have where they come one by one,
// by https://platform.claude.com/docs/en/api/errors, November 2026.
var messageErrors = map[string]int{
	"invalid_request_error": 400, "authentication_error": 401, "billing_error": 402, "permission_error": 403, "not_found_error": 404,
	"request_too_large": 413, "rate_limit_error": 429, "api_error": 500, "timeout_error": 504, "overloaded_error": 529,
}
