package postgres

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
)

const (
	// maxCompared bounds the meanings that one is compared with where the server
	// does it, maxFetched where it is done here.
	maxCompared = 2000
	maxFetched  = 500
	// meaningConns is how many connections this may take: the others are for money.
	meaningConns = 2
)

// Meanings are kept answers by what was meant by their requests. Comparing them
// goes past the breaker of what money rests on: a request gives up on it long
// before the database would be called slow.
type Meanings struct {
	db   *db
	max  int
	free chan struct{}
	// vectors: the server has the extension pgvector, in that schema.
	vectors bool
}

// Meanings returns the store's, of which at most so many are kept.
func (s *Store) Meanings(ctx context.Context, most int) (*Meanings, error) {
	m := &Meanings{db: s.db, max: most, free: make(chan struct{}, meaningConns)}
	err := m.use(ctx, func(c *pgxpool.Conn) error {
		return c.QueryRow(ctx, "SELECT to_regtype('vector') IS NOT NULL").Scan(&m.vectors)
	})
	if err != nil {
		return nil, fmt.Errorf("cannot see whether the database has pgvector: %w", err)
	}
	return m, nil
}

func (m *Meanings) use(ctx context.Context, f func(*pgxpool.Conn) error) error {
	if m.db.breaker.open() {
		return store.ErrUnavailable
	}
	select {
	case m.free <- struct{}{}:
		defer func() { <-m.free }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return m.db.pool.AcquireFunc(ctx, f)
}

// Learn keeps a meaning. Beyond the most that are kept, the oldest go.
func (m *Meanings) Learn(ctx context.Context, v *call.Meaning) error {
	return m.use(ctx, func(c *pgxpool.Conn) error {
		var id int64
		err := c.QueryRow(ctx, `INSERT INTO cache_meaning (part, key, tenant, model, made, expires, vector, sealed)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id`,
			v.Part[:], v.Key[:], v.Tenant, v.Model, v.Made, v.Expires, v.Vector, v.Sealed).Scan(&id)
		if err != nil || id%64 != 0 {
			return err
		}
		_, err = c.Exec(ctx, `DELETE FROM cache_meaning WHERE expires <= $1
			OR id <= (SELECT id FROM cache_meaning ORDER BY id DESC OFFSET $2 LIMIT 1)`, v.Made, m.max)
		return err
	})
}

// Near returns the nearest of a part.
func (m *Meanings) Near(ctx context.Context, part [32]byte, vector []float32, nowMS int64) (n call.Near, err error) {
	err = m.use(ctx, func(c *pgxpool.Conn) error {
		if m.vectors {
			n, err = nearThere(ctx, c, part, vector, nowMS)
		} else {
			n, err = nearHere(ctx, c, part, vector, nowMS)
		}
		return err
	})
	return n, err
}

// nearThere has pgvector compare.
func nearThere(ctx context.Context, c *pgxpool.Conn, part [32]byte, vector []float32, nowMS int64) (n call.Near, err error) {
	var key []byte
	err = c.QueryRow(ctx, `SELECT key, sealed, (vector::vector <=> $2::real[]::vector)::float8 AS d FROM
		(SELECT * FROM cache_meaning WHERE part = $1 AND expires > $3 AND cardinality(vector) = cardinality($2::real[]) ORDER BY id DESC LIMIT $4) AS young
		ORDER BY d LIMIT 1`, part[:], vector, nowMS, maxCompared).Scan(&key, &n.Sealed, &n.Distance)
	copy(n.Key[:], key)
	if errors.Is(err, pgx.ErrNoRows) {
		return call.Near{}, nil
	}
	return n, err
}

// nearHere fetches the vectors and compares them.
func nearHere(ctx context.Context, c *pgxpool.Conn, part [32]byte, vector []float32, nowMS int64) (n call.Near, err error) {
	rows, err := c.Query(ctx, `SELECT id, array_send(vector) FROM cache_meaning
		WHERE part = $1 AND expires > $2 AND cardinality(vector) = $3 ORDER BY id DESC LIMIT $4`, part[:], nowMS, len(vector), maxFetched)
	if err != nil {
		return n, err
	}
	var id, nearest int64
	var raw pgtype.DriverBytes // valid until the next row
	best := math.Inf(-1)
	_, err = pgx.ForEachRow(rows, []any{&id, &raw}, func() error {
		if like := dot(vector, raw); like > best {
			best, nearest = like, id
		}
		return nil
	})
	if err != nil || math.IsInf(best, -1) {
		return n, err
	}
	var key []byte
	err = c.QueryRow(ctx, "SELECT key, sealed FROM cache_meaning WHERE id = $1", nearest).Scan(&key, &n.Sealed)
	if errors.Is(err, pgx.ErrNoRows) { // it has gone meanwhile
		return call.Near{}, nil
	}
	n.Distance = 1 - best
	copy(n.Key[:], key)
	return n, err
}

// dot multiplies v by an array as the server sends it: a head of 20 bytes, then
// each number with its length before it.
func dot(v []float32, array []byte) (sum float64) {
	const head, each = 20, 8
	if len(array) != head+each*len(v) {
		return math.Inf(-1) // it holds nulls, or is not one row of numbers
	}
	for i, x := range v {
		sum += float64(x) * float64(math.Float32frombits(binary.BigEndian.Uint32(array[head+each*i+4:])))
	}
	return sum
}

// PurgeMeanings forgets what matches, and returns how many meanings that were.
func (m *Meanings) PurgeMeanings(ctx context.Context, p call.Purge) (n int64, err error) {
	var key []byte
	if p.Key != "" {
		if key, err = hex.DecodeString(p.Key); err != nil {
			return 0, fmt.Errorf("cannot read key %q of the cache: %w", p.Key, err)
		}
	}
	err = m.use(ctx, func(c *pgxpool.Conn) error {
		tag, err := c.Exec(ctx, `DELETE FROM cache_meaning WHERE ($1 = '' OR tenant = $1) AND ($2 = '' OR model = $2)
			AND ($3::bytea IS NULL OR key = $3) AND ($4::bigint = 0 OR made <= $4)`, p.Tenant, p.Model, key, p.Before)
		n = tag.RowsAffected()
		return err
	})
	return n, err
}

// Kept tells how many meanings there are.
func (m *Meanings) Kept(ctx context.Context) (n int64, err error) {
	err = m.use(ctx, func(c *pgxpool.Conn) error {
		return c.QueryRow(ctx, "SELECT count(*) FROM cache_meaning").Scan(&n)
	})
	return n, err
}
