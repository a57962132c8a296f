package dispatch

import (
	"strings"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// native readies the body for an upstream that speaks the caller's dialect
// itself: reasoning that a translation has sealed for another maker is taken
// out, as the upstream would refuse it. restore undoes it, for the next attempt
// may go where it is wanted.
func (x *exchange) native() (dropped []string, restore func()) {
	c := x.c
	if !x.ep.Direct() || c.Dialect != wire.AnthropicMessages && c.Dialect != wire.OpenAIResponses {
		return nil, nil
	}
	body, dropped := wire.Native(c.Dialect, c.Body)
	if len(dropped) == 0 {
		return nil, nil
	}
	var facts scan.Facts
	if scan.Operation(&facts, c.Op, c.Dialect, body) != nil {
		return nil, nil // the upstream says what is wrong with it
	}
	asked, found := c.Body, c.Facts
	c.Body, c.Facts = body, facts
	return dropped, func() { c.Body, c.Facts = asked, found }
}

// report adds to what the caller is told could not be carried.
func (x *exchange) report(dropped []string) {
	if len(dropped) == 0 {
		return
	}
	if len(x.c.Dropped) > 0 {
		x.c.Dropped = append(x.c.Dropped, ',')
	}
	x.c.Dropped = append(x.c.Dropped, strings.Join(dropped, ",")...)
}

// Body is what ep, which speaks the caller's dialect itself, is sent of c that
// goes to t: of use where it leaves by another way than an exchange.
func Body(c *call.Call, t *call.Target, ep *call.Endpoint) []byte {
	model := ep.Upstream(t.Model)
	x := exchange{run: &run{c: c}, t: t, ep: ep}
	if _, restore := x.native(); restore != nil {
		defer restore()
	}
	var rw rewrite
	rw.plan(c, ep, model)
	return rw.appendTo(make([]byte, 0, rw.length(c.Body)), c.Body)
}
