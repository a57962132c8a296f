//go:build !race

package trail

import (
	"io"
	"runtime"
	"testing"
	"time"
)

func TestRecordAllocatesNothing(t *testing.T) {
	e := engine(t)
	writer := &gate{open: make(chan struct{})} // which would be counted too
	l := open(t, Options{Console: writer, Sample: 1, Buffer: 1024})
	defer close(writer.open)
	c := sample(1, "boom")
	d := e.Decide(c)
	for i := range l.slots { // each has the space that it takes
		e.Capture(&l.slots[i].event, c, d)
	}
	l.Record(e, c, d, 0)
	for l.tail.Load() == 0 && l.logged.Load() == 0 {
		runtime.Gosched() // until the writer waits
	}
	if n := testing.AllocsPerRun(500, func() { l.Record(e, c, d, time.Microsecond) }); n != 0 {
		t.Errorf("recording a decision allocates %v times", n)
	}
}

// BenchmarkRecord is what the log adds to the path of a request: the bar is 1 µs.
func BenchmarkRecord(b *testing.B) {
	e := engine(b)
	l := open(b, Options{Sample: 1, Buffer: 1 << 16})
	c := sample(1, "boom")
	d := e.Decide(c)
	for i := range l.slots {
		e.Capture(&l.slots[i].event, c, d)
	}
	b.ReportAllocs()
	for b.Loop() {
		if !l.Record(e, c, d, time.Microsecond) {
			b.StopTimer()
			for l.tail.Load() != l.head.Load() {
				l.rouse()
				time.Sleep(time.Millisecond)
			}
			b.StartTimer()
		}
	}
}

// BenchmarkWrite is what a decision costs off the path.
func BenchmarkWrite(b *testing.B) {
	f := func(name string, files ...string) {
		b.Run(name, func(b *testing.B) {
			e := engine(b, files...)
			l := open(b, Options{Console: io.Discard, Sample: 1, Buffer: 64})
			c := sample(1, "boom")
			e.Capture(&l.slots[0].event, c, e.Decide(c))
			b.ReportAllocs()
			for b.Loop() {
				l.write(&l.slots[0].event, time.Microsecond)
			}
		})
	}
	f("plain")
	f("masked", "log.rego", "package system.log\n\nmask contains \"/input/principal/user\"\n")
	f("masked by the event", "log.rego", "package system.log\n\nmask contains \"/input/principal/user\" if input.result.allow == false\n")
}
