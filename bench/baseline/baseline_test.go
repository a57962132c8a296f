package baseline

import (
	"fmt"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/bench/load"
	"github.com/signalbox-ai/signalbox/bench/proc"
	"github.com/signalbox-ai/signalbox/bench/upstream"
)

// listen serves on a free port for the rest of the test.
func listen(t *testing.T, serve func(net.Listener) error) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() { _ = serve(ln) }() // ends with ln
	return ln.Addr().String()
}

// pass sends requests for model through the baseline at addr; every byte of
// the answers must be the service's.
func pass(t *testing.T, name, addr, model string, events int) {
	t.Helper()
	const path = "/v1/chat/completions"
	body := fmt.Sprintf(`{"model":%q,"stream":%t}`, model, events > 0)
	q := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer of-the-caller\r\nCookie: a=b\r\nContent-Length: %d\r\n\r\n%s", path, addr, len(body), body)
	r, err := load.Run(load.Job{Addr: addr, Requests: []load.Request{{Bytes: []byte(q), Path: path}}, Conns: 2, Total: 10, Timeout: 20 * time.Second,
		Check: load.Check{Events: events, Exact: upstream.Plain(path, model)}})
	if err != nil || r.Requests != 10 {
		t.Errorf("%s, %s: %d answers, %v", name, model, r.Requests, err)
	}
}

func TestBaselinesPassAnswersOn(t *testing.T) {
	runtime.LockOSThread() // nginx ends with the thread that starts it
	defer runtime.UnlockOSThread()
	s := upstream.New(upstream.Options{Pace: time.Millisecond})
	t.Cleanup(s.Stop)
	service := listen(t, s.Serve)
	bare := listen(t, NewBare(service, upstream.BaselineCredential).Serve)

	n := Nginx{Conf: "../nginx.conf", Dir: t.TempDir(), Upstream: service, Credential: upstream.BaselineCredential, Files: 1024}
	var err error
	for _, at := range []*string{&n.Whole, &n.Stream} {
		if *at, err = proc.FreeAddr(); err != nil {
			t.Fatal(err)
		}
	}
	c, err := n.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)

	for name, at := range map[string][2]string{"bare": {bare, bare}, "nginx": {n.Whole, n.Stream}} {
		pass(t, name, at[0], upstream.Model1K, 0)
		pass(t, name, at[0], upstream.Model16K, 0)
		pass(t, name, at[1], upstream.ModelBurst, upstream.Events+1)
		pass(t, name, at[1], upstream.ModelPaced, upstream.Events+1)
	}
	if st := s.Statement(); st.Faults != 0 || st.Baseline.Requests != 80 {
		t.Errorf("statement %+v", st)
	}
}
