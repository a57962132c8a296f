package dispatch_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/dispatch"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// shutOut is a caller who may not stay after the first event.
type shutOut struct {
	bytes.Buffer
	c   *call.Call
	why *wire.Error
}

func (s *shutOut) Write(p []byte) (int, error) {
	s.c.Gone.Recheck(func(*call.Principal) *wire.Error { return s.why })
	return s.Buffer.Write(p)
}

// TestCallerWhoMayNotStayIsToldWhy: in place of the rest, and the upstream is
// left though it says nothing.
func TestCallerWhoMayNotStayIsToldWhy(t *testing.T) {
	r := newRig(t, dispatch.Options{})
	ended := make(chan struct{})
	r.target("a", func(w http.ResponseWriter, req *http.Request) {
		events(delta("a"), "HANG")(w, req)
		close(ended)
	})
	c := r.call(streamCall)
	ans, err := r.d.Do(c)
	if err != nil {
		t.Fatal(err)
	}
	w := &shutOut{c: c, why: wire.Errorf(401, "key_revoked", "ask for a new one")}
	c.Gone.Streams(&call.Principal{})
	_, werr := ans.Stream.WriteTo(w)
	_ = ans.Stream.Close()
	<-ended
	if got := w.String(); werr == nil || !strings.HasPrefix(got, delta("a")) || strings.Count(got, `"key_revoked"`) != 1 {
		t.Errorf("WriteTo = %v; the caller gets %s", werr, got)
	}
	if r.account.finished != 1 || c.Err != w.why || c.Events != 1 {
		t.Errorf("finished %d, err %v, %d events", r.account.finished, c.Err, c.Events)
	}
}
