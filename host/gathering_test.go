package host

import (
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/gather"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// TestEachCoversItsPart: what a request for several may cost beyond one attempt
// is held by those that it is for, and one whose budget has no room for that
// ends it.
func TestEachCoversItsPart(t *testing.T) {
	h, first := moneyHost(t)
	second, f := h.New().Owner.(*flight), h.New().Owner.(*flight)
	b := &gather.Batch[*flight]{Members: []*flight{first, second}}
	for i, m := range b.Members {
		body := []string{`{"input": "12345678"}`, `{"input": ["123456", "123456789012"]}`}[i] // 10 bytes, and 8 and 14
		r, ok := gather.Read([]byte(body))
		if !ok {
			t.Fatal(body)
		}
		b.Requests = append(b.Requests, r)
		m.gen, m.ID, m.Received, m.chain = first.gen, first.ID+call.ID(i), first.Received, first.chain
		m.Candidates = []call.Candidate{{Target: &call.Target{}, Bound: 160}}
		if err := h.coverMost(m, 0); err != nil {
			t.Fatal(err)
		}
	}
	f.gen, f.portion.joint = first.gen, b
	f.Candidates = []call.Candidate{{Target: &call.Target{}, Bound: 320}}
	g := func(spent, bound, one, two int64, code string) {
		t.Helper()
		f.Attempts = []call.Attempt{{Class: wire.ClassTimeout, Cost: spent}}
		err := h.Cover(&f.Call, call.Bound{USD: bound})
		if err == nil && code != "" || err != nil && err.Code != code || first.Reserved != one || second.Reserved != two {
			t.Errorf("%d spent, %d more: %v, with %d and %d held; want %q, %d, %d", spent, bound, err, first.Reserved, second.Reserved, code, one, two)
		}
	}
	g(0, 320, 160, 160, "")
	g(320, 320, 260, 380, "")
	g(0, 640, 260, 380, "") // two at a time: that is held already
	g(640, 320, 360, 600, "")
	g(4e9, 320, 360, 600, "budget_exceeded")
	for _, m := range b.Members {
		h.Finish(&m.Call)
		h.Done(&m.Call)
	}
	if open := h.budget.Stats().Open; open != 0 {
		t.Errorf("%d reservations stay open", open)
	}
}
