package admin

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Directory holds the organisations, teams, projects, users and service
// accounts, with errors like those of Keys.
type Directory interface {
	Entries(ctx context.Context, kind string) ([]*call.Entry, error)
	// PutEntry lets change alter an entry, a new one if create.
	PutEntry(ctx context.Context, kind, name string, create bool, change func(*call.Entry) error) (*call.Entry, error)
	RemoveEntry(ctx context.Context, kind, name string) error
}

// entryKinds are the kinds of entries, by the folder they are served in.
var entryKinds = map[string]string{"orgs": "org", "teams": "team", "projects": "project", "users": "user", "services": "service"}

// Entry is an entry as it is shown.
type Entry struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	call.Entry
	Changed time.Time `json:"changed,omitzero"`
}

func shown(e *call.Entry) Entry {
	return Entry{Kind: e.Kind, Name: e.Name, Entry: *e, Changed: e.Changed}
}

func (s *Server) directoryRoutes(guarded map[string]route) {
	if s.opt.Directory == nil {
		return
	}
	for folder, kind := range entryKinds {
		d := &entries{Server: s, kind: kind, folder: folder}
		guarded["GET /admin/"+folder] = viewers(d.list)
		guarded["POST /admin/"+folder] = owners(d.create)
		guarded["GET /admin/"+folder+"/{name}"] = viewers(d.show)
		guarded["PATCH /admin/"+folder+"/{name}"] = owners(d.update)
		guarded["DELETE /admin/"+folder+"/{name}"] = owners(d.remove)
	}
}

// entries serve one kind.
type entries struct {
	*Server
	kind, folder string
}

func (d *entries) list(_ http.ResponseWriter, r *http.Request) (any, error) {
	list, err := d.opt.Directory.Entries(r.Context(), d.kind)
	out := make([]Entry, len(list))
	for i, e := range list {
		out[i] = shown(e)
	}
	return map[string]any{d.folder: out}, err
}

func (d *entries) show(_ http.ResponseWriter, r *http.Request) (any, error) {
	list, err := d.opt.Directory.Entries(r.Context(), d.kind)
	if err != nil {
		return nil, err
	}
	for _, e := range list {
		if e.Name == r.PathValue("name") {
			return shown(e), nil
		}
	}
	return nil, notFound("there is no %s %q: list them with signalbox %s list", d.kind, r.PathValue("name"), d.kind)
}

// create takes the entry with its name.
func (d *entries) create(_ http.ResponseWriter, r *http.Request) (any, error) {
	var q struct {
		Name string `json:"name"`
		call.Entry
	}
	if err := strict(r.Body, &q); err != nil {
		return nil, invalid("cannot read the body: %v", err)
	}
	e, err := d.opt.Directory.PutEntry(r.Context(), d.kind, q.Name, true, func(e *call.Entry) error {
		q.Entry.Kind, q.Entry.Name = e.Kind, e.Name
		*e = q.Entry
		return nil
	})
	if err != nil {
		return nil, err
	}
	return shown(e), nil
}

// update takes what is to change; what is left out stays.
func (d *entries) update(_ http.ResponseWriter, r *http.Request) (any, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, invalid("cannot read the body: %v", err)
	}
	e, err := d.opt.Directory.PutEntry(r.Context(), d.kind, r.PathValue("name"), false, func(e *call.Entry) error {
		q := *e
		q.Teams, q.Attrs = nil, nil // decoded into, they would mix with what is given
		if err := strict(bytes.NewReader(body), &q); err != nil {
			return invalid("cannot read the body: %v", err)
		}
		if q.Teams == nil {
			q.Teams = e.Teams
		}
		if q.Attrs == nil {
			q.Attrs = e.Attrs
		}
		*e = q
		return nil
	})
	if err != nil {
		return nil, err
	}
	return shown(e), nil
}

func (d *entries) remove(_ http.ResponseWriter, r *http.Request) (any, error) {
	name := r.PathValue("name")
	if err := d.opt.Directory.RemoveEntry(r.Context(), d.kind, name); err != nil {
		return nil, err
	}
	return map[string]string{"removed": name}, nil
}
