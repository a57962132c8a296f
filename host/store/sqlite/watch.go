package sqlite

import (
	"context"
	"sync"
)

// watchers are told of changes: one process owns the store, so all are made here.
type watchers struct {
	mu   sync.Mutex
	list map[*watcher]struct{}
}

// watcher holds the topics that it has not been told of yet.
type watcher struct {
	topics map[string]struct{}
	wake   chan struct{}
}

// Watch implements store.Watcher.
func (s *Store) Watch(ctx context.Context, changed func(topic string)) error {
	w := &watcher{topics: map[string]struct{}{}, wake: make(chan struct{}, 1)}
	s.watching.mu.Lock()
	if s.watching.list == nil {
		s.watching.list = map[*watcher]struct{}{}
	}
	s.watching.list[w] = struct{}{}
	s.watching.mu.Unlock()
	defer func() {
		s.watching.mu.Lock()
		delete(s.watching.list, w)
		s.watching.mu.Unlock()
	}()
	changed("")
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.wake:
		}
		s.watching.mu.Lock()
		topics := w.topics
		w.topics = map[string]struct{}{}
		s.watching.mu.Unlock()
		for topic := range topics {
			changed(topic)
		}
	}
}

// changed tells all watchers, and waits for none.
func (s *Store) changed(topic string) {
	s.watching.mu.Lock()
	defer s.watching.mu.Unlock()
	for w := range s.watching.list {
		w.topics[topic] = struct{}{}
		select {
		case w.wake <- struct{}{}:
		default: // it has been woken and has not looked yet
		}
	}
}
