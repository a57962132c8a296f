// Command mask is a filter for tests: it replaces e-mail addresses, holding back
// no more than it needs to, and misbehaves where a text tells it to.
package main

import (
	"bytes"

	"github.com/signalbox-ai/signalbox/sdk/filter"
)

func init() { filter.Handle(look) }

func main() {}

// longest is how long an address may be: a longer run is none.
const longest = 128

func look(w *filter.Window, v *filter.Verdict) {
	t := w.Text()
	switch {
	case bytes.Contains(t, []byte("(trap)")):
		panic("as told")
	case bytes.Contains(t, []byte("(loop)")):
		for i := 0; ; i++ {
			v.Findings += uint32(i)
		}
	case bytes.Contains(t, []byte("(bad)")):
		v.Pass(len(t) + 1)
		return
	case bytes.Contains(t, []byte("(block)")):
		v.Block(7, "as told")
		return
	case bytes.Contains(t, []byte("(ask)")):
		v.Escalate(len(t))
		return
	}
	long := len(w.State()) > 0
	end := settled(t, w.Final(), long)
	if end == 0 && len(t) > 0 && !w.Final() {
		v.More()
		if long {
			v.Save([]byte{1})
		}
		return
	}
	mask(t[:end], long, w.Final(), v)
}

// settled is how much of t no address can reach into from what follows.
func settled(t []byte, final, long bool) int {
	if final {
		return len(t)
	}
	end := len(t)
	for end > 0 && part(t[end-1]) {
		end--
	}
	if len(t)-end >= longest || end == 0 && long { // too long for an address
		return len(t)
	}
	return end
}

// parts are the characters of addresses.
var parts = func() (is [256]bool) {
	for _, c := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+@" {
		is[c] = true
	}
	return is
}()

func part(c byte) bool { return parts[c] }

// mask writes t with addresses replaced. long: it begins within a run that is
// too long for one.
func mask(t []byte, long, final bool, v *filter.Verdict) {
	n, found, kept := len(t), uint32(0), 0
	for i := 0; i < len(t); {
		from, at, dot := i, 0, false
		for ; i < len(t) && part(t[i]); i++ {
			switch {
			case t[i] == '@' && at == 0 && i > from:
				at = i
			case t[i] == '.' && at > 0 && i > at+1:
				dot = true
			}
		}
		if !long && dot && i-from < longest {
			v.Write(t[kept:from])
			v.WriteString("[MAIL]")
			found++
			kept = i
		}
		long = (long || i-from >= longest) && i == len(t)
		for i < len(t) && !part(t[i]) {
			i++
			long = false
		}
	}
	v.Write(t[kept:])
	if found == 0 {
		v.Reset()
		v.Pass(n)
	} else {
		v.Findings = found
		v.Replace(n)
	}
	if long && !final {
		v.Save([]byte{1})
	}
}
