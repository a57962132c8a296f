package sqlite

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
)

// moduleEvents is how many lines of history are kept of each module.
const moduleEvents = 500

// SaveModules keeps changes of different kinds, all of them or none. Code that no
// version needs any more is forgotten.
func (s *Store) SaveModules(ctx context.Context, changes ...call.ModuleChange) error {
	err := s.state.write(ctx, func() error {
		for i := range changes {
			if err := s.saveModules(&changes[i]); err != nil {
				return err
			}
		}
		for i := range changes { // also when the commit fails: who is told so reads again
			s.modules[changes[i].Kind]++
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("cannot keep versions of modules: %w", err)
	}
	for i := range changes {
		s.changed(store.TopicModules + changes[i].Kind)
	}
	return nil
}

// saveModules writes one kind's change.
func (s *Store) saveModules(c *call.ModuleChange) error {
	if c.Revision != s.modules[c.Kind] {
		return call.ErrRevision
	}
	for _, code := range c.Codes {
		sum := sha256.Sum256(code)
		if err := s.state.run("INSERT INTO module_code VALUES (?, ?) ON CONFLICT DO NOTHING", hex.EncodeToString(sum[:]), code); err != nil {
			return err
		}
	}
	for i := range c.Versions {
		if err := s.saveVersion(&c.Versions[i]); err != nil {
			return err
		}
	}
	for i := range c.Gone {
		v := &c.Gone[i]
		if err := s.state.run("DELETE FROM module_version WHERE kind = ? AND name = ? AND digest = ?", v.Kind, v.Name, v.Digest); err != nil {
			return err
		}
	}
	for i := range c.Lanes {
		if err := s.saveLanes(&c.Lanes[i]); err != nil {
			return err
		}
	}
	if err := s.saveEvents(c.Events); err != nil || len(c.Gone) == 0 {
		return err
	}
	return s.state.run("DELETE FROM module_code WHERE sha256 NOT IN (SELECT sha256 FROM module_version)")
}

func (s *Store) saveVersion(v *call.ModuleVersion) error {
	return s.state.run(`INSERT INTO module_version
		(kind, name, digest, label, sha256, tag, manifest, config, signer, origin, state, report, proven, served, pushed, changed)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (kind, name, digest) DO UPDATE SET state = excluded.state, report = excluded.report, proven = excluded.proven,
			served = excluded.served, label = excluded.label, changed = excluded.changed, signer = excluded.signer`,
		v.Kind, v.Name, v.Digest, v.Label, v.SHA256, v.Tag, notNull(v.Manifest), notNull(v.Config), v.Signer, v.Origin, v.State,
		notNull(v.Report), v.Proven, v.Served, millis(v.Pushed), millis(v.Changed))
}

func (s *Store) saveLanes(l *call.ModuleLanes) error {
	return s.state.run(`INSERT INTO module_lanes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (kind, name) DO UPDATE SET seed = excluded.seed, active = excluded.active, previous = excluded.previous,
			canary = excluded.canary, shadow = excluded.shadow, share = excluded.share, split_by = excluded.split_by, guard = excluded.guard`,
		l.Kind, l.Name, l.Seed, l.Active, l.Previous, l.Canary, l.Shadow, l.Share, l.By, notNull(l.Guard))
}

func (s *Store) saveEvents(events []call.ModuleEvent) error {
	for i := range events {
		e := &events[i]
		err := s.state.run("INSERT INTO module_event (kind, name, label, time, what, who, why) VALUES (?, ?, ?, ?, ?, ?, ?)",
			e.Kind, e.Name, e.Label, millis(e.Time), e.What, e.Who, e.Why)
		if err != nil {
			return err
		}
		err = s.state.run(`DELETE FROM module_event WHERE kind = ?1 AND name = ?2 AND id <=
			(SELECT id FROM module_event WHERE kind = ?1 AND name = ?2 ORDER BY id DESC LIMIT 1 OFFSET ?3)`, e.Kind, e.Name, moduleEvents)
		if err != nil {
			return err
		}
	}
	return nil
}

// notNull is b for a column that is never NULL.
func notNull(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// Modules is what is kept of one kind of module.
func (s *Store) Modules(ctx context.Context, kind string) (m call.ModuleState, err error) {
	fail := func(err error) (call.ModuleState, error) {
		return m, fmt.Errorf("cannot read versions of modules: %w", err)
	}
	s.state.mu.Lock()
	m.Revision = s.modules[kind] // before what it is of is read: a change between is noticed
	s.state.mu.Unlock()
	conn, err := s.lookups.Take(ctx)
	if err != nil {
		return fail(err)
	}
	defer s.lookups.Put(conn)
	for _, q := range []struct {
		query string
		row   func(*sqlite.Stmt)
	}{
		{`SELECT digest, label, sha256, tag, signer, origin, state, proven, served, pushed, changed, name, manifest, config, report
			FROM module_version WHERE kind = ? ORDER BY id`, func(st *sqlite.Stmt) { m.Versions = append(m.Versions, readVersion(st, kind)) }},
		{`SELECT name, seed, active, previous, canary, shadow, share, split_by, guard FROM module_lanes WHERE kind = ? ORDER BY name`,
			func(st *sqlite.Stmt) { m.Lanes = append(m.Lanes, readLanes(st, kind)) }},
		{`SELECT name, label, time, what, who, why FROM module_event WHERE kind = ? ORDER BY id`, func(st *sqlite.Stmt) {
			m.Events = append(m.Events, call.ModuleEvent{Kind: kind, Name: st.ColumnText(0), Label: st.ColumnText(1),
				Time: time.UnixMilli(st.ColumnInt64(2)).UTC(), What: st.ColumnText(3), Who: st.ColumnText(4), Why: st.ColumnText(5)})
		}},
	} {
		err := sqlitex.Execute(conn, q.query, &sqlitex.ExecOptions{Args: []any{kind}, ResultFunc: func(st *sqlite.Stmt) error {
			q.row(st)
			return nil
		}})
		if err != nil {
			return fail(err)
		}
	}
	return m, nil
}

func readVersion(st *sqlite.Stmt, kind string) call.ModuleVersion {
	return call.ModuleVersion{Kind: kind, Digest: st.ColumnText(0), Label: st.ColumnText(1), SHA256: st.ColumnText(2), Tag: st.ColumnText(3),
		Signer: st.ColumnText(4), Origin: st.ColumnText(5), State: st.ColumnText(6), Proven: st.ColumnBool(7), Served: st.ColumnBool(8),
		Pushed: time.UnixMilli(st.ColumnInt64(9)).UTC(), Changed: time.UnixMilli(st.ColumnInt64(10)).UTC(), Name: st.ColumnText(11),
		Manifest: blob(st, 12), Config: blob(st, 13), Report: blob(st, 14)}
}

func readLanes(st *sqlite.Stmt, kind string) call.ModuleLanes {
	return call.ModuleLanes{Kind: kind, Name: st.ColumnText(0), Seed: st.ColumnText(1), Active: st.ColumnText(2), Previous: st.ColumnText(3),
		Canary: st.ColumnText(4), Shadow: st.ColumnText(5), Share: st.ColumnFloat(6), By: st.ColumnText(7), Guard: blob(st, 8)}
}

// blob is a copy of a column, nil when it is empty.
func blob(st *sqlite.Stmt, col int) []byte {
	n := st.ColumnLen(col)
	if n == 0 {
		return nil
	}
	b := make([]byte, n)
	st.ColumnBytes(col, b)
	return b
}

// ModuleCode is the code with a SHA-256 in hexadecimal.
func (s *Store) ModuleCode(ctx context.Context, sum string) (code []byte, err error) {
	conn, err := s.lookups.Take(ctx)
	if err == nil {
		defer s.lookups.Put(conn)
		err = sqlitex.Execute(conn, "SELECT code FROM module_code WHERE sha256 = ?", &sqlitex.ExecOptions{Args: []any{sum},
			ResultFunc: func(st *sqlite.Stmt) error {
				code = blob(st, 0)
				return nil
			}})
	}
	if err == nil && code == nil {
		err = fmt.Errorf("it is not kept")
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read module with sha256 %q: %w", sum, err)
	}
	return code, nil
}
