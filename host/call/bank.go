package call

import "errors"

// BankOp is one movement of money between the bank and a node's pool, for one
// account: a scope in one window.
type BankOp struct {
	Row    int64  // the account's row; 0: found, or made, by scope, window and start
	Scope  string // "key/k-12"
	Window string // canonical: "1 day Europe/Berlin"
	Start  int64  // of the window, Unix seconds
	End    int64  // of the window, Unix seconds; math.MaxInt64: never
	Max    int64  // the limit as configured now
	// Return is handed back first. Below zero it is money already spent beyond
	// the lease, which the bank books whatever the limit.
	Return int64
	Need   int64 // asked for by requests that wait; granted as far as the limit allows
	Want   int64 // worth having beyond that
}

// BankGrant is the outcome of one BankOp.
type BankGrant struct {
	Row     int64
	Amount  int64 // granted by this op
	Granted int64 // out of the bank on this account after it: leased or spent
}

// BankState is where a bank stands with a node.
type BankState struct {
	Generation int64       // made with the bank, never changed
	Seq        int64       // of the last batch of ops it has committed
	Grants     []BankGrant // what that batch came to
}

// ErrBankSequence says that a batch of ops does not follow the last one that
// the bank knows: one of the two sides has been set back.
var ErrBankSequence = errors.New("the bank's sequence does not match the pool's")
