package telemetry

import "github.com/signalbox-ai/signalbox/sdk/wire"

// numUnits is how many of a usage's buckets are counted: the last is money.
const numUnits = wire.NumBuckets - 1

// millis is the bucket that is shown in seconds.
const millis = wire.TokenBuckets + 1

// used counts n of a bucket that few targets have. Its counter exists once it
// has occurred.
func (t *target) used(m *Metrics, bucket int, n int64) {
	c := t.rare[bucket].Load()
	if c == nil {
		switch name := wire.BucketNames[bucket]; {
		case bucket < wire.TokenBuckets:
			c = &counter{m.tokens.WithLabelValues(t.name, name)}
		case bucket == millis:
			c = &counter{m.units.WithLabelValues(t.name, "audio_seconds")}
		default:
			c = &counter{m.units.WithLabelValues(t.name, name)}
		}
		t.rare[bucket].Store(c) // a racing store holds the same counter
	}
	if bucket == millis {
		c.Add(float64(n) / 1000)
		return
	}
	c.Add(float64(n))
}

// missed counts by how many nano-dollars the catalogue was above the cost that
// the provider told.
func (t *target) missed(m *Metrics, by int64) {
	i, direction := 0, "over"
	if by < 0 {
		i, direction, by = 1, "under", -by
	}
	c := t.misses[i].Load()
	if c == nil {
		c = &counter{m.misses.WithLabelValues(t.name, direction)}
		t.misses[i].Store(c)
	}
	c.Add(float64(by) / 1e9)
}
