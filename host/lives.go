package host

import (
	"github.com/signalbox-ai/signalbox/host/admin"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store/report"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// rowOf is r as the ledger will have it, for those who watch.
func rowOf(r *call.Record) *call.LedgerRow {
	row := &call.LedgerRow{
		ID: r.ID, Count: r.Requests(), KeyID: r.KeyID, KeyName: r.KeyName, Org: r.Org, Project: r.Project, Team: r.Team, User: r.User,
		Op: r.Op.String(), Dialect: r.Dialect.String(), Asked: r.Asked, Target: r.Target, Route: r.Route, Policy: r.Policy, Stream: r.Stream,
		Status: int64(r.Status), Class: r.Class.String(), Code: r.Code, Provenance: r.Provenance.String(), Address: r.Address,
		DurationUS: r.DurationUS, OverheadUS: r.OverheadUS, TTFTUS: r.TTFTUS, Usage: r.Usage, Cost: r.Cost, Computed: r.Computed, Reserved: r.Reserved,
		Parent: r.Parent, Origin: r.Origin, Cached: r.Cached.String(), Saved: r.Saved,
	}
	row.Attempts, _ = report.Attempts(r.Attempts) // names and numbers always encode
	return row
}

// liveAPI is what the admin API shows of what passes.
func (h *Host) liveAPI() *admin.Live {
	return &admin.Live{
		Since:  h.passing.Since,
		Series: h.passing.Series,
		Watch: func(keep func(*call.Record) bool) (admin.Feed, *wire.Error) {
			w := h.passing.Watch(keep)
			if w == nil {
				e := wire.Errorf(503, "too_many_watchers", "too many watch already, or the gateway ends: close another view, or try again later")
				return nil, e
			}
			return w, nil
		},
	}
}
