package main

import (
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
)

func TestLedgerPage(t *testing.T) {
	p := open(t, "../../docs/ledger.md")
	p.play(t, 1)
	p.names(t, call.Dimensions...)
}

func TestLastWholeLine(t *testing.T) {
	f := func(want string, parts ...string) {
		t.Helper()
		l := lineCounter{work: &progress{}}
		var out sink
		l.w = &out
		for _, p := range parts {
			if _, err := l.Write([]byte(p)); err != nil {
				t.Fatal(err)
			}
		}
		if l.last != want {
			t.Errorf("after %q the last is %q; want %q", parts, l.last, want)
		}
	}
	a, b := call.ID(7).String(), call.ID(8).String()
	f("")
	f("", `{"id":"`+a)
	f(a, `{"id":"`+a+`","x":1}`+"\n"+`{"id":"`+b)
	f(b, `{"id":"`+a+`","x":1}`+"\n"+`{"i`, `d":"`+b+`"}`, "\n")
	f(a, "id,time\n"+a+",2026\n", b+",20")
	f("", "id,time\n")
	f(a, a+",2026\n", "x,"+b+"\n")
}

// sink takes all.
type sink struct{}

// Write implements io.Writer.
func (*sink) Write(p []byte) (int, error) { return len(p), nil }
