package tenant

import (
	"net/url"
	"slices"
	"strings"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// The kinds of objects.
const (
	File         = "file"
	Batch        = "batch"
	Response     = "response"
	Item         = "item"
	Conversation = "conversation"
	Container    = "container"
)

// maxRefs is how many objects one request may name.
const maxRefs = 1000

// Ref names an object.
type Ref struct {
	Kind, ID string
	Param    string // of the request that names it
}

var bodyKinds = [...]Ref{
	scan.RefFile:         {Kind: File, Param: "file_id"},
	scan.RefResponse:     {Kind: Response, Param: "previous_response_id"},
	scan.RefItem:         {Kind: Item, Param: "input"},
	scan.RefConversation: {Kind: Conversation, Param: "conversation"},
	scan.RefContainer:    {Kind: Container, Param: "container"},
}

// address is a path of files or batches taken apart.
type address struct {
	id     string // "": the collection
	action string // beyond the id
	query  string
}

func parse(path string) address {
	path, query, _ := strings.Cut(path, "?")
	id, action, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if plain, err := url.PathUnescape(id); err == nil {
		id = plain
	}
	return address{id, action, query}
}

// kindOf is what the collection of op holds, "" if op has none.
func kindOf(op wire.Op) string {
	switch op {
	case wire.OpFiles:
		return File
	case wire.OpBatches:
		return Batch
	}
	return ""
}

// Named returns the objects that c names.
func Named(c *call.Call) ([]Ref, *wire.Error) {
	kind := kindOf(c.Op)
	if kind == "" && len(c.Facts.Refs) == 0 {
		return nil, nil
	}
	var refs []Ref
	if kind != "" {
		at := parse(c.Path)
		switch {
		case at.id != "":
			refs = append(refs, Ref{kind, at.id, ""})
		case strings.HasPrefix(c.Path, "/"), c.Method == "DELETE":
			return nil, wire.Errorf(404, "unknown_path", "the path names no %s: add its id", kind)
		default:
			more, err := cursors(at.query, kind)
			if err != nil {
				return nil, err
			}
			refs = more
		}
	}
	if len(c.Facts.Refs) > maxRefs {
		return nil, wire.Errorf(400, "too_many_references", "the request names %d objects of the provider: name at most %d", len(c.Facts.Refs), maxRefs)
	}
	for _, r := range c.Facts.Refs {
		ref := bodyKinds[r.Kind]
		ref.ID = string(r.ID)
		if kind == Batch {
			ref.Param = "input_file_id"
		}
		if !slices.Contains(refs, ref) {
			refs = append(refs, ref)
		}
	}
	return refs, nil
}

// cursors are the objects that the query of a list names.
func cursors(query, kind string) (refs []Ref, _ *wire.Error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, wire.Errorf(400, "invalid_query", "the query cannot be read: write it as name=value pairs, joined by &")
	}
	for _, name := range [...]string{"after", "before", "after_id", "before_id"} {
		for _, id := range values[name] {
			if id != "" {
				refs = append(refs, Ref{kind, id, name})
			}
		}
	}
	return refs, nil
}

// Reads reports whether what c answers has to be looked into.
func Reads(c *call.Call) bool {
	switch c.Op {
	case wire.OpBatches:
		return parse(c.Path).action != "results" // which hold answers, and may be long
	case wire.OpFiles:
		return parse(c.Path).action == ""
	}
	return false
}

// Lists reports whether c asks for a list of objects.
func Lists(c *call.Call) bool {
	return kindOf(c.Op) != "" && c.Method == "GET" && parse(c.Path).id == ""
}

// After is c's path with the list to begin after the object id.
func After(path, id string) string {
	path, query, _ := strings.Cut(path, "?")
	values, _ := url.ParseQuery(query) // cursors has read it
	values.Set("after", id)
	return path + "?" + values.Encode()
}
