package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// line is a line of a terminal that is written over itself; nothing where that
// is no terminal.
type line struct {
	look
	w     io.Writer
	shown int // runes
}

func lineOf(w io.Writer) line { return line{look: lookOf(w), w: w} }

func (l *line) show(text string) {
	if !l.terminal {
		return
	}
	n := len([]rune(text))
	fmt.Fprintf(l.w, "\r%s%s", text, strings.Repeat(" ", max(0, l.shown-n)))
	l.shown = n
}

// keep leaves what is shown, and goes to the next line.
func (l *line) keep() {
	if l.terminal {
		fmt.Fprintln(l.w)
	}
}

// wipe leaves nothing.
func (l *line) wipe() {
	if l.shown > 0 {
		l.show("")
		fmt.Fprint(l.w, "\r")
	}
}

// pace tells how fast something goes, from where it was when it was seen first.
type pace struct {
	first time.Time
	from  int64
}

// bar is that done of total are done, as a picture, and what is left at this pace.
func (p *pace) bar(done, total int64, now time.Time, unit func(int64) string) string {
	if p.first.IsZero() {
		p.first, p.from = now, done
	}
	text := ""
	if total > 0 {
		const width = 30
		full := int(min(done, total) * width / total)
		text = fmt.Sprintf("[%s%s] %s of %s", strings.Repeat("█", full), strings.Repeat("·", width-full), unit(done), unit(total))
	} else if done > 0 {
		text = unit(done)
	}
	took := now.Sub(p.first).Seconds()
	if took <= 1 || done <= p.from {
		return text
	}
	rate := float64(done-p.from) / took
	text += fmt.Sprintf("  %s/s", unit(int64(rate)))
	if total > done {
		text += fmt.Sprintf("  %s left", time.Duration(float64(total-done)/rate*float64(time.Second)).Round(time.Second))
	}
	return text
}

// plainly and inBytes are units of a bar.
func plainly(n int64) string { return fmt.Sprint(n) }

func inBytes(n int64) string {
	switch {
	case n < 1<<20:
		return fmt.Sprintf("%d KB", n>>10)
	case n < 1<<30:
		return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GB", float64(n)/(1<<30))
}

// progress shows on a terminal that work goes on, and how far it is; elsewhere
// it does nothing. Add is for any goroutine.
type progress struct {
	line
	what  string
	total int64 // 0: nobody knows
	unit  func(int64) string
	done  atomic.Int64
	stop  chan struct{}
	over  sync.WaitGroup
}

// progressOf begins to show what is done, until end.
func progressOf(w io.Writer, what string, total int64, unit func(int64) string) *progress {
	p := &progress{line: lineOf(w), what: what, total: total, unit: unit, stop: make(chan struct{})}
	if p.terminal {
		p.over.Go(p.run)
	}
	return p
}

func (p *progress) run() {
	began, tick := time.Now(), time.NewTicker(200*time.Millisecond)
	defer tick.Stop()
	var pace pace
	for {
		select {
		case now := <-tick.C: // what is done at once shows nothing
			p.show(strings.TrimRight(fmt.Sprintf("%s  %s  %s", p.what, now.Sub(began).Round(time.Second), pace.bar(p.done.Load(), p.total, now, p.unit)), " "))
		case <-p.stop:
			p.wipe()
			return
		}
	}
}

func (p *progress) add(n int64) { p.done.Add(n) }

// end takes what is shown away.
func (p *progress) end() {
	close(p.stop)
	p.over.Wait()
}

// sizeOf is the length of a file, 0: nobody knows.
func sizeOf(path string) int64 {
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		return info.Size()
	}
	return 0
}

// passing counts the bytes that are read.
type passing struct {
	io.Reader
	p *progress
}

// Read implements io.Reader.
func (r passing) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	r.p.add(int64(n))
	return n, err
}
