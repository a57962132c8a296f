package mcp

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

const (
	// mostStanding is how many streams one principal may hold open to hear of
	// changes.
	mostStanding = 16
	// beat is how often such a stream shows that it is there.
	beat = 20 * time.Second
)

// standing are the streams on which callers hear of changes.
type standing struct {
	mu    sync.Mutex
	by    map[string]int
	news  chan struct{} // closed at the next change
	over  chan struct{}
	ended bool
}

func (s *standing) init() {
	s.by, s.news, s.over = map[string]int{}, make(chan struct{}), make(chan struct{})
}

// enter counts one for who, who has too many if it fails.
func (s *standing) enter(who string) (leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by[who] >= mostStanding {
		return nil, false
	}
	s.by[who]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.by[who]--; s.by[who] == 0 {
			delete(s.by, who)
		}
	}, true
}

// tell has all streams tell of a change.
func (s *standing) tell() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.news)
	s.news = make(chan struct{})
}

func (s *standing) next() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.news
}

// close ends all streams.
func (s *standing) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.ended = true
		close(s.over)
	}
}

// within is ctx until the streams are ended.
func (s *standing) within(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-s.over:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// listener is one stream, of protocols before that of 2026; it implements
// call.Stream.
type listener struct {
	*standing
	gone  *call.Gone
	leave func()
	once  sync.Once
}

// changed is told whatever has changed: that is rare, and lists are small.
const changed = "event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\n" +
	"event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/prompts/list_changed\"}\n\n" +
	"event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/resources/list_changed\"}\n\n"

// WriteTo implements call.Stream.
func (l *listener) WriteTo(w io.Writer) (n int64, err error) {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	news, text := l.next(), ": here\n\n"
	for {
		m, err := io.WriteString(w, text)
		if n += int64(m); err != nil {
			return n, err
		}
		select {
		case <-l.over:
			return n, nil
		case <-l.gone.Done():
			return n, nil
		case <-tick.C:
			text = ": here\n\n"
		case <-news:
			news, text = l.next(), changed
		}
	}
}

// Close implements call.Stream.
func (l *listener) Close() error {
	l.once.Do(l.leave)
	return nil
}
