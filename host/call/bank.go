package call

import "errors"

// BankOp is one movement between the bank and a node's pool, for one account: a
// scope in one window, or in one bucket of a window that rolls. Amounts are
// nano-dollars, tokens or requests.
type BankOp struct {
	Row    int64  // the account's row; 0: found, or made, by scope, window and start
	Scope  string // "key/k-12"
	Window string // canonical, with the unit if it is not money: "tokens 1 day Europe/Berlin"
	Start  int64  // of the window or bucket, Unix seconds
	End    int64  // from when on it counts no more, Unix seconds; math.MaxInt64: never
	// From is the oldest start of the accounts that the limit is on the sum of:
	// Start itself, unless the window rolls.
	From int64
	Max  int64 // the limit as configured now
	// Return is handed back first. Below zero it is what was already spent beyond
	// the lease, which the bank books whatever the limit.
	Return int64
	Need   int64 // asked for by requests that wait; granted as far as the limit allows
	Least  int64 // the smallest of them: less is of no use to anyone
	Want   int64 // worth having beyond that
	// Held and Reserved are what the node has after Return: not reserved, and
	// reserved by running requests.
	Held, Reserved int64
}

// BankGrant is the outcome of one BankOp.
type BankGrant struct {
	Row     int64
	Amount  int64 // granted by this op
	Granted int64 // out of the bank after it, leased or spent, over all accounts that the limit is on the sum of
	// Held and Reserved are what other nodes have of it, as they told last.
	Held     int64 `json:",omitempty"`
	Reserved int64 `json:",omitempty"`
	Recall   bool  `json:",omitempty"` // another node is refused for want of what this one holds
}

// BankState is where a bank stands with a node.
type BankState struct {
	Generation int64       // made with the bank, never changed
	Seq        int64       // of the last batch of ops it has committed
	Grants     []BankGrant // what that batch came to
	Fenced     bool        // the node has been written off
}

// The errors of a bank after which a node must not spend any more.
var (
	// ErrBankSequence says that a batch of ops does not follow the last one that
	// the bank knows: one of the two sides has been set back.
	ErrBankSequence = errors.New("the bank's sequence does not match the pool's")
	// ErrBankFenced says that the bank has written the node off.
	ErrBankFenced = errors.New("this node has been fenced: what it had leased has been given to others")
)
