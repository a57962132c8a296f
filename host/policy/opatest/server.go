package opatest

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Server serves bundles with ETags and long polls, and tells what it was asked.
type Server struct {
	*httptest.Server

	mu      sync.Mutex
	bundles map[string][]byte
	fault   func(w http.ResponseWriter, r *http.Request) bool // answers itself
	changed chan struct{}
	asked   []Asked
	long    bool
}

// Asked is a request that has been answered.
type Asked struct {
	Path, Match, Prefer, Authorization string
	Header                             http.Header
	Status                             int
}

// NewServer serves nothing yet. It does long polls if long is set.
func NewServer(t testing.TB, long bool) *Server {
	t.Helper()
	s := NewUnstarted(long)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// NewUnstarted is NewServer before it listens.
func NewUnstarted(long bool) *Server {
	s := &Server{bundles: map[string][]byte{}, changed: make(chan struct{}), long: long}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	return s
}

// Set changes what is served at path.
func (s *Server) Set(path string, tarball []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bundles[path] = tarball
	close(s.changed)
	s.changed = make(chan struct{})
}

// Fault has f answer in place of the server while it reports true.
func (s *Server) Fault(f func(http.ResponseWriter, *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
	close(s.changed)
	s.changed = make(chan struct{})
}

// Asked is what has been answered so far.
func (s *Server) Asked() []Asked {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Asked(nil), s.asked...)
}

// ETag is what the server calls a tarball.
func ETag(tarball []byte) string {
	sum := sha256.Sum256(tarball)
	return `"` + hex.EncodeToString(sum[:8]) + `"`
}

type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	rec := &recorder{w, http.StatusOK}
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked = append(s.asked, Asked{r.URL.Path, r.Header.Get("If-None-Match"), r.Header.Get("Prefer"), r.Header.Get("Authorization"), r.Header, rec.status})
	}()
	s.mu.Lock()
	fault := s.fault
	s.mu.Unlock()
	if fault != nil && fault(rec, r) {
		return
	}
	s.answer(rec, r)
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request) {
	end := time.After(wait(r))
	for {
		s.mu.Lock()
		body, changed, long := s.bundles[strings.Trim(r.URL.Path, "/")], s.changed, s.long
		s.mu.Unlock()
		if body == nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("ETag", ETag(body))
		if long {
			w.Header().Set("Content-Type", "application/vnd.openpolicyagent.bundles")
		}
		if r.Header.Get("If-None-Match") != ETag(body) {
			_, _ = w.Write(body)
			return
		}
		if long {
			select {
			case <-changed:
				continue
			case <-end:
			case <-r.Context().Done():
				return
			}
		}
		w.WriteHeader(http.StatusNotModified)
		return
	}
}

// wait is for how long the client would wait.
func wait(r *http.Request) time.Duration {
	_, text, _ := strings.Cut(r.Header.Get("Prefer"), "wait=")
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}
