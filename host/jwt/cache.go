package jwt

import (
	"hash/maphash"
	"sync/atomic"

	"github.com/signalbox-ai/signalbox/host/call"
)

// cacheSlots bounds the tokens that are remembered, 8 KB each at most.
const cacheSlots = 4096 // a power of two

// cache remembers tokens in slots, without locks. Which one a token takes is
// told by a hash of its end, part of a signature: whoever does not have the
// token does not get as far as the comparison of the whole, which therefore
// need not take the same time for all. The bytes are kept rather than a digest,
// which would take several times as long to make as all the rest.
type cache struct {
	seed  maphash.Seed
	slots [cacheSlots]atomic.Pointer[verified]
}

// verified is a token that was good. It is immutable.
type verified struct {
	hash      uint64
	token     string
	header    string
	epoch     uint64
	until     int64 // Unix seconds
	principal *call.Principal
}

// hashed is how much of a token's end chooses its slot.
const hashed = 40

func (c *cache) hash(token []byte) uint64 {
	return maphash.Bytes(c.seed, token[max(0, len(token)-hashed):])
}

func (c *cache) get(hash uint64, token []byte, header string, epoch uint64, now int64) *call.Principal {
	at := hash % cacheSlots
	for _, i := range [...]uint64{at, at ^ 1} {
		if e := c.slots[i].Load(); e != nil && e.hash == hash && e.epoch == epoch && now < e.until && e.header == header && e.token == string(token) {
			return e.principal
		}
	}
	return nil
}

// put takes the slot that is free, or that of the token that ends first.
func (c *cache) put(e *verified) {
	at := e.hash % cacheSlots
	a, b := c.slots[at].Load(), c.slots[at^1].Load()
	if a != nil && (b == nil || b.epoch != e.epoch || a.epoch == e.epoch && b.until < a.until) {
		at ^= 1
	}
	c.slots[at].Store(e)
}
