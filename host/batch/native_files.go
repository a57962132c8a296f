package batch

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// fileBatches are batches as OpenAI has them.
type fileBatches struct{}

var filesLayout = layout{dialect: wire.OpenAIBatches, between: "\n", tail: "\n", uploads: true}

func (fileBatches) layout() *layout { return &filesLayout }

func (fileBatches) request(_ string, l *label, t *task, body []byte) any {
	return task{ID: l.String(), Method: t.Method, URL: t.URL, Body: body}
}

func (fileBatches) order(b *call.Batch, _ *Sent) (*Errand, error) {
	body, err := json.Marshal(map[string]any{"input_file_id": b.Native.File, "endpoint": b.Endpoint, "completion_window": "24h",
		"metadata": map[string]string{"signalbox_batch": b.ID}})
	return &Errand{Body: body}, err
}

// fileBatch is a batch, or a page of them, as it is written.
type fileBatch struct {
	ID      string `json:"id"`
	Status  string `json:"status"`
	Input   string `json:"input_file_id"`
	Output  string `json:"output_file_id"`
	Errors  string `json:"error_file_id"`
	Created int64  `json:"created_at"`
	Counts  struct {
		Completed int64 `json:"completed"`
		Failed    int64 `json:"failed"`
	} `json:"request_counts"`
	Faults *struct {
		Data []Fault `json:"data"`
	} `json:"errors"`
	Data []fileBatch `json:"data"`
	More bool        `json:"has_more"`
}

func (fileBatches) read(text []byte) (remote, error) {
	var f fileBatch
	err := json.Unmarshal(text, &f)
	return f.remote(), err
}

func (f *fileBatch) remote() remote {
	r := remote{ID: f.ID, State: f.Status, Input: f.Input, Output: f.Output, Errors: f.Errors, Created: time.Unix(f.Created, 0),
		Done: f.Counts.Completed, Failed: f.Counts.Failed, More: f.More}
	r.Fault = Fault{Code: "batch_failed", Message: "The provider says no more than that the batch has failed."}
	if f.Faults != nil && len(f.Faults.Data) > 0 {
		f := f.Faults.Data[0]
		r.Fault = Fault{Code: f.Code, Message: f.Message, Param: f.Param}
	}
	for i := range f.Data {
		r.List = append(r.List, f.Data[i].remote())
	}
	return r
}

func (fileBatches) page(after string) string {
	if after == "" {
		return "?limit=100"
	}
	return "?limit=100&after=" + url.QueryEscape(after)
}

// own knows it by its file, which no other has.
func (fileBatches) own(_ context.Context, _ *hand, b *call.Batch, r *remote) (ownership, *wire.Error) {
	if r.Input == b.Native.File {
		return ownYes, nil
	}
	return ownNot, nil
}

func (fileBatches) results(b *call.Batch) (list []*Errand) {
	for _, id := range [...]string{b.Native.Output, b.Native.Errors} {
		if id != "" {
			list = append(list, &Errand{Op: wire.OpFiles, Dialect: wire.OpenAIFiles, Method: http.MethodGet, Path: "/" + url.PathEscape(id) + "/content"})
		}
	}
	return list
}

func (fileBatches) remains(b *call.Batch) (list []*Errand) {
	for _, id := range [...]string{b.Native.File, b.Native.Output, b.Native.Errors} {
		if id != "" {
			list = append(list, &Errand{Op: wire.OpFiles, Dialect: wire.OpenAIFiles, Method: http.MethodDelete, Path: "/" + url.PathEscape(id)})
		}
	}
	return list
}

func (fileBatches) result(b *call.Batch, text []byte) (a answered, err error) {
	var o outcome
	if json.Unmarshal(text, &o) != nil {
		return a, errors.New("it is not written as results are")
	}
	var ok bool
	if a.label, ok = parseLabel(o.Custom); !ok {
		return a, errNoLabel(o.Custom)
	}
	a.response, a.err = o.Response, o.Error
	if o.Response != nil && o.Response.well() {
		a.usage, a.metered = wire.ReadUsage(endpoint(b.Endpoint).Dialect, o.Response.Body)
	}
	return a, nil
}
