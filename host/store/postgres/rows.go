package postgres

import "time"

// millis is t as it is stored, 0 for none.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// notNull is b for a column that is never NULL.
func notNull(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// some is b, nil when it is empty.
func some(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}
