package cache

import (
	"context"
	"time"

	"github.com/redis/rueidis"

	"github.com/signalbox-ai/signalbox/host/call"
)

// prefix is before the keys of entries in Redis.
const prefix = "signalbox:cache:"

// User is a way to a Redis.
type User interface {
	Use(ctx context.Context, f func(context.Context, rueidis.Client) error) error
}

// Redis is a tier that gateways share. What is purged there is void at once, as
// Cache.Void has it, and goes when it expires.
type Redis struct{ User }

// Get implements Tier.
func (r Redis) Get(ctx context.Context, k Key) (sealed []byte, err error) {
	err = r.Use(ctx, func(ctx context.Context, c rueidis.Client) error {
		sealed, err = c.Do(ctx, c.B().Get().Key(prefix+string(k[:])).Build()).AsBytes()
		if rueidis.IsRedisNil(err) {
			return nil
		}
		return err
	})
	return sealed, err
}

// Put implements Tier.
func (r Redis) Put(ctx context.Context, e *Entry, sealed []byte) error {
	left := time.Until(time.UnixMilli(e.Expires))
	if left <= 0 {
		return nil
	}
	return r.Use(ctx, func(ctx context.Context, c rueidis.Client) error {
		return c.Do(ctx, c.B().Set().Key(prefix+string(e.Key[:])).Value(rueidis.BinaryString(sealed)).Px(left).Build()).Error()
	})
}

// Purge implements Tier.
func (r Redis) Purge(ctx context.Context, m call.Purge) (n int64, err error) {
	if m.Key == "" {
		return 0, nil
	}
	k, err := ParseKey(m.Key)
	if err != nil {
		return 0, err
	}
	err = r.Use(ctx, func(ctx context.Context, c rueidis.Client) error {
		n, err = c.Do(ctx, c.B().Unlink().Key(prefix+string(k[:])).Build()).AsInt64()
		return err
	})
	return n, err
}
