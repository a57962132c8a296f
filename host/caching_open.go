package host

import (
	"context"
	"path/filepath"

	"github.com/signalbox-ai/signalbox/host/cache"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/host/store/postgres"
)

// openCache opens what keeps answers, where the configuration asks for it.
func (h *Host) openCache(ctx context.Context, cfg *config.Config) error {
	if !cfg.Cache.On() {
		return nil
	}
	secret, err := h.secret(ctx, "cache", cache.SecretLen)
	if err != nil {
		return err
	}
	e := cfg.Cache.Exact
	if e == nil {
		e = &config.ExactCache{MaxEntry: 1 << 20}
	}
	opt := cache.Options{Memory: int64(e.Memory), MaxEntry: int64(e.MaxEntry), Secret: secret, Log: h.log}
	if err := h.openTiers(ctx, cfg, &opt); err != nil {
		return err
	}
	if h.cache, err = cache.New(opt); err != nil {
		return err
	}
	if cfg.Cache.Semantic != nil {
		h.learner = newLearner(h.cache)
	}
	return h.purged(ctx)
}

// meaningful is a store that can keep meanings.
type meaningful interface {
	Meanings(ctx context.Context, most int) (*postgres.Meanings, error)
}

// meaningStore is the store of all gateways, nil: it is this one's alone.
func (h *Host) meaningStore() meaningful {
	s := h.store
	if o, ok := s.(interface{ itself() store.Store }); ok {
		s = o.itself()
	}
	m, _ := s.(meaningful)
	return m
}

// openTiers opens what lies beyond the memory: a Redis where there is one, else
// a file, and for meanings PostgreSQL where that is the store, else the file.
func (h *Host) openTiers(ctx context.Context, cfg *config.Config, opt *cache.Options) (err error) {
	disk, meanings := int64(0), 0
	if e := cfg.Cache.Exact; e != nil {
		disk = int64(e.Disk)
	}
	if h.redis != nil && cfg.Cache.Exact != nil {
		opt.Tier, disk = cache.Redis{User: h.redis}, 0
	}
	if s := cfg.Cache.Semantic; s != nil {
		if shared := h.meaningStore(); shared != nil {
			if h.meanings, err = shared.Meanings(ctx, s.MaxEntries); err != nil {
				return err
			}
			opt.Meanings = h.meanings
		} else {
			meanings = s.MaxEntries
		}
	}
	if disk == 0 && meanings == 0 {
		return nil
	}
	if h.cacheFile, err = cache.OpenFile(filepath.Join(h.dir, "cache.db"), disk, meanings); err != nil {
		return err
	}
	if disk > 0 {
		opt.Tier = h.cacheFile
	}
	if meanings > 0 {
		opt.Meanings = h.cacheFile
	}
	return nil
}

// closeCache ends what openCache began.
func (h *Host) closeCache() error {
	h.learner.Stop()
	if h.cache != nil {
		h.cache.Close()
	}
	if h.cacheFile != nil {
		return h.cacheFile.Close()
	}
	return nil
}

// cacheSizes are what only a restart can change.
func cacheSizes(c config.Cache) (out [5]int64) {
	if e := c.Exact; e != nil {
		out = [5]int64{1, int64(e.Memory), int64(e.Disk), int64(e.MaxEntry)}
	}
	if c.Semantic != nil {
		out[4] = int64(c.Semantic.MaxEntries)
	}
	return out
}
