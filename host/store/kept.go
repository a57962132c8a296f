package store

import "time"

// KeptNoted is how long it was noted before that an object is in use when that
// is noted again.
const KeptNoted = time.Hour
