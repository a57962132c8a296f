package dispatch

import (
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Storing is an Account that wants to know what providers store of answers.
type Storing interface {
	// Stored is told of a response that the upstream may have stored, before
	// the caller sees it: an answer, or the event of a stream that holds one.
	Stored(c *call.Call, response []byte)
}

// stored tells the account of a response. An adapter that translates has none:
// the API behind it stores nothing under that id.
func (x *exchange) stored(response []byte) {
	c := x.c
	if c.Dialect != wire.OpenAIResponses || c.Op != wire.OpChat || c.Facts.Unstored || !x.ep.Direct() {
		return
	}
	if a, ok := x.account.(Storing); ok {
		a.Stored(c, response)
	}
}

// holdsResponse reports whether the event holds a response with its id, at
// its beginning or its end.
func (e event) holdsResponse() bool {
	switch string(e.kind()) {
	case "response.created", "response.completed", "response.incomplete", "response.failed":
		return true
	}
	return false
}
