package admin

import (
	"context"
	"net/http"
	"regexp"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Cache tells of the answers that are kept, and forgets them.
type Cache interface {
	CacheFigures(ctx context.Context) (CacheFigures, error)
	// PurgeCache forgets what matches, here and at all other gateways, and returns
	// how many answers that were here and where gateways share them.
	PurgeCache(ctx context.Context, p call.Purge) (int64, error)
}

// CacheFigures are what has come of the cache at this gateway since it started.
type CacheFigures struct {
	Exact    bool `json:"exact"`    // there is one
	Semantic bool `json:"semantic"` // there is one

	Hits     int64       `json:"hits"`
	Misses   int64       `json:"misses"`
	Saved    int64       `json:"-"` // nano-dollars
	SavedUSD usd         `json:"saved_usd"`
	Memory   CachePlace  `json:"memory"`
	Beyond   *CachePlace `json:"beyond,omitempty"` // the memory

	Stored  int64 `json:"stored"`
	Learnt  int64 `json:"learnt"`    // of them, by their meaning
	Large   int64 `json:"too_large"` // and so not stored
	Dropped int64 `json:"dropped"`   // that could not be stored fast enough
	Failed  int64 `json:"failed"`    // times that what lies beyond the memory failed
	Late    int64 `json:"late"`      // embeddings that were not there in time

	Rows []CacheRow `json:"rows"`
}

// CachePlace is where answers lie.
type CachePlace struct {
	Kind     string `json:"kind"` // memory, file, redis, postgres
	Entries  int64  `json:"entries"`
	Bytes    int64  `json:"bytes"`
	Limit    int64  `json:"max_bytes,omitempty"`
	Meanings int64  `json:"meanings,omitempty"`
	Evicted  int64  `json:"evicted,omitempty"`
}

// CacheRow is what a tenant has had for a model.
type CacheRow struct {
	Tenant   string `json:"tenant"`
	Model    string `json:"model"`
	Exact    int64  `json:"exact"`
	Semantic int64  `json:"semantic"`
	Misses   int64  `json:"misses"`
	Bypassed int64  `json:"bypassed"`
	Saved    int64  `json:"-"` // nano-dollars
	SavedUSD usd    `json:"saved_usd"`
}

var cacheKey = regexp.MustCompile(`^[0-9a-f]{64}$`)

func (s *Server) cacheRoutes(guarded map[string]route) {
	if s.opt.Cache == nil {
		return
	}
	guarded["GET /admin/cache"] = viewers(s.cacheFigures)
	guarded["DELETE /admin/cache"] = operators(s.purgeCache)
}

func (s *Server) cacheFigures(_ http.ResponseWriter, r *http.Request) (any, error) {
	f, err := s.opt.Cache.CacheFigures(r.Context())
	if err != nil {
		return nil, err
	}
	f.SavedUSD = usd(f.Saved)
	for i := range f.Rows {
		f.Rows[i].SavedUSD = usd(f.Rows[i].Saved)
	}
	return f, nil
}

func (s *Server) purgeCache(_ http.ResponseWriter, r *http.Request) (any, error) {
	q := r.URL.Query()
	p := call.Purge{Tenant: q.Get("tenant"), Model: q.Get("model"), Key: q.Get("key")}
	for name := range q {
		switch name {
		case "tenant", "model", "key", "all":
		default:
			return nil, invalid("%q picks nothing of the cache: give tenant, model, key, or all=true", name)
		}
	}
	if p.Key != "" && !cacheKey.MatchString(p.Key) {
		return nil, invalid("key is %q: a key of the cache has 64 hexadecimal digits", p.Key)
	}
	if all := q.Get("all") == "true"; all == (p != call.Purge{}) {
		return nil, invalid("it is not clear what is to be purged: give tenant, model or key, which all have to fit, or all=true")
	}
	n, err := s.opt.Cache.PurgeCache(r.Context(), p)
	return map[string]int64{"purged": n}, err
}
