package store

import (
	"context"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Pledges are reservations that outlive the process which made them, and may
// be ended by another node.
type Pledges interface {
	// PutPledge keeps p; false: one of its id has been redeemed, or put, before.
	PutPledge(ctx context.Context, p call.Pledge) (bool, error)
	// Pledged reports whether a pledge of that id was put, redeemed or not.
	Pledged(ctx context.Context, id call.ID) (bool, error)
	// RedeemPledge gives back what of it was not spent, once: further calls do
	// nothing. One that was never put cannot be any more. was tells whether it had been.
	RedeemPledge(ctx context.Context, id call.ID, spent []int64) (was bool, err error)
}

// KeepPledges is for how long it is known that a pledge was redeemed.
const KeepPledges = 30 * 24 * time.Hour

// Pledge adds what is pledged to the accounts that it came from.
func Pledge(accounts []Account, pledges []call.Pledge) {
	for _, p := range pledges {
		for _, part := range p.Parts {
			for i := range accounts {
				if a := &accounts[i]; a.Scope == part.Scope && a.Window == part.Window && a.Start.Unix() == part.Start {
					a.Leases = append(a.Leases, Lease{Node: p.Owner, Reserved: part.Amount})
				}
			}
		}
	}
}
