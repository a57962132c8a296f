package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/signalbox-ai/signalbox/host/call"
)

// dicts give numbers to what rows of the ledger share: who asked, which way the
// request went, how it ended. All nodes use the same.
type dicts struct {
	principals dict[[6]string]
	flows      dict[flow]
	outcomes   dict[outcome]
}

type flow struct {
	op, dialect, asked, target, route, policy, origin, cached string
	stream                                                    int64
}

type outcome struct {
	status                  int64
	class, code, provenance string
}

// dict is one kind of shared value and what is known of it.
type dict[K comparable] struct {
	known map[K]int64
	fresh map[K]bool // to be learnt
}

// maxKnown bounds what is remembered of one kind; what callers send must not
// fill memory.
const maxKnown = 16 << 10

func principalOf(r *call.Record) [6]string {
	return [6]string{r.KeyID, r.KeyName, r.Org, r.Project, r.Team, r.User}
}

func flowOf(r *call.Record) flow {
	f := flow{op: r.Op.String(), dialect: r.Dialect.String(), asked: r.Asked, target: r.Target, route: r.Route, policy: r.Policy, origin: r.Origin, cached: r.Cached.String()}
	if r.Stream {
		f.stream = 1
	}
	return f
}

func outcomeOf(r *call.Record) outcome {
	return outcome{status: int64(r.Status), class: r.Class.String(), code: r.Code, provenance: r.Provenance.String()}
}

// of is the numbers of what r has, which have been learnt.
func (d *dicts) of(r *call.Record) (principal, flow, outcome int64) {
	return d.principals.known[principalOf(r)], d.flows.known[flowOf(r)], d.outcomes.known[outcomeOf(r)]
}

// learn finds or makes the numbers of what rows have. Each kind's new values go
// in with one statement of its own, in their order, so that nodes that learn the
// same at once do not wait for each other in a circle.
func (d *dicts) learn(ctx context.Context, pool *pgxpool.Pool, rows []call.Record) error {
	d.principals.begin(len(rows))
	d.flows.begin(len(rows))
	d.outcomes.begin(len(rows))
	for i := range rows {
		d.principals.want(principalOf(&rows[i]))
		d.flows.want(flowOf(&rows[i]))
		d.outcomes.want(outcomeOf(&rows[i]))
	}
	err := d.principals.learn(ctx, pool, table[[6]string]{
		name: "principal", columns: []string{"key_id", "key_name", "org", "project", "team", `"user"`},
		values: func(k [6]string) []any { return []any{k[0], k[1], k[2], k[3], k[4], k[5]} },
	})
	if err != nil {
		return err
	}
	err = d.flows.learn(ctx, pool, table[flow]{
		name: "flow", columns: []string{"op", "dialect", "stream", "asked", "target", "route", "policy", "origin", "cached"},
		values: func(k flow) []any {
			return []any{k.op, k.dialect, k.stream, k.asked, k.target, k.route, k.policy, k.origin, k.cached}
		},
	})
	if err != nil {
		return err
	}
	return d.outcomes.learn(ctx, pool, table[outcome]{
		name: "outcome", columns: []string{"status", "class", "code", "provenance"},
		values: func(k outcome) []any { return []any{k.status, k.class, k.code, k.provenance} },
	})
}

// begin makes room for what a batch of n rows may bring.
func (d *dict[K]) begin(n int) {
	if d.known == nil || len(d.known)+n > maxKnown {
		d.known = make(map[K]int64, n)
	}
	clear(d.fresh)
}

func (d *dict[K]) want(k K) {
	if _, ok := d.known[k]; ok {
		return
	}
	if d.fresh == nil {
		d.fresh = map[K]bool{}
	}
	d.fresh[k] = true
}

// table is how values of a kind are kept: texts, and numbers as text.
type table[K comparable] struct {
	name    string
	columns []string
	values  func(K) []any
}

// learn gives all fresh values their numbers.
func (d *dict[K]) learn(ctx context.Context, pool *pgxpool.Pool, t table[K]) error {
	if len(d.fresh) == 0 {
		return nil
	}
	type entry struct {
		key  K
		cols []string
	}
	var list []entry
	for k := range d.fresh {
		e := entry{key: k}
		for _, v := range t.values(k) {
			e.cols = append(e.cols, clean(fmt.Sprint(v)))
		}
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b entry) int { return slices.Compare(a.cols, b.cols) })
	args := make([]any, len(t.columns))
	for c := range t.columns {
		column := make([]string, len(list))
		for i := range list {
			column[i] = list[i].cols[c]
		}
		args[c] = column
	}
	insert, find := t.statements()
	if _, err := pool.Exec(ctx, insert, args...); err != nil {
		return fmt.Errorf("%s: %w", t.name, err)
	}
	rows, err := pool.Query(ctx, find, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", t.name, err)
	}
	defer rows.Close()
	for rows.Next() {
		var at int
		var id int64
		if err := rows.Scan(&at, &id); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		d.known[list[at-1].key] = id
	}
	return rows.Err()
}

// statements make what is missing, and find all with the place they were asked
// at. DISTINCT: what had to be cleaned may have become the same.
func (t *table[K]) statements() (insert, find string) {
	var params, typed, same []string
	for i, c := range t.columns {
		params = append(params, fmt.Sprintf("$%d::text[]", i+1))
		as := "n." + c
		if c == "stream" || c == "status" {
			as += "::bigint"
		}
		typed = append(typed, as)
		same = append(same, "t."+c+" = "+as)
	}
	columns := strings.Join(t.columns, ", ")
	from := " FROM unnest(" + strings.Join(params, ", ") + ") WITH ORDINALITY n (" + columns + ", at)"
	insert = "INSERT INTO " + t.name + " (" + columns + ") SELECT " + strings.Join(typed, ", ") + from + " ORDER BY at ON CONFLICT DO NOTHING"
	find = "SELECT n.at, t.id" + from + " JOIN " + t.name + " t ON " + strings.Join(same, " AND ")
	return insert, find
}
