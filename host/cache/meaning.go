package cache

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"math/rand/v2"

	"github.com/signalbox-ai/signalbox/host/call"
)

// maxCompared bounds the meanings that one request is compared with: of more
// the youngest.
const maxCompared = 2000

// Meanings keep and compare what requests mean.
type Meanings interface {
	Learn(ctx context.Context, m *call.Meaning) error
	// Near returns the nearest of a part. It looks at the youngest few thousand.
	Near(ctx context.Context, part [32]byte, vector []float32, nowMS int64) (call.Near, error)
	// PurgeMeanings forgets what matches, and returns how many meanings that were.
	PurgeMeanings(ctx context.Context, m call.Purge) (int64, error)
}

// TierSize is how much a tier keeps.
type TierSize struct {
	Entries, Bytes, Limit int64
	Meanings              int64
}

// veil hides what vectors say from those who see where they lie: their
// coordinates are moved and turned about as a secret says, which leaves the
// angles between them as they are. It is no encryption.
type veil struct{ seed [32]byte }

func newVeil(secret []byte) veil {
	h := hmac.New(sha256.New, secret)
	_, _ = h.Write([]byte("veil")) // a hash takes all
	return veil{[32]byte(h.Sum(nil))}
}

// over returns v at length 1, veiled; nil: it has no direction.
func (u *veil) over(v []float32) []float32 {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	if !(sum > 0) || math.IsInf(sum, 0) {
		return nil
	}
	scale := 1 / math.Sqrt(sum)
	rng := rand.New(rand.NewChaCha8(u.seed))
	out := make([]float32, len(v))
	for i, to := range rng.Perm(len(v)) {
		x := float32(float64(v[i]) * scale)
		if rng.Uint64()&1 == 0 {
			x = -x
		}
		out[to] = x
	}
	return out
}

// floats are v's as SQLite's extension has them.
func floats(v []float32) []byte {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}
