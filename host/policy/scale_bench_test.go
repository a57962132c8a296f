package policy

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
)

// What the scale's figures are measured at.
const (
	scaleKeys   = 200
	scaleTeams  = 30
	scaleModels = 60
)

// scale opens the default bundle with every theme in use.
func scale(t testing.TB) *Engine {
	t.Helper()
	ballast = make([]byte, 64<<20)
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(defaultFolder)); err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string]any{"signalbox": scaleData()})
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "data.json"), body, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return openWith(t, Options{Path: dir, Deadline: slack, Catalogue: scaleCatalogue(), Filters: []string{"pii"}, Tests: TestsOff})
}

type doc = map[string]any

func scaleData() doc {
	day := doc{"unit": "day", "tz": "Europe/Berlin"}
	week := doc{"mon": true, "tue": true, "wed": true, "thu": true, "fri": true}
	teams, keys := doc{}, doc{}
	for i := range scaleTeams {
		teams[fmt.Sprint("team-", i)] = doc{
			"models": doc{"fast": true, "p0/*": true, fmt.Sprintf("p%d/*", i%6): true}, "regions": doc{"eu": true, "us": true},
			"hours": doc{"days": week, "from": 6, "to": 22}, "max_tokens": 4096 + i, "filters": doc{"pii": true},
			"limits": doc{"day": doc{"usd_nano": 50_000_000_000 + i, "window": day}, "rpm": doc{"requests": 600, "per": doc{"unit": "minute"}}},
		}
	}
	for i := range scaleKeys {
		keys[fmt.Sprint("key-", i)] = doc{"zones": doc{"office": true, "private": true}, "blocked_tools": doc{"shell": true},
			"limits": doc{"day": doc{"usd_nano": 5_000_000_000 + i, "window": day, "on_exceed": "clamp"}, "at_once": doc{"concurrent": 8}}}
	}
	return doc{
		"zones":   doc{"private": []string{"10.0.0.0/8"}, "office": []string{"203.0.113.0/24"}},
		"classes": doc{"public": doc{"level": 0}, "personal": doc{"level": 2, "regions": doc{"eu": true}, "log": "none"}},
		"access": doc{"default": doc{"max_tokens": 8192, "listed_only": true, "modalities": doc{"in": doc{"text": true, "image": true}}},
			"orgs": doc{"acme": doc{"tls": false}}, "projects": doc{}, "teams": teams,
			"roles": doc{"guest": doc{"max_tokens": 256}}, "envs": doc{"prod": doc{"log": "metadata"}}, "keys": keys},
	}
}

func scaleCatalogue() Catalogue {
	c := Catalogue{Models: map[string]CatalogueModel{}, Aliases: map[string][]string{}}
	for i := range scaleModels {
		name := fmt.Sprintf("p%d/m%d", i%6, i)
		c.Models[name] = CatalogueModel{Region: []string{"eu", "us"}[i%2], Price: &CataloguePrice{LongOutput: int64(i) * 1e9}}
		if i%6 < 3 {
			c.Aliases["fast"] = append(c.Aliases["fast"], name)
		}
	}
	return c
}

// scaleCall is a request of the key with that number.
func scaleCall(key int) *call.Call {
	c := sampleCall()
	c.Principal = &call.Principal{Auth: "key", KeyID: fmt.Sprint("k-", key), KeyName: fmt.Sprint("key-", key), Org: "acme", Project: "p-1",
		Team: fmt.Sprint("team-", key%scaleTeams), User: fmt.Sprint("u-", key), Env: "prod", Roles: []string{"developer"}}
	c.Model = &call.Model{Name: fmt.Sprintf("p0/m%d", key%10*6)}
	c.Facts.Tools = [][]byte{[]byte("web.fetch"), []byte("web.search")}
	return c
}

// BenchmarkScaleUnitCold evaluates one unit, the input document included.
func BenchmarkScaleUnitCold(b *testing.B) {
	s := scale(b).snap.Load()
	for _, u := range s.units {
		b.Run(u.name, func(b *testing.B) {
			b.ReportAllocs()
			c := scaleCall(62)
			defer processCPU(b)()
			for b.Loop() {
				r := getReader(c, &s.env)
				if _, err := u.eval(r.evaluation()); err != nil {
					b.Fatal(err)
				}
				putReader(r)
			}
		})
	}
}

func BenchmarkScaleAllCold(b *testing.B) { benchmarkCold(b, nil) }

// BenchmarkScaleFiveCold is of the units that nearly every installation has data for.
func BenchmarkScaleFiveCold(b *testing.B) {
	benchmarkCold(b, []string{"identity", "limits", "model", "network", "tools"})
}

// benchmarkCold evaluates the named units, nil: all, in one decision.
func benchmarkCold(b *testing.B, names []string) {
	s := scale(b).snap.Load()
	s.whole = nil
	if names != nil {
		s.units = slices.DeleteFunc(s.units, func(u *unit) bool { return !slices.Contains(names, u.name) })
		if len(s.units) != len(names) {
			b.Fatalf("there are %d units of %q", len(s.units), names)
		}
	}
	for _, u := range s.units {
		u.memo = nil
	}
	b.ReportAllocs()
	c := scaleCall(62)
	defer processCPU(b)()
	for b.Loop() {
		r := getReader(c, &s.env)
		if _, err := s.decide(r); err != nil {
			b.Fatal(err)
		}
		putReader(r)
	}
	b.ReportMetric(float64(len(s.units)), "units")
}

func BenchmarkScaleAllHit(b *testing.B) {
	e := scale(b)
	c := scaleCall(62)
	wantAllowed(b, e.Decide(c))
	b.ReportAllocs()
	defer processCPU(b)()
	for b.Loop() {
		e.Decide(c)
	}
}

// BenchmarkScaleAddresses is the mean of requests by 200 keys, a few of which
// make most of them, from 500 addresses each.
func BenchmarkScaleAddresses(b *testing.B) {
	e := scale(b)
	rnd := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(rnd, 1.1, 1, scaleKeys-1)
	calls := make([]*call.Call, scaleKeys)
	for i := range calls {
		calls[i] = scaleCall(i)
	}
	defer processCPU(b)()
	for b.Loop() {
		c := calls[zipf.Uint64()]
		a := rnd.Uint32N(500)
		c.Remote = netip.AddrFrom4([4]byte{10, byte(a), byte(a >> 8), 7})
		c.Facts.Stream = a%2 == 0
		e.Decide(c)
	}
	b.StopTimer()
	var hits, misses uint64
	for _, u := range e.Stats().Units {
		hits, misses = hits+u.Hits, misses+u.Misses
	}
	b.ReportMetric(100*float64(hits)/float64(hits+misses), "%hits")
}
