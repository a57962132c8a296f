// Package door is a way to a server that tests make slow, shut, or lead to
// another server while clients go in and out.
package door

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Door is a TCP address that passes connections on.
type Door struct {
	listener net.Listener
	delay    atomic.Int64 // ns, of each answer
	wg       sync.WaitGroup

	mu       sync.Mutex
	network  string
	address  string // of the server, "": the door is shut
	behind   string // where it leads once it is opened
	conns    map[net.Conn]struct{}
	finished bool
}

// New opens a door to the server at address, which is gone with the test.
func New(t testing.TB, network, address string) *Door {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &Door{listener: ln, network: network, address: address, behind: address, conns: map[net.Conn]struct{}{}}
	d.wg.Go(d.accept)
	t.Cleanup(func() {
		_ = ln.Close()
		d.mu.Lock()
		d.finished = true
		d.mu.Unlock()
		d.cut()
		d.wg.Wait()
	})
	return d
}

// Address is the door's own: host and port.
func (d *Door) Address() string { return d.listener.Addr().String() }

// Delay makes all that comes back come so much later.
func (d *Door) Delay(by time.Duration) { d.delay.Store(int64(by)) }

// Shut cuts all connections and takes no more until Open.
func (d *Door) Shut() {
	d.mu.Lock()
	d.address = ""
	d.mu.Unlock()
	d.cut()
}

// Open takes connections again.
func (d *Door) Open() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.address = d.behind
}

// Lead cuts all connections; from now on the door leads to another server.
func (d *Door) Lead(network, address string) {
	d.mu.Lock()
	d.network, d.address, d.behind = network, address, address
	d.mu.Unlock()
	d.cut()
}

func (d *Door) cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for c := range d.conns {
		_ = c.Close()
	}
}

func (d *Door) accept() {
	for {
		in, err := d.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			d.pass(in)
		}
	}
}

// pass connects in with the server, or ends it.
func (d *Door) pass(in net.Conn) {
	d.mu.Lock()
	network, address := d.network, d.address
	d.mu.Unlock()
	if address == "" {
		_ = in.Close()
		return
	}
	out, err := net.Dial(network, address)
	if err != nil {
		_ = in.Close()
		return
	}
	if !d.keep(in) || !d.keep(out) {
		_, _ = in.Close(), out.Close()
		return
	}
	d.wg.Go(func() { d.copy(out, in, false) })
	d.wg.Go(func() { d.copy(in, out, true) })
}

// keep notes a connection to be cut; false: the door is gone.
func (d *Door) keep(c net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.finished {
		return false
	}
	d.conns[c] = struct{}{}
	return true
}

// copy passes bytes on until one side ends, which ends both.
func (d *Door) copy(to, from net.Conn, delayed bool) {
	defer func() {
		_, _ = to.Close(), from.Close()
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.conns, from)
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if wait := time.Duration(d.delay.Load()); delayed && wait > 0 {
			time.Sleep(wait) // what the door is for
		}
		if n > 0 {
			if _, werr := to.Write(buf[:n]); werr != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
