package call

import "time"

// AuditRow is an entry of the audit log as it is kept.
type AuditRow struct {
	Seq  int64     // from 1, without gaps
	Time time.Time // to the millisecond
	Body []byte    // JSON
	Hash []byte    // of Body, which names the hash of the row before
}

// AuditHead is where the audit log ends.
type AuditHead struct {
	Seq  int64 // 0: it has not begun
	Hash []byte
	MAC  []byte // over both, under a key that the store keeps sealed
}

// AuditAnchor says that row Seq had this hash.
type AuditAnchor struct {
	Seq  int64
	Time time.Time
	Hash []byte
	MAC  []byte
	Cut  bool // the rows up to it have been removed
}

// AuditQuery selects rows of the audit log, in order.
type AuditQuery struct {
	After    int64     // rows of higher numbers
	From, To time.Time // From ≤ t < To; zero is unbounded
	Most     int       // 0: all
}
