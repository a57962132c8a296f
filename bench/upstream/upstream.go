// Package upstream is the AI service that the bench suite measures against. It
// speaks just enough HTTP/1.1 to cost little, answers from prepared bytes, is
// strict about the credentials that reach it, and keeps its own bill.
package upstream

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// The only secrets that may arrive here, as a Bearer token or as x-api-key,
// each with a bill of its own. Whatever a caller showed to a gateway must have
// been left behind.
const (
	GatewayCredential  = "upstream-credential-of-the-gateway-3f9c"
	BaselineCredential = "upstream-credential-of-a-baseline-77a0"
)

// Options of a server.
type Options struct {
	Pace time.Duration // between two events of a paced stream; default 5 ms
}

// Server is a mock upstream.
type Server struct {
	opt    Options
	bills  bills
	shapes *shapes

	mu      sync.Mutex
	ln      net.Listener
	conns   map[net.Conn]struct{}
	release chan struct{} // closed and replaced to end the streams that are held
	running sync.WaitGroup
}

// New returns a server that is not serving yet.
func New(opt Options) *Server {
	if opt.Pace <= 0 {
		opt.Pace = 5 * time.Millisecond
	}
	return &Server{opt: opt, shapes: prepare(), conns: map[net.Conn]struct{}{}, release: make(chan struct{})}
}

// Serve answers connections from ln until Stop.
func (s *Server) Serve(ln net.Listener) error {
	s.mu.Lock()
	s.ln = ln
	s.mu.Unlock()
	for {
		c, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot accept on %s: %w", ln.Addr(), err)
		}
		s.mu.Lock()
		s.conns[c] = struct{}{}
		s.running.Add(1)
		s.mu.Unlock()
		go s.converse(c)
	}
}

// Stop ends all connections and waits for them.
func (s *Server) Stop() {
	s.mu.Lock()
	if s.ln != nil {
		s.ln.Close()
	}
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.Release()
	s.running.Wait()
}

// Release lets the streams that are held come to their end.
func (s *Server) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.release)
	s.release = make(chan struct{})
}

func (s *Server) released() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.release
}

func (s *Server) converse(c net.Conn) {
	defer s.running.Done()
	defer func() {
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
		c.Close()
	}()
	r := newReader(c)
	for {
		q, err := r.next()
		if err != nil {
			return // the peer has gone, or writes what is not HTTP
		}
		if err := s.answer(c, q); err != nil {
			return
		}
	}
}
