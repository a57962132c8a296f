// Package budget holds spending below its limits, whatever happens: any number
// of requests at once, a process killed at any instruction, a bank that is gone.
//
// A request reserves the most that it can cost in every scope that bounds it,
// all or nothing, before it goes upstream; when it ends, the reservation is
// settled at what it did cost, or released. The money comes out of leases: the
// bank (a durable table) debits a grant at once and the pool, a file mapped
// into memory, holds what of it is left. Reserving is then a few stores under a
// short lock. One goroutine, the banker, asks for more ahead of need, in
// batches, and hands back what lies idle.
//
// What survives what:
//   - kill -9, a panic, the OOM killer: everything. The pool file says which
//     requests were running; those that had sent bytes upstream are settled at
//     the reserved amount, the others released. Books balance to the nano-dollar.
//   - a power cut or reboot: what was leased and not handed back counts as
//     spent until the window ends, and requests that were running have no row
//     in the ledger. Close hands everything back.
//   - a bank set back to an earlier state: the pool notices by the sequence of
//     their dealings and stops spending until it is restarted.
package budget
