package dispatch

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/provider/proto"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func (x *exchange) read() (call.Answer, *failure) {
	cn := x.cn
	status := cn.head.StatusCode()
	kind := cn.head.ContentType()
	x.c.Dropped = append(x.c.Dropped[:0], cn.head.Peek(proto.HeaderDropped)...)
	answers := status >= 200 && status < 300
	switch {
	case status == 101:
		return x.upgraded()
	case answers && x.c.Op == wire.OpRealtime:
		return call.Answer{}, &failure{class: wire.ClassServer, err: wire.Errorf(502, "bad_upgrade", "%s answered the WebSocket handshake with status %d", x.t.Name, status)}
	case answers && x.passes(kind):
		return x.raw(status, contentType(kind))
	case answers && isEvents(kind) && !x.c.Whole:
		return x.stream(status)
	}
	if answers {
		x.noticed()
	}
	err := x.readAll()
	if err == nil && answers && cn.body.framing == byClose && !json.Valid(x.c.Buf) {
		err = io.ErrUnexpectedEOF // nothing else tells the end from a cut
	}
	switch {
	case err != nil && (answers || x.c.Gone.Left()):
		return call.Answer{}, x.broken(err, true)
	case answers:
		x.meterJSON()
		x.stored(x.c.Buf)
		x.inspect()
		return call.Answer{Status: status, ContentType: contentType(kind), Body: x.c.Buf}, nil
	}
	f := x.refused(status)
	if err != nil {
		f.body = nil // the status says enough, a part of the words does not
	}
	return call.Answer{}, f
}

func contentType(kind []byte) string {
	if string(kind) == "application/json" || len(kind) == 0 {
		return "application/json"
	}
	return string(kind)
}

func (x *exchange) readAll() error {
	cn, c := x.cn, x.c
	c.Buf = c.Buf[:0]
	var err error
	for err == nil {
		if !cn.body.ready() {
			if err := x.renew(); err != nil {
				return err
			}
		}
		c.Buf, err = cn.body.read(c.Buf, x.opt.MaxAnswer+1-len(c.Buf))
		if len(c.Buf) > x.opt.MaxAnswer {
			return errTooLarge
		}
	}
	if err != io.EOF {
		return err
	}
	return nil
}

var errTooLarge = errors.New("the answer is larger than the gateway buffers")

// renew sets the idle deadline of the next read and notices a caller that left
// meanwhile.
func (x *exchange) renew() error {
	if err := x.cn.wait(time.Now(), x.timeouts.Idle, x.deadline); err != nil {
		return err
	}
	if x.c.Gone.Left() {
		return os.ErrDeadlineExceeded
	}
	return nil
}

// meterJSON reads usage from a complete answer.
func (x *exchange) meterJSON() {
	c := x.c
	if h := x.cn.head.Peek(proto.HeaderUsage); len(h) > 0 && !x.ep.Direct() {
		setUsage(c, h)
		return
	}
	if free(c.Op) {
		return
	}
	if u, ok := wire.ReadUsage(c.Dialect, c.Buf); ok {
		c.Usage, c.Provenance = u, call.CostComputed
	}
}

// free reports whether answers of op speak of usage that is not consumption.
func free(op wire.Op) bool {
	return op == wire.OpCountTokens || op == wire.OpFiles || op == wire.OpBatches
}

// observe hands what the upstream says of its rate limit to whoever asked.
func (x *exchange) observe() {
	if x.tr.rated && x.opt.Observe != nil && x.cred != nil {
		x.opt.Observe(x.cred, x.ep, x.cn.peek)
	}
}

// setUsage takes the usage that an adapter reports of a translated answer.
func setUsage(c *call.Call, header []byte) {
	if u, ok := proto.ParseUsage(string(header)); ok {
		c.Usage, c.Provenance = u, call.CostComputed
	}
}
