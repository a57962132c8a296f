package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
)

// moduleEvents is how many lines of history are kept of each module.
const moduleEvents = 500

// SaveModules keeps changes of different kinds, all of them or none. Code that no
// version needs any more is forgotten.
func (s *Store) SaveModules(ctx context.Context, changes ...call.ModuleChange) error {
	err := s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		for i := range changes {
			topic := store.TopicModules + changes[i].Kind
			if err := unchanged(ctx, tx, topic, changes[i].Revision); err != nil {
				return err
			}
			if err := saveModules(ctx, tx, &changes[i]); err != nil {
				return err
			}
			if err := announce(ctx, tx, topic); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("cannot keep versions of modules: %w", err)
	}
	return nil
}

// saveModules writes one kind's change.
func saveModules(ctx context.Context, tx pgx.Tx, c *call.ModuleChange) error {
	var b pgx.Batch
	for _, code := range c.Codes {
		sum := sha256.Sum256(code)
		b.Queue("INSERT INTO module_code (sha256, code) VALUES ($1, $2) ON CONFLICT DO NOTHING", hex.EncodeToString(sum[:]), code)
	}
	for i := range c.Versions {
		queueVersion(&b, &c.Versions[i])
	}
	for i := range c.Gone {
		v := &c.Gone[i]
		b.Queue("DELETE FROM module_version WHERE kind = $1 AND name = $2 AND digest = $3", v.Kind, v.Name, v.Digest)
	}
	for i := range c.Lanes {
		queueLanes(&b, &c.Lanes[i])
	}
	for i := range c.Events {
		queueEvent(&b, &c.Events[i])
	}
	if len(c.Gone) > 0 {
		b.Queue("DELETE FROM module_code WHERE sha256 NOT IN (SELECT sha256 FROM module_version)")
	}
	return tx.SendBatch(ctx, &b).Close()
}

// unchanged is an error where the version of topic is another; nobody changes it
// until tx ends.
func unchanged(ctx context.Context, tx pgx.Tx, topic string, version int64) error {
	if _, err := tx.Exec(ctx, "INSERT INTO change (topic, version) VALUES ($1, 0) ON CONFLICT DO NOTHING", topic); err != nil {
		return err
	}
	var now int64
	err := tx.QueryRow(ctx, "SELECT version FROM change WHERE topic = $1 FOR UPDATE", topic).Scan(&now)
	if err == nil && now != version {
		err = call.ErrRevision
	}
	return err
}

func queueVersion(b *pgx.Batch, v *call.ModuleVersion) {
	b.Queue(`INSERT INTO module_version
		(kind, name, digest, label, sha256, tag, manifest, config, signer, origin, state, report, proven, served, pushed, changed)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
		ON CONFLICT (kind, name, digest) DO UPDATE SET state = excluded.state, report = excluded.report, proven = excluded.proven,
			served = excluded.served, label = excluded.label, changed = excluded.changed, signer = excluded.signer`,
		v.Kind, v.Name, v.Digest, v.Label, v.SHA256, v.Tag, notNull(v.Manifest), notNull(v.Config), v.Signer, v.Origin, v.State,
		notNull(v.Report), v.Proven, v.Served, millis(v.Pushed), millis(v.Changed))
}

func queueLanes(b *pgx.Batch, l *call.ModuleLanes) {
	b.Queue(`INSERT INTO module_lanes (kind, name, seed, active, previous, canary, shadow, share, split_by, guard)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (kind, name) DO UPDATE SET seed = excluded.seed, active = excluded.active, previous = excluded.previous,
			canary = excluded.canary, shadow = excluded.shadow, share = excluded.share, split_by = excluded.split_by, guard = excluded.guard`,
		l.Kind, l.Name, l.Seed, l.Active, l.Previous, l.Canary, l.Shadow, l.Share, l.By, notNull(l.Guard))
}

func queueEvent(b *pgx.Batch, e *call.ModuleEvent) {
	b.Queue("INSERT INTO module_event (kind, name, label, time, what, who, why) VALUES ($1, $2, $3, $4, $5, $6, $7)",
		e.Kind, e.Name, e.Label, millis(e.Time), e.What, e.Who, e.Why)
	b.Queue(`DELETE FROM module_event WHERE kind = $1 AND name = $2 AND id <=
		(SELECT id FROM module_event WHERE kind = $1 AND name = $2 ORDER BY id DESC LIMIT 1 OFFSET $3)`, e.Kind, e.Name, moduleEvents)
}

// Modules is what is kept of one kind of module, as of one moment.
func (s *Store) Modules(ctx context.Context, kind string) (m call.ModuleState, err error) {
	err = s.snapshot(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		err = tx.QueryRow(ctx, "SELECT coalesce(max(version), 0) FROM change WHERE topic = $1", store.TopicModules+kind).Scan(&m.Revision)
		if err != nil {
			return err
		}
		if m.Versions, err = collect(ctx, tx, `SELECT kind, digest, label, sha256, tag, signer, origin, state, proven, served, pushed, changed, name, manifest, config, report
			FROM module_version WHERE kind = $1 ORDER BY id`, []any{kind}, readVersion); err != nil {
			return err
		}
		if m.Lanes, err = collect(ctx, tx, `SELECT kind, name, seed, active, previous, canary, shadow, share, split_by, guard
			FROM module_lanes WHERE kind = $1 ORDER BY name COLLATE "C"`, []any{kind}, readLanes); err != nil {
			return err
		}
		m.Events, err = collect(ctx, tx, "SELECT kind, name, label, time, what, who, why FROM module_event WHERE kind = $1 ORDER BY id", []any{kind}, readEvent)
		return err
	})
	if err != nil {
		return m, fmt.Errorf("cannot read versions of modules: %w", err)
	}
	return m, nil
}

func readVersion(row pgx.CollectableRow) (v call.ModuleVersion, err error) {
	var pushed, changed int64
	err = row.Scan(&v.Kind, &v.Digest, &v.Label, &v.SHA256, &v.Tag, &v.Signer, &v.Origin, &v.State, &v.Proven, &v.Served,
		&pushed, &changed, &v.Name, &v.Manifest, &v.Config, &v.Report)
	v.Manifest, v.Config, v.Report = some(v.Manifest), some(v.Config), some(v.Report)
	v.Pushed, v.Changed = time.UnixMilli(pushed).UTC(), time.UnixMilli(changed).UTC()
	return v, err
}

func readLanes(row pgx.CollectableRow) (l call.ModuleLanes, err error) {
	err = row.Scan(&l.Kind, &l.Name, &l.Seed, &l.Active, &l.Previous, &l.Canary, &l.Shadow, &l.Share, &l.By, &l.Guard)
	l.Guard = some(l.Guard)
	return l, err
}

func readEvent(row pgx.CollectableRow) (e call.ModuleEvent, err error) {
	var at int64
	err = row.Scan(&e.Kind, &e.Name, &e.Label, &at, &e.What, &e.Who, &e.Why)
	e.Time = time.UnixMilli(at).UTC()
	return e, err
}

// ModuleCode is the code with a SHA-256 in hexadecimal.
func (s *Store) ModuleCode(ctx context.Context, sum string) ([]byte, error) {
	codes, err := list(ctx, s.db, "SELECT code FROM module_code WHERE sha256 = $1", []any{sum}, pgx.RowTo[[]byte])
	if err == nil && len(codes) == 0 {
		err = errors.New("it is not kept")
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read module with sha256 %q: %w", sum, err)
	}
	return codes[0], nil
}
