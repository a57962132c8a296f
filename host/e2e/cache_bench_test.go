package e2e_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// BenchmarkCachedRequest tells what a whole request takes of the gateway's
// processor time: without a cache, where one finds nothing, and where it answers.
//
//	go test ./host/e2e -run '^$' -bench CachedRequest -benchtime 400x
func BenchmarkCachedRequest(b *testing.B) {
	g := &gateway{t: b, dir: b.TempDir()}
	g.config = filepath.Join(g.dir, "signalbox.yaml")
	text := strings.Replace(config("http://127.0.0.1:1", "1000"), "  own:", "  bare: {targets: [{model: demo/echo}], cache: {exact: false}}\n  own:", 1)
	g.write(text + "cache: {exact: {}}\n")
	g.start()
	defer g.stop()
	const each = 8
	n := 0
	ask := func(model, from string, fresh bool) {
		for range each {
			word := "the same"
			if fresh {
				n++
				word = fmt.Sprint("number ", n)
			}
			_, h := g.told(nil, fmt.Sprintf(`{"model": %q, "max_tokens": 100, "messages": [{"role": "user", "content": "%s %s"}]}`, model, word, strings.Repeat("and so on ", 50)))
			if cached(h) != from {
				b.Fatalf("%s is answered from the cache %q; want %q", model, cached(h), from)
			}
		}
	}
	ways := []func(){func() { ask("bare", "", true) }, func() { ask("own", "", true) }, func() { ask("own", "exact", false) }}
	g.told(nil, fmt.Sprintf(`{"model": "own", "max_tokens": 100, "messages": [{"role": "user", "content": "the same %s"}]}`, strings.Repeat("and so on ", 50)))
	for range 50 {
		for _, way := range ways {
			way()
		}
	}
	var spent [3]int64
	for b.Loop() { // by turns: the machine is shared
		for i, way := range ways {
			before := cpuOf(b, g.cmd.Process.Pid)
			way()
			spent[i] += cpuOf(b, g.cmd.Process.Pid) - before
		}
	}
	for i, name := range []string{"off", "miss", "hit"} {
		b.ReportMetric(float64(spent[i])/float64(b.N*each*1000), name+"-cpu-µs/request")
	}
	b.ReportMetric(float64(spent[1])/float64(spent[2]), "miss/hit")
}
