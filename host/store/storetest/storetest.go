// Package storetest is the suite that every store passes. A part for each
// aggregate lies in a file of its own.
package storetest

import (
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/store"
)

// Opener opens one store, which is empty the first time. A test that opens it
// again has closed it before: not all stores take two at once. What is open at
// the end of the test is closed then.
type Opener func() store.Store

// Run runs the suite; fresh makes a store for one test.
func Run(t *testing.T, fresh func(t *testing.T) Opener) {
	for _, part := range []struct {
		name string
		run  func(t *testing.T, open Opener)
	}{
		{"Keys", keys},
		{"ChangeKey", changeKey},
		{"KeysAtOnce", keysAtOnce},
		{"Credentials", credentials},
		{"Kept", kept},
		{"KeptRetained", keptRetained},
		{"KeysRetained", keysRetained},
		{"PledgesRetained", pledgesRetained},
		{"Modules", modules},
		{"Documents", documents},
		{"DocumentsAtOnce", documentsAtOnce},
		{"Watch", watch},
		{"Nodes", nodes},
		{"Bank", bank},
		{"RollingBank", rollingBank},
		{"Pledges", pledges},
		{"ManyOps", manyOps},
		{"LedgerOnce", ledgerOnce},
		{"LedgerWhole", ledgerWhole},
		{"LedgerRows", ledgerRows},
		{"LedgerDirty", ledgerDirty},
		{"LedgerUsage", ledgerUsage},
		{"LedgerFilters", ledgerFilters},
		{"LedgerZones", ledgerZones},
		{"LedgerFractions", ledgerFractions},
		{"LedgerRetains", ledgerRetains},
		{"LedgerForgets", ledgerForgets},
		{"Reseal", reseal},
		{"Audit", auditLog},
		{"AuditAtOnce", auditAtOnce},
		{"Alerts", alerts},
		{"AlertsAtOnce", alertsAtOnce},
		{"Files", files},
		{"FilesUsed", filesUsed},
		{"Drafts", drafts},
		{"Batches", batchesKept},
		{"BatchChunks", batchChunks},
		{"BatchLines", batchLines},
		{"BatchQueue", batchQueue},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, fresh(t)) })
	}
}

var noon = time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)

// closed closes s, for a test that opens it again.
func closed(t *testing.T, s store.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
