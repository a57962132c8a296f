package provider

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	ringRecords = 1000
	ringPending = 256 // records that a reader may be behind
)

// Record is one line that an adapter has logged.
type Record struct {
	Time    time.Time      `json:"time"`
	Level   slog.Level     `json:"level"`
	Msg     string         `json:"msg"`
	Program string         `json:"program"` // the start of its hash
	Attrs   map[string]any `json:"attrs,omitempty"`
}

// ring holds the last lines of one provider's processes.
type ring struct {
	mu      sync.Mutex
	records []Record
	readers map[chan Record]struct{}
}

func (r *ring) add(rec Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.records) == ringRecords {
		copy(r.records, r.records[1:])
		r.records = r.records[:ringRecords-1]
	}
	r.records = append(r.records, rec)
	for ch := range r.readers {
		select {
		case ch <- rec:
		default: // it is too slow
		}
	}
}

// rings are the lines of all providers.
type rings struct {
	mu     sync.Mutex
	byName map[string]*ring
}

func (r *rings) of(name string) *ring {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byName == nil {
		r.byName = map[string]*ring{}
	}
	if r.byName[name] == nil {
		r.byName[name] = &ring{readers: map[chan Record]struct{}{}}
	}
	return r.byName[name]
}

// Logs gives each the last n lines that the provider's adapter has logged, and
// those that come until ctx ends if follow is set. It returns false if there
// is no such provider, and each's error.
func (s *Supervisor) Logs(ctx context.Context, name string, n int, follow bool, each func(Record) error) (bool, error) {
	s.logs.mu.Lock()
	r := s.logs.byName[name]
	s.logs.mu.Unlock()
	if r == nil {
		return false, nil
	}
	ch := make(chan Record, ringPending)
	r.mu.Lock()
	past := append([]Record(nil), r.records[max(0, len(r.records)-n):]...)
	if follow {
		r.readers[ch] = struct{}{}
	}
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		delete(r.readers, ch)
		r.mu.Unlock()
	}()
	for _, rec := range past {
		if err := each(rec); err != nil {
			return true, err
		}
	}
	for follow {
		select {
		case rec := <-ch:
			if err := each(rec); err != nil {
				return true, err
			}
		case <-ctx.Done():
			return true, nil
		case <-s.life.Done():
			return true, nil
		}
	}
	return true, nil
}
