package server

import (
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// TestDrippingUploadEnds: one byte within each pause that is allowed does not
// keep an upload, and what it holds, for good; a slow line does.
func TestDrippingUploadEnds(t *testing.T) {
	f := func(piece int, every, lasts time.Duration) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			sender, taker := net.Pipe()
			done := make(chan struct{})
			go func() {
				defer close(done)
				for {
					time.Sleep(every)
					if _, err := sender.Write(make([]byte, piece)); err != nil {
						return
					}
				}
			}()
			from := time.Now()
			s := &steady{r: taker, nc: taker, idle: time.Minute}
			buf, until := make([]byte, 64<<10), from.Add(time.Hour)
			for time.Now().Before(until) {
				if _, err := s.Read(buf); err != nil {
					if !errors.Is(err, os.ErrDeadlineExceeded) {
						t.Error(err)
					}
					break
				}
			}
			if took := time.Since(from); took < lasts || took > lasts+time.Minute {
				t.Errorf("%d bytes every %s last for %s, want %s", piece, every, took, lasts)
			}
			_, _ = sender.Close(), taker.Close()
			<-done
		})
	}
	f(1, 50*time.Second, 50*time.Second)
	f(1, 2*time.Minute, time.Minute)
	f(64<<10, 50*time.Second, time.Hour)
}
