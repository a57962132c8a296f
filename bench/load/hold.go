package load

import (
	"bytes"
	"fmt"
	"sync"
	"time"
)

// Held are streams that have begun and wait for more.
type Held struct{ conns []*conn }

// dialers bounds how many streams are opened at the same time.
const dialers = 32

// Hold opens j.Conns streams and reads the first event of each.
func Hold(j Job) (*Held, error) {
	if j.Timeout <= 0 {
		j.Timeout = 2 * time.Minute
	}
	conns, err := dial(j)
	h := &Held{conns}
	if err != nil {
		h.Close()
		return nil, err
	}
	next := make(chan *conn)
	var wg sync.WaitGroup
	for range dialers {
		wg.Go(func() {
			for c := range next {
				if err := c.open(&j); err != nil {
					c.fatal = err
				}
			}
		})
	}
	for _, c := range conns {
		next <- c
	}
	close(next)
	wg.Wait()
	for i, c := range conns {
		if c.fatal != nil {
			h.Close()
			return nil, fmt.Errorf("stream %d of %d: %w", i+1, len(conns), c.fatal)
		}
	}
	return h, nil
}

// open sends a request and reads until the first event.
func (c *conn) open(j *Job) error {
	if err := c.send(&j.Requests[c.turn%len(j.Requests)], j.Timeout); err != nil {
		return err
	}
	h, err := c.head()
	if err != nil {
		return err
	}
	if h.status != 200 || !h.chunked {
		return fmt.Errorf("status %d and no stream", h.status)
	}
	for !bytes.Contains(c.body, eventMark) {
		if n, err := c.chunk(); err != nil || n == 0 {
			return fmt.Errorf("ended before its first event: %w", err)
		}
	}
	return nil
}

// Finish reads all streams to their end and checks them.
func (h *Held) Finish(want Check) error {
	var wg sync.WaitGroup
	for _, c := range h.conns {
		wg.Go(func() {
			if c.fatal = c.chunks(); c.fatal == nil {
				c.fatal = want.verify(head{status: 200}, c.body)
			}
		})
	}
	wg.Wait()
	for i, c := range h.conns {
		if c.fatal != nil {
			return fmt.Errorf("stream %d of %d: %w", i+1, len(h.conns), c.fatal)
		}
	}
	return nil
}

// Close ends the connections, whatever they wait for.
func (h *Held) Close() {
	for _, c := range h.conns {
		c.close()
	}
}
