package trail

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	maxChunk   = 32 << 10  // bytes of a request, as OPA's
	maxRaw     = 256 << 10 // of events that are packed together at first
	maxPending = 16 << 20  // bytes of events that wait; the oldest that is allowed goes first
	maxBackoff = 30 * time.Second
	minBackoff = 100 * time.Millisecond
	lastLimit  = 5 * time.Second // for what waits at the end
	uploadGap  = time.Second     // between uploads of less than a full chunk
)

// waiting is an event that the server has not taken yet.
type waiting struct {
	event  []byte
	denied bool
}

// uploader sends events as a gzipped array of JSON, again until they are taken.
type uploader struct {
	Upload
	log  *Log
	wake chan struct{}
	stop context.CancelFunc
	done chan struct{}

	mu      sync.Mutex
	queue   []waiting
	denials int // at the front of the queue, as far as looked at
	bytes   int
	last    bool
}

func newUploader(u Upload, l *Log) *uploader {
	ctx, stop := context.WithCancel(context.Background())
	s := &uploader{Upload: u, log: l, wake: make(chan struct{}, 1), stop: stop, done: make(chan struct{})}
	s.URL = strings.TrimRight(u.URL, "/") + "/logs"
	go s.work(ctx)
	return s
}

func (s *uploader) put(event []byte, denied bool) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, waiting{bytes.Clone(event), denied})
	s.bytes += len(event)
	lost := 0
	for ; s.bytes > maxPending; lost++ {
		s.drop()
	}
	return lost, nil
}

// drop loses the oldest event that is no denial, or else the oldest.
func (s *uploader) drop() {
	at := s.denials
	for at < len(s.queue) && s.queue[at].denied {
		at++
	}
	if s.denials = at; at == len(s.queue) {
		at, s.denials = 0, at-1
	}
	s.bytes -= len(s.queue[at].event)
	copy(s.queue[1:], s.queue[:at])
	s.shift()
}

func (s *uploader) shift() {
	s.queue[0] = waiting{}
	s.queue = s.queue[1:]
}

func (s *uploader) flush(last bool) (int, error) {
	s.mu.Lock()
	s.last = s.last || last
	full := s.bytes >= maxRaw || last
	s.mu.Unlock()
	if full {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
	if last {
		select {
		case <-s.done:
		case <-time.After(lastLimit):
			s.stop()
			<-s.done
		}
	}
	return 0, nil
}

func (s *uploader) close() error {
	s.stop()
	<-s.done
	if s.Done != nil {
		s.Done()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.queue); n > 0 {
		s.log.lost.Add(uint64(n))
		return fmt.Errorf("cannot upload %d policy decisions: the server did not take them in time", n)
	}
	return nil
}

func (s *uploader) work(ctx context.Context) {
	defer close(s.done)
	backoff := minBackoff
	for !s.ended() {
		timer := time.NewTimer(uploadGap)
		select {
		case <-timer.C:
		case <-s.wake:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
		for s.waits() {
			err := s.send(ctx)
			if err == nil {
				backoff = minBackoff
				continue
			}
			s.log.retries.Add(1)
			s.log.opt.Log.Warn("policy: decisions cannot be uploaded, they wait", "error", err, "next_try", backoff)
			if !sleep(ctx, backoff) {
				return
			}
			backoff = min(2*backoff, maxBackoff)
		}
	}
}

func (s *uploader) waits() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue) > 0
}

func (s *uploader) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last && len(s.queue) == 0
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// send uploads one chunk.
func (s *uploader) send(ctx context.Context) error {
	batch := s.batch()
	body, n := chunk(batch)
	if n == 0 { // a single event that no chunk has room for
		s.taken(batch[:1])
		s.log.lost.Add(1)
		s.log.opt.Log.Error("policy: a decision is too large to be uploaded", "bytes", len(batch[0].event))
		return nil
	}
	if err := s.post(ctx, body); err != nil {
		return err
	}
	s.log.uploads.Add(1)
	s.taken(batch[:n])
	return nil
}

// batch is what might go into one chunk.
func (s *uploader) batch() []waiting {
	s.mu.Lock()
	defer s.mu.Unlock()
	size, n := 0, 0
	for n < len(s.queue) && (n == 0 || size+len(s.queue[n].event) <= maxRaw) {
		size += len(s.queue[n].event)
		n++
	}
	return append([]waiting(nil), s.queue[:n]...)
}

// taken removes what the server has, of which drop may have removed some.
func (s *uploader) taken(sent []waiting) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range sent {
		if len(s.queue) > 0 && &s.queue[0].event[0] == &w.event[0] {
			s.bytes -= len(w.event)
			s.denials = max(0, s.denials-1)
			s.shift()
		}
	}
}

// chunk packs as many of batch as fit, by halves.
func chunk(batch []waiting) ([]byte, int) {
	for n := len(batch); n > 0; n /= 2 {
		var b bytes.Buffer
		zw := gzip.NewWriter(&b)
		sep := []byte("[")
		for _, w := range batch[:n] {
			_, _ = zw.Write(sep) // to memory
			_, _ = zw.Write(w.event)
			sep = []byte(",")
		}
		_, _ = zw.Write([]byte("]"))
		_ = zw.Close()
		if b.Len() <= maxChunk {
			return b.Bytes(), n
		}
	}
	return nil, 0
}

// postLimit bounds one upload: a server may take a connexion and nothing more.
const postLimit = 30 * time.Second

func (s *uploader) post(ctx context.Context, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, postLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Content-Encoding", "gzip")
	resp, err := s.Client.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	err = errors.Join(err, resp.Body.Close())
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("the server answers %s", resp.Status)
	}
	return err
}
