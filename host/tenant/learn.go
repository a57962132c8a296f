package tenant

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"

	"github.com/signalbox-ai/signalbox/host/call"
)

// object is what matters of an object in an answer.
type object struct {
	ID      string `json:"id"`
	Output  string `json:"output_file_id"`
	Errors  string `json:"error_file_id"`
	Deleted bool   `json:"deleted"`
}

// results are the files that a batch has written.
func (o *object) results() (refs []Ref) {
	for _, id := range [...]string{o.Output, o.Errors} {
		if id != "" {
			refs = append(refs, Ref{Kind: File, ID: id})
		}
	}
	return refs
}

// Learn takes in what the good answer of files or batches tells: what was
// made becomes o's, what was deleted is forgotten.
func (k *Keeper) Learn(ctx context.Context, o Owner, c *call.Call, body []byte) error {
	kind, at := kindOf(c.Op), parse(c.Path)
	if kind == "" || !Reads(c) || Lists(c) {
		return nil
	}
	if c.Method == http.MethodDelete {
		return k.deleted(ctx, o, at.id, body)
	}
	var got object
	if err := json.Unmarshal(body, &got); err != nil {
		return nil // not an object: it names nothing
	}
	refs := got.results()
	if kind == File {
		refs = nil
	}
	if at.id == "" && got.ID != "" {
		refs = append(refs, Ref{Kind: kind, ID: got.ID})
	}
	if len(refs) == 0 {
		return nil
	}
	return k.Add(ctx, o, refs)
}

func (k *Keeper) deleted(ctx context.Context, o Owner, id string, body []byte) error {
	var got object
	if len(bytes.TrimSpace(body)) > 0 && (json.Unmarshal(body, &got) != nil || !got.Deleted) {
		return nil // it says that it is still there
	}
	return k.Remove(ctx, o, id)
}

// response is what matters of a response, or of an event that holds one.
type response struct {
	ID     string `json:"id"`
	Store  *bool  `json:"store"`
	Output []struct {
		ID        string `json:"id"`
		Container string `json:"container_id"`
	} `json:"output"`
	Response *response `json:"response"`
}

// Responded takes in a response that the provider may have stored: an answer,
// or an event of a stream.
func (k *Keeper) Responded(ctx context.Context, o Owner, body []byte) error {
	var got response
	if err := json.Unmarshal(body, &got); err != nil {
		return nil // not a response: it names nothing
	}
	r := &got
	if r.Response != nil {
		r = r.Response
	}
	if r.ID == "" || r.Store != nil && !*r.Store {
		return nil
	}
	refs := []Ref{{Kind: Response, ID: r.ID}}
	for _, out := range r.Output {
		if out.ID != "" {
			refs = append(refs, Ref{Kind: Item, ID: out.ID})
		}
		if out.Container != "" {
			refs = append(refs, Ref{Kind: Container, ID: out.Container})
		}
	}
	return k.Add(ctx, o, refs)
}
