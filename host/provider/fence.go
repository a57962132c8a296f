package provider

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/provider/egress"
	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"
)

const (
	fenceDials   = 256 // at once; what is asked beyond waits in the socket
	fenceTimeout = 10 * time.Second
	// fenceBuffer bounds how many connections wait for an adapter that does
	// not fetch them: the kernel counts them against the gateway's user.
	fenceBuffer = 8 << 10
)

// fence is the gateway's end of an adapter's egress socket: it connects to
// what the adapter asks for, if the operator allows that, and hands over the
// connection itself. So no byte is copied here, TLS stays the adapter's, and
// as it can connect nothing it cannot point a connection elsewhere.
type fence struct {
	conn     *net.UnixConn
	log      *slog.Logger
	limit    *rate.Limiter // of what is logged
	hosts    atomic.Pointer[egress.Hosts]
	proxy    func(*url.URL) (*url.URL, error)
	resolver *net.Resolver // nil: the usual one
	ctx      context.Context
	cancel   context.CancelFunc
	wg       sync.WaitGroup

	granted, refused atomic.Int64
}

// newFence also returns the adapter's end.
func newFence(log *slog.Logger) (f *fence, child *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot make an egress socket: %w", err)
	}
	child = os.NewFile(uintptr(fds[1]), "egress of adapter")
	file := os.NewFile(uintptr(fds[0]), "egress")
	defer file.Close()
	c, err := net.FileConn(file)
	if err != nil {
		child.Close()
		return nil, nil, fmt.Errorf("cannot make an egress socket: %w", err)
	}
	f = &fence{conn: c.(*net.UnixConn), log: log, limit: rate.NewLimiter(1, 10), proxy: proxyOf}
	_ = f.conn.SetWriteBuffer(fenceBuffer)
	f.ctx, f.cancel = context.WithCancel(context.Background())
	f.wg.Go(f.serve)
	return f, child, nil
}

func (f *fence) close() {
	f.cancel()
	f.conn.Close()
	f.wg.Wait()
}

func (f *fence) serve() {
	slots := make(chan struct{}, fenceDials)
	packet := make([]byte, egress.MaxPacket)
	for {
		n, err := f.conn.Read(packet)
		if err != nil || n == 0 {
			return
		}
		id, addr, ok := strings.Cut(string(packet[:n]), " ")
		if _, err := strconv.ParseUint(id, 10, 64); err != nil || !ok {
			continue // there is nobody to answer
		}
		select {
		case slots <- struct{}{}:
		case <-f.ctx.Done():
			return
		}
		f.wg.Go(func() {
			defer func() { <-slots }()
			f.answer(id, addr)
		})
	}
}

// answer connects to addr and hands the connection over, or says why not.
func (f *fence) answer(id, addr string) {
	ctx, cancel := context.WithTimeout(f.ctx, fenceTimeout)
	defer cancel()
	c, err := f.dial(ctx, addr)
	if err == nil {
		err = f.give(id, c)
		c.Close()
		if err == nil {
			f.granted.Add(1)
			return
		}
	}
	f.say(id + " " + err.Error())
}

// say sends a packet; an adapter that takes none for long gets none.
func (f *fence) say(text string) {
	_ = f.conn.SetWriteDeadline(time.Now().Add(fenceTimeout))
	_, _ = f.conn.Write([]byte(text[:min(len(text), egress.MaxPacket)]))
}

func (f *fence) give(id string, c *net.TCPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	_ = f.conn.SetWriteDeadline(time.Now().Add(fenceTimeout))
	var sent error
	err = raw.Control(func(fd uintptr) { _, _, sent = f.conn.WriteMsgUnix([]byte(id), unix.UnixRights(int(fd)), nil) })
	if err == nil {
		err = sent
	}
	return err
}

// dial connects to addr, directly or by the operator's proxy.
func (f *fence) dial(ctx context.Context, addr string) (*net.TCPConn, error) {
	u, err := f.admit(addr)
	if err != nil {
		f.refused.Add(1)
		if f.limit.Allow() {
			f.log.Warn("adapter may not connect where it wants to", "address", clip(addr), "error", err)
		}
		return nil, err
	}
	proxy, err := f.proxy(u)
	if err != nil {
		return nil, fmt.Errorf("cannot use the proxy: %w", err)
	}
	if proxy != nil {
		return throughProxy(ctx, proxy, u.Host)
	}
	allowed := f.hosts.Load().AllowIP(u.Hostname())
	d := net.Dialer{KeepAlive: 30 * time.Second, Resolver: f.resolver, Control: func(_, address string, _ syscall.RawConn) error {
		// Between resolution and connection: no second look-up slips another one in.
		ap, err := netip.ParseAddrPort(address)
		if err != nil || !allowed(ap.Addr()) {
			return fmt.Errorf("address %s of %s is private; list it among the provider's hosts if it may be used", address, u.Hostname())
		}
		return nil
	}}
	c, err := d.DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

// admit checks addr against the provider's hosts.
func (f *fence) admit(addr string) (*url.URL, error) {
	hosts := f.hosts.Load()
	if hosts == nil {
		return nil, fmt.Errorf("cannot connect to %s before it is configured", clip(addr))
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil || host == "" || port == "" {
		return nil, fmt.Errorf("cannot connect to %q: want host:port", clip(addr))
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return nil, fmt.Errorf("cannot connect to %q: the port is not a number", clip(addr))
	}
	u := &url.URL{Scheme: "http", Host: addr}
	if port == "443" {
		u.Scheme = "https"
	}
	return u, hosts.Check(u)
}
