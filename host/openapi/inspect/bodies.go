package inspect

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/getkin/kin-openapi/openapi3filter"
)

// body is what a request sends.
type body struct {
	text  []byte
	again func() (io.ReadCloser, error) // nil: it is in text
	whole bool
}

// bodyOf returns the body of q, which can be had again or is read, if it is not
// too large, and put back.
func bodyOf(q *http.Request) (*body, error) {
	if q.GetBody != nil && q.ContentLength < maxInspected {
		return &body{again: q.GetBody, whole: true}, nil
	}
	if q.GetBody != nil {
		return &body{}, nil
	}
	text, whole, err := peek(&q.Body)
	return &body{text: text, whole: whole}, err
}

// peek reads from, if it is not too large, and puts it back. What has been read
// to its end is not read again: the caller's server closes it at the answer's
// first byte, which may come while the transport still looks for that end.
func peek(from *io.ReadCloser) (b []byte, whole bool, err error) {
	if *from == nil || *from == http.NoBody {
		return nil, true, nil
	}
	rest := *from
	b, err = io.ReadAll(io.LimitReader(rest, maxInspected))
	if whole = len(b) < maxInspected; whole {
		*from = io.NopCloser(bytes.NewReader(b))
		return b, true, errors.Join(err, rest.Close())
	}
	*from = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(b), rest), rest}
	return b, false, err
}

// input is q for the comparison. A body without a type is JSON, as gateways take it.
func (b *body) input(q *http.Request) *openapi3filter.RequestValidationInput {
	asked := q.Clone(q.Context())
	asked.Body = io.NopCloser(bytes.NewReader(b.text))
	if b.again != nil {
		again, err := b.again()
		if err != nil {
			panic("BUG: a body cannot be had again: " + err.Error())
		}
		asked.Body = again
	}
	if asked.Header.Get("Content-Type") == "" {
		asked.Header.Set("Content-Type", jsonType)
	}
	in := &openapi3filter.RequestValidationInput{Request: asked, Options: options()}
	in.Options.ExcludeRequestBody = !b.whole || mediaType(asked.Header) != jsonType
	return in
}

// whole compares an answer of JSON once it has been read.
type whole struct {
	io.ReadCloser
	compare func([]byte)

	mu   sync.Mutex // readers may be closed meanwhile
	kept []byte
	done bool // compared, or too large
}

// Read implements io.Reader.
func (w *whole) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done {
		return n, err
	}
	if w.kept = append(w.kept, p[:n]...); len(w.kept) > maxInspected {
		w.kept, w.done = nil, true
	} else if err == io.EOF {
		w.end()
	}
	return n, err
}

// Close implements io.Closer. Who decodes one value need not read to the end.
func (w *whole) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.done && json.Valid(w.kept) {
		w.end()
	}
	return w.ReadCloser.Close()
}

func (w *whole) end() {
	w.done = true
	w.compare(append([]byte{}, w.kept...)) // never nil
	w.kept = nil
}
