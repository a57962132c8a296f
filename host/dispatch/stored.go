package dispatch

import (
	"encoding/json"

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

// noteResponse watches a stream for the response that it tells of. The account
// hears of it once, when all of it is known or no more will come: the stream's
// first event does not wait for a disk.
func (s *stream) noteResponse(ev event) {
	switch string(ev.kind()) {
	case "response.created":
		var e struct {
			Response struct {
				ID string `json:"id"`
			} `json:"response"`
		}
		if json.Unmarshal(ev.data, &e) == nil {
			s.response = e.Response.ID
		}
	case "response.completed", "response.incomplete", "response.failed":
		s.stored(ev.data)
		s.response = ""
	}
}
