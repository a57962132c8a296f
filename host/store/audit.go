package store

import (
	"context"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Audit keeps the audit log: one chain for all nodes.
type Audit interface {
	// AppendAudit adds the rows that add makes of the head, and keeps the head
	// that it returns, durably and in one piece, while no other node appends.
	AppendAudit(ctx context.Context, add func(call.AuditHead) ([]call.AuditRow, call.AuditHead, error)) error
	// AuditRows returns rows as they lie there.
	AuditRows(ctx context.Context, q call.AuditQuery) ([]call.AuditRow, error)
	// AuditBack returns those of lower numbers than before, from the last one
	// back; it reads no more of the log than that.
	AuditBack(ctx context.Context, before int64, q call.AuditQuery) ([]call.AuditRow, error)
	// AuditMarks returns the head and the anchors, by number.
	AuditMarks(ctx context.Context) (call.AuditHead, []call.AuditAnchor, error)
	// AnchorAudit keeps an anchor. A cut removes the rows up to it, and the
	// anchors before it.
	AnchorAudit(ctx context.Context, a call.AuditAnchor) error
}

// Alerts keeps what people are told of, and what of it has reached whom.
type Alerts interface {
	// RaiseAlert keeps a and a delivery to each receiver; raised is false, and
	// nothing kept, if it is known already. Those whose window ended long ago go.
	RaiseAlert(ctx context.Context, a call.Alert, to []string) (raised bool, err error)
	// ClaimDeliveries returns deliveries that are due at now, and makes them due
	// again at until, so that no other node takes them meanwhile.
	ClaimDeliveries(ctx context.Context, now, until time.Time, most int) ([]call.Delivery, error)
	// SettleDelivery keeps how a try ended: Tries, Next, Done and Err.
	SettleDelivery(ctx context.Context, d call.Delivery) error
	// Alerts returns the latest, with their deliveries, newest first.
	Alerts(ctx context.Context, most int) ([]call.Alert, error)
}
