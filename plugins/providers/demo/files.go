package main

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/media"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Bounds of what the demo keeps; the oldest files and batches go first.
const (
	maxFile   = 8 << 20
	maxStored = 64 << 20
	maxKept   = 1000
)

// shelf holds files and batches for as long as the process lives.
type shelf struct {
	mu      sync.Mutex
	last    int
	size    int
	files   []*file
	batches []*batch
}

type file struct {
	id, name, purpose string
	content           []byte
}

func (f *file) json(dst []byte) []byte {
	dst = quote(append(dst, `{"id":`...), f.id)
	dst = strconv.AppendInt(append(dst, `,"object":"file","bytes":`...), int64(len(f.content)), 10)
	dst = quote(append(dst, `,"created_at":`+created+`,"filename":`...), f.name)
	dst = quote(append(dst, `,"purpose":`...), f.purpose)
	return append(dst, `,"status":"processed"}`...)
}

// add keeps a file under a new id. s.mu must be held.
func (s *shelf) add(name, purpose string, content []byte) *file {
	s.last++
	f := &file{"file-demo" + strconv.Itoa(s.last), name, purpose, content}
	s.files = append(s.files, f)
	s.size += len(content)
	for s.size > maxStored || len(s.files) > maxKept {
		s.size -= len(s.files[0].content)
		s.files = slices.Delete(s.files, 0, 1)
	}
	return f
}

// file finds one by its id, nil if it is not there. s.mu must be held.
func (s *shelf) file(id string) *file {
	for _, f := range s.files {
		if f.id == id {
			return f
		}
	}
	return nil
}

// address is a path beyond the operation's own: "/file-12/content?x=1".
type address struct {
	id, action string
	query      url.Values
}

func addressOf(path string) address {
	path, query, _ := strings.Cut(path, "?")
	values, _ := url.ParseQuery(query) // what cannot be read asks for nothing
	id, action, _ := strings.Cut(strings.Trim(path, "/"), "/")
	return address{id, action, values}
}

func notFound(kind, id string) error {
	return wire.Errorf(http.StatusNotFound, "not_found", "there is no %s %q", kind, id)
}

func badMethod(r *provider.Request) error {
	return wire.Errorf(http.StatusMethodNotAllowed, "method_not_allowed", "%s is not served at this path", r.Method())
}

func (d *demo) keepFiles(r *provider.Request, w *provider.Writer) error {
	at := addressOf(r.Path())
	if at.id == "" && r.Method() == http.MethodPost {
		return d.upload(r, w)
	}
	d.shelf.mu.Lock()
	defer d.shelf.mu.Unlock()
	if at.id == "" {
		if r.Method() != http.MethodGet {
			return badMethod(r)
		}
		return w.JSON(d.shelf.list(at.query.Get("purpose")))
	}
	f := d.shelf.file(at.id)
	if f == nil {
		return notFound("file", at.id)
	}
	switch {
	case r.Method() == http.MethodDelete && at.action == "":
		d.shelf.size -= len(f.content)
		d.shelf.files = slices.DeleteFunc(d.shelf.files, func(x *file) bool { return x == f })
		return w.JSON(append(quote([]byte(`{"id":`), f.id), `,"object":"file","deleted":true}`...))
	case r.Method() != http.MethodGet:
		return badMethod(r)
	case at.action == "":
		return w.JSON(f.json(nil))
	case at.action == "content":
		return w.Bytes("application/octet-stream", f.content)
	}
	return notFound("file's", at.action)
}

func (s *shelf) list(purpose string) []byte {
	out := []byte(`{"object":"list","data":[`)
	n := 0
	for _, f := range s.files {
		if purpose != "" && f.purpose != purpose {
			continue
		}
		if n++; n > 1 {
			out = append(out, ',')
		}
		out = f.json(out)
	}
	return append(out, `],"has_more":false}`...)
}

func (d *demo) upload(r *provider.Request, w *provider.Writer) error {
	up, err := media.ReadUpload(r.Reader(), r.ContentType(), maxFile)
	if err != nil {
		return err
	}
	defer up.Close()
	f := up.File("file")
	switch {
	case f == nil:
		return invalid("file", "a file")
	case up.Get("purpose") == "":
		return invalid("purpose", "what the file is for, batch for example")
	}
	content, err := media.All(f)
	if err != nil {
		return err
	}
	d.shelf.mu.Lock()
	defer d.shelf.mu.Unlock()
	return w.JSON(d.shelf.add(f.Name, up.Get("purpose"), content).json(nil))
}
