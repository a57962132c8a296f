package call

// Cached says whose answer a request was given.
type Cached uint8

// The ways of answering without asking anew.
const (
	CacheNone     Cached = iota // its own
	CacheExact                  // of an earlier request that was the same
	CacheSemantic               // of an earlier request that means the same
	CacheShared                 // of one that ran beside it and was the same
)

// CachedNames are the stable names of Cached, in its order.
var CachedNames = [...]string{"", "exact", "semantic", "shared"}

// String returns the stable name, "" of CacheNone.
func (c Cached) String() string { return CachedNames[c] }
