package budget

import (
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Bounds is the window that t lies in, as Unix seconds: start ≤ t < end; of one
// that rolls the bucket.
func Bounds(w call.Window, t time.Time) (start, end int64, err error) {
	own, err := newWindow(w)
	if err != nil {
		return 0, 0, err
	}
	start, end = own.bounds(t)
	return start, end, nil
}
