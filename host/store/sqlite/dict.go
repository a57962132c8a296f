package sqlite

import (
	"errors"

	"zombiezen.com/go/sqlite"

	"github.com/signalbox-ai/signalbox/host/call"
)

// dict gives numbers to what rows of the ledger share: who asked, which way
// the request went, how it ended. It remembers those in use.
type dict struct {
	principals table[[6]string]
	flows      table[flow]
	outcomes   table[outcome]
}

type flow struct {
	op, dialect, stream, cached          int64
	asked, target, route, policy, origin string
}

type outcome struct {
	status, class, provenance int64
	code                      string
}

// table is one kind of shared value and its rows.
type table[K comparable] struct {
	ids    map[K]int64
	insert *sqlite.Stmt // that value's row, made if missing; returns its id
}

// maxKnown bounds what is remembered of one kind; what callers send must not
// fill memory.
const maxKnown = 16 << 10

func (d *dict) prepare(on *db) (err error) {
	d.reset()
	// The update changes nothing, but has RETURNING give the row that is there.
	if d.principals.insert, err = on.prepare(`INSERT INTO principal (key_id, key_name, org, project, team, user)
		VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET key_id = key_id RETURNING id`); err != nil {
		return err
	}
	if d.flows.insert, err = on.prepare(`INSERT INTO flow (op, dialect, stream, asked, target, route, policy, origin, cached)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET op = op RETURNING id`); err != nil {
		return err
	}
	d.outcomes.insert, err = on.prepare(`INSERT INTO outcome (status, class, code, provenance)
		VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET code = code RETURNING id`)
	return err
}

func (d *dict) reset() {
	d.principals.ids, d.flows.ids, d.outcomes.ids = map[[6]string]int64{}, map[flow]int64{}, map[outcome]int64{}
}

func (d *dict) principal(r *call.Record) (int64, error) {
	k := [6]string{r.KeyID, r.KeyName, r.Org, r.Project, r.Team, r.User}
	return d.principals.id(k, func(s *sqlite.Stmt) {
		for i, v := range k {
			s.BindText(i+1, v)
		}
	})
}

func (d *dict) flow(r *call.Record) (int64, error) {
	k := flow{op: int64(r.Op), dialect: int64(r.Dialect), cached: int64(r.Cached), origin: r.Origin, asked: r.Asked, target: r.Target, route: r.Route, policy: r.Policy}
	if r.Stream {
		k.stream = 1
	}
	return d.flows.id(k, func(s *sqlite.Stmt) {
		s.BindText(1, r.Op.String())
		s.BindText(2, r.Dialect.String())
		s.BindInt64(3, k.stream)
		for i, v := range [...]string{k.asked, k.target, k.route, k.policy, k.origin, r.Cached.String()} {
			s.BindText(i+4, v)
		}
	})
}

func (d *dict) outcome(r *call.Record) (int64, error) {
	k := outcome{status: int64(r.Status), class: int64(r.Class), provenance: int64(r.Provenance), code: r.Code}
	return d.outcomes.id(k, func(s *sqlite.Stmt) {
		s.BindInt64(1, k.status)
		s.BindText(2, r.Class.String())
		s.BindText(3, r.Code)
		s.BindText(4, r.Provenance.String())
	})
}

// id is the number of k; bind fills the statement that finds or makes its row.
func (t *table[K]) id(k K, bind func(*sqlite.Stmt)) (int64, error) {
	if id, ok := t.ids[k]; ok {
		return id, nil
	}
	bind(t.insert)
	row, err := t.insert.Step()
	if err != nil {
		return 0, err
	}
	if !row {
		return 0, errors.Join(errors.New("BUG: insert returned no row"), t.insert.Reset())
	}
	id := t.insert.ColumnInt64(0)
	if err := exec(t.insert); err != nil {
		return 0, err
	}
	if len(t.ids) >= maxKnown {
		clear(t.ids)
	}
	t.ids[k] = id
	return id, nil
}
