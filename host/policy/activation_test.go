package policy

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// sized is a tarball of a bundle with about size bytes of data, that no two
// numbers share.
func sized(t testing.TB, size, number int) []byte {
	t.Helper()
	teams := map[string]any{}
	for i := range size / 200 {
		teams[fmt.Sprintf("team-%06d", i)] = map[string]any{"models": map[string]any{"openai/gpt": true, "anthropic/opus": true},
			"max_tokens": 1000 + number, "zones": []string{"office", "vpn"}, "note": fmt.Sprintf("%064d", i*7919+number)}
	}
	data, err := json.Marshal(map[string]any{"teams": teams})
	if err != nil {
		t.Fatal(err)
	}
	tarball, err := pack("", map[string][]byte{"base.rego": []byte(permitAll), "data.json": data, ".manifest": fmt.Appendf(nil, `{"revision": "n%d"}`, number),
		"u.rego": []byte("package signalbox.units.u\n\ndeny contains {\"code\": \"model\", \"v\": input.request.model} if {\n\tteam := data.teams[input.principal.team]\n" +
			"\tnot team.models[input.request.model]\n}\n\nobligations[\"max_tokens\"] := data.teams[input.principal.team].max_tokens\n"),
		"u_test.rego": []byte("package u_test\n\ntest_it if data.teams[\"team-000001\"].max_tokens > 0\n")})
	if err != nil {
		t.Fatal(err)
	}
	return tarball
}

func fedOne(t testing.TB, first []byte) (*Engine, *feeder) {
	t.Helper()
	f := &feeder{roots: map[string][]string{"org": nil}, first: map[string][]byte{"org": first}}
	return openWith(t, Options{Feed: f}), f
}

// BenchmarkArrival is the time from a bundle's bytes to its decisions, with 200
// KB of data: the bar is 100 ms. Parsing, checks, tests and probes are in it.
func BenchmarkArrival(b *testing.B) {
	tarballs := [][]byte{sized(b, 200_000, 1), sized(b, 200_000, 2)}
	_, f := fedOne(b, tarballs[0])
	i := 0
	for b.Loop() {
		i++
		if err := f.to.Offer("org", tarballs[i%2]); err != nil {
			b.Fatal(err)
		}
	}
}

// pace asks for decisions at a steady pace, whatever the answers take, and
// returns how long each took from when it was due.
type pace struct {
	stop   atomic.Bool
	wg     sync.WaitGroup
	mu     sync.Mutex
	took   []time.Duration
	failed int
}

func (l *pace) start(e *Engine, every time.Duration) {
	for g := range 2 {
		l.wg.Go(func() {
			c := sampleCall()
			var took []time.Duration
			failed := 0
			for due := time.Now(); !l.stop.Load(); due = due.Add(every) {
				if wait := time.Until(due); wait > 0 {
					time.Sleep(wait)
				}
				c.Principal.KeyID = "k-" + string(rune('a'+g))
				if d := e.Decide(c); !d.Allow {
					failed++
				}
				took = append(took, time.Since(due))
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			l.took, l.failed = append(l.took, took...), l.failed+failed
		})
	}
}

func (l *pace) end() (p50, p99 time.Duration, n int) {
	l.stop.Store(true)
	l.wg.Wait()
	slices.Sort(l.took)
	return l.took[len(l.took)/2], l.took[len(l.took)*99/100], len(l.took)
}

// BenchmarkActivationUnderLoad compares the latency of decisions, from when
// they are due, without and with a 5 MB bundle that comes into use, in turns of
// a second. The bar is twice the p99, with no decision lost.
func BenchmarkActivationUnderLoad(b *testing.B) {
	tarballs := [][]byte{sized(b, 5<<20, 1), sized(b, 5<<20, 2)}
	e, f := fedOne(b, tarballs[0])
	quiet, busy := &pace{}, &pace{}
	turn := func(l *pace, during func()) {
		l.stop.Store(false)
		l.start(e, 2*time.Millisecond)
		began := time.Now()
		during()
		time.Sleep(max(0, time.Second-time.Since(began)))
		l.stop.Store(true)
		l.wg.Wait()
	}
	var took time.Duration
	n := 0
	for b.Loop() {
		n++
		turn(quiet, func() {})
		turn(busy, func() {
			began := time.Now()
			if err := f.to.Offer("org", tarballs[n%2]); err != nil {
				b.Fatal(err)
			}
			took += time.Since(began)
		})
	}
	q50, q99, _ := quiet.end()
	b50, b99, decisions := busy.end()
	if busy.failed > 0 {
		b.Errorf("%d of %d decisions are refused", busy.failed, decisions)
	}
	b.ReportMetric(float64(b99)/float64(q99), "p99_x")
	b.ReportMetric(float64(took.Milliseconds())/float64(n), "ms/activation")
	b.Logf("p50 %v -> %v, p99 %v -> %v, %d decisions, none lost", q50, b50, q99, b99, decisions)
}
