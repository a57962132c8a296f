package host

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/signalbox-ai/signalbox/host/admin"
	"github.com/signalbox-ai/signalbox/host/cache"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/host/telemetry"
)

const (
	// kindPurge is that of the one document that tells all gateways what was purged.
	kindPurge = "cache_purge"
	// maxPurges bounds it: beyond that all that is older is void.
	maxPurges = 1000
	// purgeLife is for how long a purge matters: nothing is kept for longer.
	purgeLife = 30 * 24 * time.Hour
)

// purged takes in what was purged, here or at another gateway.
func (h *Host) purged(ctx context.Context) error {
	if h.cache == nil {
		return nil
	}
	_, list, err := h.purges(ctx)
	if err == nil {
		h.cache.Void(list)
	}
	return err
}

func (h *Host) purges(ctx context.Context) (d call.Document, list []call.Purge, err error) {
	docs, err := h.store.Documents(ctx, kindPurge)
	if err != nil {
		return d, nil, err
	}
	d = call.Document{Kind: kindPurge, Name: "all"}
	if len(docs) > 0 {
		d = docs[0]
		err = json.Unmarshal(d.Body, &list)
	}
	return d, list, err
}

func (h *Host) cacheChanged(ctx context.Context, topic string) error {
	if topic != "" && topic != store.TopicDocuments+kindPurge {
		return nil
	}
	return h.purged(ctx)
}

// PurgeCache implements admin.Cache.
func (h *Host) PurgeCache(ctx context.Context, p call.Purge) (n int64, err error) {
	if h.cache == nil {
		return 0, nil
	}
	p.Before = time.Now().UnixMilli()
	for {
		d, list, err := h.purges(ctx)
		if err != nil {
			return 0, err
		}
		if d.Body, err = json.Marshal(withPurge(list, p)); err != nil {
			return 0, err
		}
		if _, err = h.store.PutDocument(ctx, d); err == nil {
			break
		} else if !errors.Is(err, call.ErrRevision) { // else another was first
			return 0, err
		}
	}
	n, err = h.cache.Purge(ctx, p)
	return n, errors.Join(err, h.purged(ctx))
}

// withPurge is list with p, without those that say nothing any more.
func withPurge(list []call.Purge, p call.Purge) []call.Purge {
	list = slices.DeleteFunc(list, func(q call.Purge) bool {
		same := q.Tenant == p.Tenant && q.Model == p.Model && q.Key == p.Key
		return same || p.Tenant == "" && p.Model == "" && p.Key == "" || q.Before < p.Before-purgeLife.Milliseconds()
	})
	if len(list) >= maxPurges {
		return []call.Purge{{Before: p.Before}}
	}
	return append(list, p)
}

// CacheFigures implements admin.Cache.
func (h *Host) CacheFigures(ctx context.Context) (f admin.CacheFigures, err error) {
	f.Rows = []admin.CacheRow{}
	f.Memory.Kind = "memory"
	if h.cache == nil {
		return f, nil
	}
	cfg := h.gen.Load().cfg.Cache
	f.Exact, f.Semantic = cfg.Exact != nil, cfg.Semantic != nil
	s := h.cache.Stats()
	f.Memory = admin.CachePlace{Kind: "memory", Entries: s.Entries, Bytes: s.Bytes, Limit: s.Limit, Evicted: s.Evicted}
	f.Stored, f.Learnt, f.Large, f.Dropped, f.Failed, f.Late = s.Stored, s.Learnt, s.Large, s.Dropped, s.Failed, s.Late
	for i := range s.Rows {
		r := &s.Rows[i]
		f.Hits, f.Misses, f.Saved = f.Hits+r.Exact+r.Semantic, f.Misses+r.Misses, f.Saved+r.Saved
		f.Rows = append(f.Rows, admin.CacheRow{Tenant: r.Tenant, Model: r.Model, Exact: r.Exact, Semantic: r.Semantic, Misses: r.Misses,
			Bypassed: r.Bypassed, Saved: r.Saved})
	}
	f.Beyond, err = h.cacheBeyond(ctx)
	return f, err
}

// cacheBeyond tells of what lies beyond the memory, nil: nothing does.
func (h *Host) cacheBeyond(ctx context.Context) (*admin.CachePlace, error) {
	p := admin.CachePlace{}
	if h.redis != nil && h.cache.Beyond() {
		p.Kind = "redis" // which tells itself what it holds
	}
	if h.cacheFile != nil {
		size, err := h.cacheFile.Size(ctx)
		if err != nil {
			return nil, err
		}
		if p.Kind == "" {
			p.Kind = "file"
		}
		p.Entries, p.Bytes, p.Limit, p.Meanings = size.Entries, size.Bytes, size.Limit, size.Meanings
	}
	if h.meanings != nil {
		n, err := h.meanings.Kept(ctx)
		if err != nil {
			return nil, err
		}
		if p.Kind == "" {
			p.Kind = "postgres"
		}
		p.Meanings = n
	}
	if p.Kind == "" {
		return nil, nil
	}
	return &p, nil
}

// cacheFamilies are the cache's counters.
func (h *Host) cacheFamilies() []telemetry.Family {
	if h.cache == nil {
		return nil
	}
	one := func(name, help string, value func(*cache.Stats) int64) telemetry.Family {
		return telemetry.Family{Name: name, Help: help, Collect: func(emit telemetry.Emit) {
			s := h.cache.Stats()
			emit(float64(value(&s)))
		}}
	}
	return []telemetry.Family{
		{Name: "cache_lookups_total", Help: "Lookups in the cache by what they came to.", Labels: []string{"model", "result"}, Collect: h.collectLookups},
		{Name: "cache_saved_usd_total", Help: "Dollars that answers of the cache had cost.", Labels: []string{"model"}, Collect: h.collectSaved},
		one("cache_entries", "Answers in the cache's memory.", func(s *cache.Stats) int64 { return s.Entries }),
		one("cache_bytes", "Bytes that the cache's memory holds.", func(s *cache.Stats) int64 { return s.Bytes }),
		one("cache_evicted_total", "Answers that had to go for want of memory.", func(s *cache.Stats) int64 { return s.Evicted }),
		one("cache_stored_total", "Answers that were kept.", func(s *cache.Stats) int64 { return s.Stored }),
		one("cache_dropped_total", "Answers that could not be kept fast enough beyond the memory.", func(s *cache.Stats) int64 { return s.Dropped }),
		one("cache_failures_total", "Times that what lies beyond the cache's memory failed.", func(s *cache.Stats) int64 { return s.Failed }),
		one("cache_late_embeddings_total", "Embeddings that were not there in time for a lookup by meaning.", func(s *cache.Stats) int64 { return s.Late }),
	}
}

// byModel sums up the figures of all tenants.
func (h *Host) byModel() map[string]cache.RowStats {
	sums := map[string]cache.RowStats{}
	for _, r := range h.cache.Stats().Rows {
		s := sums[r.Model]
		s.Exact, s.Semantic, s.Misses, s.Bypassed, s.Saved = s.Exact+r.Exact, s.Semantic+r.Semantic, s.Misses+r.Misses, s.Bypassed+r.Bypassed, s.Saved+r.Saved
		sums[r.Model] = s
	}
	return sums
}

func (h *Host) collectLookups(emit telemetry.Emit) {
	for model, s := range h.byModel() {
		emit(float64(s.Exact), model, "exact")
		emit(float64(s.Semantic), model, "semantic")
		emit(float64(s.Misses), model, "miss")
		emit(float64(s.Bypassed), model, "bypassed")
	}
}

func (h *Host) collectSaved(emit telemetry.Emit) {
	for model, s := range h.byModel() {
		emit(float64(s.Saved)/1e9, model)
	}
}
