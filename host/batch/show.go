package batch

import (
	"encoding/json"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// fileView is a file as OpenAI shows it.
type fileView struct {
	Object  string  `json:"object"`
	ID      string  `json:"id"`
	Purpose string  `json:"purpose"`
	Name    string  `json:"filename"`
	Bytes   int64   `json:"bytes"`
	Created int64   `json:"created_at"`
	Expires *int64  `json:"expires_at"`
	Status  string  `json:"status"`
	Details *string `json:"status_details"`
}

func showFile(f *call.File) fileView {
	return fileView{Object: "file", ID: f.ID, Purpose: f.Purpose, Name: f.Name, Bytes: f.Size, Created: f.Created.Unix(), Expires: unix(f.Expires), Status: "processed"}
}

func unix(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	s := t.Unix()
	return &s
}

// batchView is a batch as OpenAI shows it.
type batchView struct {
	ID         string          `json:"id"`
	Object     string          `json:"object"`
	Endpoint   string          `json:"endpoint"`
	Errors     *faultsView     `json:"errors"`
	Input      string          `json:"input_file_id"`
	Window     string          `json:"completion_window"`
	Status     string          `json:"status"`
	Output     *string         `json:"output_file_id"`
	ErrorFile  *string         `json:"error_file_id"`
	Created    int64           `json:"created_at"`
	Begun      *int64          `json:"in_progress_at"`
	Expires    *int64          `json:"expires_at"`
	Finalizing *int64          `json:"finalizing_at"`
	Completed  *int64          `json:"completed_at"`
	Failed     *int64          `json:"failed_at"`
	Expired    *int64          `json:"expired_at"`
	Cancelling *int64          `json:"cancelling_at"`
	Cancelled  *int64          `json:"cancelled_at"`
	Counts     countsView      `json:"request_counts"`
	Metadata   json.RawMessage `json:"metadata"`
	Signalbox  whoView         `json:"signalbox"` // OpenAI's has none
}

// whoView says who carries a batch out.
type whoView struct {
	Mode     string  `json:"mode"`
	Provider *string `json:"provider"`
	Status   *string `json:"provider_status"`
	Why      *string `json:"why"` // not a provider
}

func showWho(b *call.Batch) whoView {
	v := whoView{Mode: b.Mode, Why: some(b.Why)}
	if n := b.Native; n != nil {
		v = whoView{call.BatchNative, some(n.Provider), some(n.State), nil}
	}
	return v
}

type faultsView struct {
	Object string          `json:"object"`
	Data   json.RawMessage `json:"data"`
}

type countsView struct {
	Total     int64 `json:"total"`
	Completed int64 `json:"completed"`
	Failed    int64 `json:"failed"`
}

func some(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func showBatch(b *call.Batch) batchView {
	v := batchView{ID: b.ID, Object: "batch", Endpoint: b.Endpoint, Input: b.Input, Window: b.Window, Status: b.State,
		Output: some(b.Output), ErrorFile: some(b.Errors), Created: b.Created.Unix(), Begun: unix(b.Begun), Expires: unix(b.Expires),
		Finalizing: unix(b.Finalizing), Completed: unix(b.Completed), Failed: unix(b.Broken), Expired: unix(b.Expired),
		Cancelling: unix(b.Cancelling), Cancelled: unix(b.Cancelled), Counts: counts(b), Metadata: b.Metadata, Signalbox: showWho(b)}
	if len(b.Faults) > 0 {
		v.Errors = &faultsView{"list", b.Faults}
	}
	return v
}

func counts(b *call.Batch) countsView {
	done, failed := b.Counts()
	return countsView{b.Lines, done, failed}
}

// listView is a page.
type listView[T any] struct {
	Object string  `json:"object"`
	Data   []T     `json:"data"`
	First  *string `json:"first_id"`
	Last   *string `json:"last_id"`
	More   bool    `json:"has_more"`
}

// showPage is a page of at most most of rows, of which one more was asked for.
func showPage[R, V any](rows []R, most int, show func(*R) V, id func(*R) string) listView[V] {
	v := listView[V]{Object: "list", Data: []V{}, More: len(rows) > most}
	rows = rows[:min(len(rows), most)]
	for i := range rows {
		v.Data = append(v.Data, show(&rows[i]))
	}
	if n := len(rows); n > 0 {
		first, last := id(&rows[0]), id(&rows[n-1])
		v.First, v.Last = &first, &last
	}
	return v
}
