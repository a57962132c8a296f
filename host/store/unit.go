package store

import (
	"strconv"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// textBuckets are the first buckets of a usage, which have columns of their
// own. The others are rare: a row keeps those that it has as JSON, and the sums
// have a row for each.
const textBuckets = 6

const addUnit = `INSERT INTO usage_unit VALUES (?1, ?2, ?3, ?4, ?5)
	ON CONFLICT DO UPDATE SET amount = amount + excluded.amount`

// bindUnits binds what r used beside text tokens as JSON, NULL if nothing.
func bindUnits(s *sqlite.Stmt, param int, r *call.Record) {
	var buf [512]byte
	b := buf[:0]
	add := func(name string, v int64) {
		sep := byte(',')
		if len(b) == 0 {
			sep = '{'
		}
		b = append(append(append(b, sep, '"'), name...), `":`...)
		b = strconv.AppendInt(b, v, 10)
	}
	for i, v := range r.Usage.Buckets() {
		if i >= textBuckets && *v != 0 {
			add(wire.BucketNames[i], *v)
		}
	}
	if r.Computed != 0 {
		add("computed_cost", r.Computed)
	}
	if len(b) == 0 {
		s.BindNull(param)
		return
	}
	s.BindText(param, string(append(b, '}')))
}

const selectUnits = `SELECT strftime('%Y-%m-%d', hour * 3600, 'unixepoch'), key_id, key_name, team, target, unit, sum(amount)
	FROM usage_unit JOIN principal ON principal.id = usage_unit.principal
	WHERE hour >= :from AND hour < :to AND (:key = '' OR key_id = :key OR key_name = :key)
	AND (:team = '' OR team = :team) AND (:model = '' OR target = :model)
	GROUP BY hour / 24, key_id, key_name, team, target, unit`

// queryUnits adds what was used beside text tokens to rows.
func queryUnits(conn *sqlite.Conn, args map[string]any, rows []UsageRow) error {
	type key struct{ day, id, name, team, model string }
	var at map[key]*UsageRow
	return sqlitex.Execute(conn, selectUnits, &sqlitex.ExecOptions{
		Named: args,
		ResultFunc: func(st *sqlite.Stmt) error {
			if at == nil {
				at = make(map[key]*UsageRow, len(rows))
				for i := range rows {
					r := &rows[i]
					at[key{r.Day, r.KeyID, r.KeyName, r.Team, r.Model}] = r
				}
			}
			r := at[key{st.ColumnText(0), st.ColumnText(1), st.ColumnText(2), st.ColumnText(3), st.ColumnText(4)}]
			if unit := st.ColumnInt(5); r != nil && unit >= 0 && unit < wire.NumBuckets {
				*r.Usage.Buckets()[unit] += st.ColumnInt64(6)
			}
			return nil
		},
	})
}
