package provider

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// watchInterval bounds how late a leaving gateway is noticed.
const watchInterval = 25 * time.Millisecond

// watch cancels the contexts of requests whose connection the gateway has
// closed. One goroutine polls all of them at once, and only while there are
// any: a server that is reading nothing would not notice otherwise.
type watch struct {
	mu      sync.Mutex
	running map[*Request]int32 // file descriptor of its connection
	active  bool
	fds     []unix.PollFd
	reqs    []*Request
}

func (w *watch) add(r *Request) {
	c, ok := r.http.Conn().(*peerConn)
	if !ok {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running == nil {
		w.running = map[*Request]int32{}
	}
	w.running[r] = c.fd
	if !w.active {
		w.active = true
		go w.loop()
	}
}

// remove must be called before the connection can be closed: the descriptor
// is polled until then.
func (w *watch) remove(r *Request) {
	w.mu.Lock()
	delete(w.running, r)
	w.mu.Unlock()
}

func (w *watch) loop() {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for range tick.C {
		if !w.sweep() {
			return
		}
	}
}

// sweep reports whether there is anything left to watch. It holds the lock
// while polling (without waiting), so that no descriptor can be reused meanwhile.
func (w *watch) sweep() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.running) == 0 {
		w.active = false
		return false
	}
	w.fds, w.reqs = w.fds[:0], w.reqs[:0]
	for r, fd := range w.running {
		w.fds = append(w.fds, unix.PollFd{Fd: fd, Events: unix.POLLRDHUP})
		w.reqs = append(w.reqs, r)
	}
	n, err := unix.Poll(w.fds, 0)
	for i := 0; err == nil && n > 0 && i < len(w.fds); i++ {
		if w.fds[i].Revents != 0 {
			n--
			w.reqs[i].cancel(errLeft)
			delete(w.running, w.reqs[i])
		}
	}
	clear(w.reqs)
	return true
}
