package call

import (
	"errors"
	"time"
)

// Document is a piece of configuration that the store keeps, with a revision
// by which changes made at the same time are told apart.
type Document struct {
	Kind, Name string
	Revision   int64
	Body       []byte // JSON
	Changed    time.Time
}

// The errors of documents that callers tell apart.
var (
	ErrRevision   = errors.New("it has been changed meanwhile: read it again")
	ErrNoDocument = errors.New("there is no such document")
)
