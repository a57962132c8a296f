package batch

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"strconv"
	"strings"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Owner is whose files and batches they are, and by which key they are asked for.
type Owner struct{ Tenant, Key, KeyName string }

// Ask is a request for files or batches.
type Ask struct {
	Method      string // "": POST
	Path        string // beyond the collection's own: "/file-1/content?x=y"
	Body        []byte
	ContentType string
	Upload      call.Upload // nil: Body is all
	Wish        string      // where a batch is to be run: "auto", "native" or "gateway"
	Base        string      // "https://host" that the caller has asked, "": not known
}

// Result is an answer: a body, or a file to be read.
type Result struct {
	Body []byte
	File io.ReadCloser
	Type string // of File
}

// address is a path taken apart.
type address struct {
	id, action string
	query      url.Values
}

func parse(path string) (a address, err *wire.Error) {
	path, query, _ := strings.Cut(path, "?")
	if path == "/" {
		return a, wire.Errorf(404, "unknown_path", "the path names nothing: add an id")
	}
	a.id, a.action, _ = strings.Cut(strings.Trim(path, "/"), "/")
	values, bad := url.ParseQuery(query)
	if bad != nil {
		return a, wire.Errorf(400, "invalid_query", "the query cannot be read: write it as name=value pairs, joined by &")
	}
	a.query = values
	return a, nil
}

func invalid(param, format string, args ...any) *wire.Error {
	e := wire.Errorf(400, "invalid_request", format, args...)
	e.Param = param
	return e
}

// page reads what part of a list is asked for.
func (a *address) page(o Owner, most int) (q call.FilesQuery, err *wire.Error) {
	q = call.FilesQuery{Tenant: o.Tenant, After: a.query.Get("after"), Purpose: a.query.Get("purpose"), Most: 20}
	if most > 100 {
		q.Most = most
	}
	if text := a.query.Get("limit"); text != "" {
		n, bad := strconv.Atoi(text)
		if bad != nil || n < 1 || n > most {
			return q, invalid("limit", "limit must be a whole number from 1 to %d, not %q", most, text)
		}
		q.Most = n
	}
	switch order := a.query.Get("order"); order {
	case "", "desc":
	case "asc":
		q.Ascending = true
	default:
		return q, invalid("order", "order must be asc or desc, not %q", order)
	}
	q.Most++ // to know whether there is more
	return q, nil
}

// answer is v as an answer, or what is told of err about the object id.
func answer(v any, err error, kind, id string) (Result, *wire.Error) {
	if err == nil {
		var b []byte
		if b, err = json.Marshal(v); err == nil {
			return Result{Body: b}, nil
		}
	}
	return Result{}, named(err, kind, id)
}

// told is err as a caller is told of it.
func told(err error) *wire.Error {
	var e *wire.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return e
	case errors.Is(err, call.ErrFileUsed):
		return wire.Errorf(409, "file_in_use", "the file is the input of a batch that is not over: cancel that first")
	}
	e = wire.Errorf(503, "store_unavailable", "files and batches cannot be reached now: try again later")
	e.RetryAfter = soon
	return e
}

// named is err as a caller is told of it who has named the object id.
func named(err error, kind, id string) *wire.Error {
	if errors.Is(err, call.ErrNoFile) || errors.Is(err, call.ErrNoBatch) {
		return notFound(kind, id)
	}
	return told(err)
}

func notFound(kind, id string) *wire.Error {
	e := wire.Errorf(404, kind+"_not_found", "there is no %s %q: it may have expired, or be kept by a provider, which x-signalbox-provider would have to name", kind, id)
	e.Param = "id"
	return e
}

func unknown() *wire.Error {
	return wire.Errorf(404, "unknown_path", "there is no such request of files or batches: see the documentation")
}

// Batches serves /v1/batches.
func (d *Desk) Batches(ctx context.Context, o Owner, q *Ask) (Result, *wire.Error) {
	a, err := parse(q.Path)
	if err != nil {
		return Result{}, err
	}
	switch {
	case a.id == "" && q.Method == "":
		return d.create(ctx, o, q)
	case a.id == "" && q.Method == "GET":
		page, err := a.page(o, 100)
		if err != nil {
			return Result{}, err
		}
		var rows []call.Batch
		var failed error
		if page.After != "" {
			_, failed = d.owned(ctx, o, page.After)
		}
		if failed == nil {
			rows, failed = d.store.Batches(ctx, page)
		}
		return answer(showPage(rows, page.Most-1, showBatch, func(b *call.Batch) string { return b.ID }), failed, "batch", page.After)
	case a.action == "" && q.Method == "GET":
		b, failed := d.owned(ctx, o, a.id)
		return answer(showBatch(&b), failed, "batch", a.id)
	case a.action == "cancel" && q.Method == "":
		b, failed := d.owned(ctx, o, a.id)
		if failed == nil {
			b, failed = d.Cancel(ctx, a.id)
		}
		return answer(showBatch(&b), failed, "batch", a.id)
	}
	return Result{}, unknown()
}

// owned is a batch of o's.
func (d *Desk) owned(ctx context.Context, o Owner, id string) (call.Batch, error) {
	b, err := d.store.Batch(ctx, id)
	if err == nil && b.Tenant != o.Tenant {
		return call.Batch{}, call.ErrNoBatch
	}
	return b, err
}

// Files serves /v1/files.
func (d *Desk) Files(ctx context.Context, o Owner, q *Ask) (Result, *wire.Error) {
	a, err := parse(q.Path)
	if err != nil {
		return Result{}, err
	}
	switch {
	case a.id == "" && q.Method == "":
		return d.upload(ctx, o, q)
	case a.id == "" && q.Method == "GET":
		page, err := a.page(o, 10_000)
		if err != nil {
			return Result{}, err
		}
		var rows []call.File
		var failed error
		if page.After != "" {
			_, failed = d.store.File(ctx, o.Tenant, page.After)
		}
		if failed == nil {
			rows, failed = d.store.Files(ctx, page)
		}
		return answer(showPage(rows, page.Most-1, showFile, func(f *call.File) string { return f.ID }), failed, "file", page.After)
	case a.action == "" && q.Method == "GET":
		f, failed := d.store.File(ctx, o.Tenant, a.id)
		return answer(showFile(&f), failed, "file", a.id)
	case a.action == "content" && q.Method == "GET":
		return d.content(ctx, o, a.id)
	case a.action == "" && q.Method == "DELETE":
		failed := d.store.DeleteFile(ctx, o.Tenant, a.id)
		return answer(map[string]any{"object": "file", "id": a.id, "deleted": true}, failed, "file", a.id)
	}
	return Result{}, unknown()
}

// content reads a file. It goes on after ctx, as long as the caller reads.
func (d *Desk) content(ctx context.Context, o Owner, id string) (Result, *wire.Error) {
	_, err := d.store.File(ctx, o.Tenant, id)
	var r io.ReadCloser
	if err == nil {
		r, err = d.store.ReadFile(context.WithoutCancel(ctx), id, 0)
	}
	if err != nil {
		return Result{}, named(err, "file", id)
	}
	return Result{File: r, Type: "application/octet-stream"}, nil
}
