package dispatch

import (
	"os"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// sender writes an upload, with a deadline that is renewed as bytes leave.
type sender struct {
	cn       *conn
	gone     *call.Gone
	idle     time.Duration
	deadline time.Time
}

// Write implements io.Writer.
func (s sender) Write(p []byte) (int, error) {
	if err := s.cn.wait(time.Now(), s.idle, s.deadline); err != nil {
		return 0, err
	}
	if s.gone.Left() {
		return 0, os.ErrDeadlineExceeded
	}
	return s.cn.nc.Write(p)
}

// early hears an answer that comes while the request is still being written:
// an upstream that refuses a large body says so at once, and what it says is
// lost if it is only read after it has closed the connection.
type early struct {
	cn   *conn
	done chan struct{}
	sent atomic.Bool // all has been written, or the answer came first
}

func listen(cn *conn) *early {
	e := &early{cn: cn, done: make(chan struct{})}
	go func() {
		defer close(e.done)
		_, _ = e.cn.br.Peek(1) // readHead sees what it gave
		if e.sent.CompareAndSwap(false, true) {
			_ = e.cn.nc.SetWriteDeadline(time.Unix(1, 0))
		}
	}()
	return e
}

// sendUpload writes the head b and the body that was put aside.
func (x *exchange) sendUpload(b []byte, model string) error {
	e := listen(x.cn)
	err := x.writeUpload(b, model)
	if !e.sent.CompareAndSwap(false, true) {
		x.cn.spoiled = true // the rest of the body is owed
	}
	if werr := x.cn.wait(time.Now(), x.timeouts.FirstByte, x.deadline); werr != nil && err == nil {
		err = werr
	}
	if err != nil && !x.cn.spoiled {
		_ = x.cn.nc.SetReadDeadline(time.Now().Add(refusalTime)) // what it has to say is there already
	}
	<-e.done
	return err
}

// refusalTime is how long an upstream that takes no more of a body may take to
// say why.
const refusalTime = 5 * time.Second

func (x *exchange) writeUpload(b []byte, model string) error {
	c, w := x.c, sender{x.cn, &x.c.Gone, x.timeouts.Idle, x.deadline}
	if _, err := w.Write(b); err != nil {
		return err
	}
	u, at := c.Upload, c.Facts.ModelAt
	if !at.Present() {
		return u.Send(w, 0, u.Size())
	}
	if err := u.Send(w, 0, int64(at.From)); err != nil {
		return err
	}
	if _, err := w.Write([]byte(model)); err != nil {
		return err
	}
	return u.Send(w, int64(at.To), u.Size())
}

// uploadSize is how long the body is once the model is replaced.
func uploadSize(c *call.Call, model string) int64 {
	n := c.Upload.Size()
	if at := c.Facts.ModelAt; at.Present() {
		n += int64(len(model) - (at.To - at.From))
	}
	return n
}
