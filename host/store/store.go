// Package store says what must last, whoever keeps it: SQLite for one gateway
// (host/store/sqlite), PostgreSQL for several that share it
// (host/store/postgres). Both pass the suite of host/store/storetest.
//
// Each stage declares what it needs of a store itself; the interfaces here are
// what a store has to offer as a whole.
package store

import (
	"context"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Store keeps all state that outlives a gateway. Its methods may be called at
// once by many.
type Store interface {
	Keys
	Credentials
	Modules
	Objects
	Ledger
	Retainer
	Documents
	Audit
	Alerts
	Watcher
	Nodes
	Pledges

	// Bank holds the money, for this node.
	Bank() Bank
	// Batches are opened, and made where there are none yet and make says so;
	// nil: there are none.
	Batches(ctx context.Context, make bool) (Batches, error)
	// Close may be called twice.
	Close() error
}

// Keys are the virtual keys.
type Keys interface {
	// CreateKey adds k, whose id and name no live key may have.
	CreateKey(ctx context.Context, k Key) error
	// RevokeKey ends the live key that has the given id or name.
	RevokeKey(ctx context.Context, idOrName string, now time.Time) error
	// ChangeKey lets change alter the live key that has the given id or name, in
	// one piece, and returns what became of it. Its id, name and times of
	// creation and use stay.
	ChangeKey(ctx context.Context, idOrName string, change func(*Key) error) (Key, error)
	// UseKeys notes when keys were used last, by id; earlier times than those
	// kept change nothing, and no watcher is told.
	UseKeys(ctx context.Context, last map[string]time.Time) error
	// Keys returns all keys, the revoked ones too, oldest first.
	Keys(ctx context.Context) ([]Key, error)
}

// Credentials are the providers' secrets that were given through the admin API.
type Credentials interface {
	AddCredential(ctx context.Context, c Credential) error
	RotateCredential(ctx context.Context, c, old Credential) error
	RemoveCredential(ctx context.Context, provider, name string) error
	// ResealCredential keeps c.Sealed in place of old. A credential that does
	// not lie there under old is ErrCredentialUnknown.
	ResealCredential(ctx context.Context, c Credential, old []byte) error
	// Credentials returns those that have not retired by now.
	Credentials(ctx context.Context, now time.Time) ([]Credential, error)
}

// Modules are the versions of routes and filters.
type Modules interface {
	// SaveModules keeps changes of different kinds, all of them or none: none where
	// one was made from another revision of its kind than the store has, which is
	// call.ErrRevision.
	SaveModules(ctx context.Context, changes ...call.ModuleChange) error
	Modules(ctx context.Context, kind string) (call.ModuleState, error)
	ModuleCode(ctx context.Context, sha256 string) ([]byte, error)
}

// Objects says whose the things are that providers keep.
type Objects interface {
	Keep(ctx context.Context, list []call.Kept) error
	// Owns tells which of provider's objects are tenant's, and notes, to about an
	// hour, that those are in use.
	Owns(ctx context.Context, provider, tenant string, ids []string) ([]bool, error)
	Forget(ctx context.Context, provider, tenant, id string) error
}

// Ledger takes the rows of requests in, and sums them up.
type Ledger interface {
	// Fold adds rows and notes that this node's journal is in up to upto, in one
	// transaction; rows whose id is there already change nothing. If durable,
	// this and all earlier folds have reached the disk when it returns.
	Fold(ctx context.Context, upto int64, rows []call.Record, durable bool) error
	// Folded tells how far this node's journal is in and the highest id of its rows.
	Folded(ctx context.Context) (upto int64, last call.ID, err error)
	// Cost is the cost of the row with the given id.
	Cost(ctx context.Context, id call.ID) (cost int64, found bool, err error)
	// Usage sums the ledger up.
	Usage(ctx context.Context, q call.UsageQuery) (call.Usage, error)
	// Requests calls each with the rows that q asks for, in order of their ids,
	// until it fails. The row is used again.
	Requests(ctx context.Context, q call.RequestsQuery, each func(*call.LedgerRow) error) error
}

// Retainer lets go of what is old.
type Retainer interface {
	// Retain takes one bounded step towards keeping no more than r says; more:
	// there is more to do. Whatever it does, sums of the ledger stay what they
	// are. While another node is at it, it does nothing.
	Retain(ctx context.Context, r call.Retention) (more bool, err error)
}

// Bank is the durable truth about budgets, as one node deals with it.
type Bank interface {
	// State tells where the bank stands with the node.
	State(ctx context.Context) (call.BankState, error)
	// Apply carries out a batch of ops durably and in one piece and returns a
	// grant for each. Batch seq follows seq-1; the last batch may be applied
	// again and comes to what it came to before. Any other is call.ErrBankSequence.
	Apply(ctx context.Context, seq int64, ops []call.BankOp) ([]call.BankGrant, error)
	// Forfeit says that the node knows nothing of what it had leased any more: all
	// of it counts as spent.
	Forfeit(ctx context.Context) error
	// Accounts lists what the bank remembers, by scope, window and start.
	Accounts(ctx context.Context) ([]Account, error)
}

// Documents are pieces of configuration that are changed while gateways run:
// organisations, limits, policies, … each with a kind and a name.
type Documents interface {
	// Documents returns those of a kind, by name.
	Documents(ctx context.Context, kind string) ([]call.Document, error)
	// PutDocument keeps d in place of the one whose revision it carries, 0: of
	// none, and returns its new revision. Another revision in the store is
	// call.ErrRevision.
	PutDocument(ctx context.Context, d call.Document) (revision int64, err error)
	// DeleteDocument removes the one of that revision, 0: of any. One that is
	// not there is call.ErrNoDocument.
	DeleteDocument(ctx context.Context, kind, name string, revision int64) error
}

// Watcher tells of changes that any node has made.
type Watcher interface {
	// Watch calls changed with the topic of each change (TopicKeys,
	// TopicDocuments + kind, …) until ctx ends, this node's own included,
	// soon after the change, or once the store can be reached again. At first,
	// and after a gap in which changes may have gone unseen, the topic is "":
	// everything. It returns when ctx has ended.
	Watch(ctx context.Context, changed func(topic string)) error
}

// Teller is a store that can tell all nodes that watch of what is over in a
// moment: it is kept nowhere, and may be lost.
type Teller interface {
	Tell(ctx context.Context, topic string) error
}

// Nodes are the gateways that use the store.
type Nodes interface {
	// Node is the one that has opened it.
	Node() Node
	// Nodes returns all, by number.
	Nodes(ctx context.Context) ([]Node, error)
	// Beat notes that this node lives. ErrFenced and ErrTaken say that it must
	// not go on. Whoever runs the node calls it every so often.
	Beat(ctx context.Context) error
}

// Topics of changes.
const (
	TopicKeys        = "keys"
	TopicCredentials = "credentials"
	TopicModules     = "modules/"   // and the kind
	TopicDocuments   = "documents/" // and the kind
	TopicCancels     = "cancels/"   // and a call of a tool, that is told of alone
)
