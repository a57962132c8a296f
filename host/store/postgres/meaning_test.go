package postgres

import (
	"bufio"
	"math"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/host/store/pgtest"
)

func TestMeanings(t *testing.T) {
	t.Run("compared here", func(t *testing.T) { meanings(t, pgtest.New(t), false) })
	t.Run("by pgvector", func(t *testing.T) { meanings(t, newVector(t), true) })
}

// newVector is a PostgreSQL with pgvector, PGlite, that takes one session.
func newVector(t *testing.T) (url string) {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("node", "serve.mjs", dir)
	cmd.Dir = "testdata/vector"
	in, err := cmd.StdinPipe() // it ends when this does
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatalf("cannot start PGlite: %v; run .ci/needs first", err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		in.Close()
		_ = cmd.Wait()
		t.Fatalf("PGlite says %q, %v: %s; run .ci/needs first", line, err, said.String())
	}
	return "postgres:///postgres?user=postgres&host=" + dir
}

// meanings runs the store of meanings where the server has pgvector, or has not.
func meanings(t *testing.T, url string, vectors bool) {
	s, err := Open(t.Context(), url, Options{Node: store.Node{ID: "node"}, Conns: 1, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	m, err := s.Meanings(t.Context(), 100)
	if err != nil || m.vectors != vectors {
		t.Fatalf("the server has pgvector: %v, %v; want %v", m.vectors, err, vectors)
	}
	part, other := [32]byte{1}, [32]byte{2}
	learn := func(key byte, part [32]byte, tenant string, expires int64, vector ...float32) {
		t.Helper()
		err := m.Learn(t.Context(), &call.Meaning{Part: part, Key: [32]byte{key}, Tenant: tenant, Model: "fast", Made: 10, Expires: expires, Vector: vector, Sealed: []byte{key}})
		if err != nil {
			t.Fatal(err)
		}
	}
	learn(1, part, "us", 1000, 1, 0)
	learn(2, part, "us", 1000, .6, .8)
	learn(3, part, "us", 20, 0, 1) // expires early
	learn(4, other, "them", 1000, .8, .6)
	learn(5, part, "us", 1000, .8, .6, 0) // of another model
	f := func(part [32]byte, nowMS int64, want byte, distance float64, vector ...float32) {
		t.Helper()
		n, err := m.Near(t.Context(), part, vector, nowMS)
		if err != nil || len(n.Sealed) == 0 && want != 0 || len(n.Sealed) > 0 && (n.Sealed[0] != want || n.Key[0] != want) || want != 0 && math.Abs(n.Distance-distance) > 1e-6 {
			t.Errorf("%v: got %+v, %v; want %d at %v", vector, n, err, want, distance)
		}
	}
	f(part, 15, 1, 0, 1, 0)
	f(part, 15, 1, .2, .8, .6*-1)
	f(part, 15, 2, 1-.96, .8, .6)
	f(part, 15, 3, 0, 0, 1)
	f(part, 20, 2, .2, 0, 1)
	f(other, 15, 4, .2, 1, 0)
	f([32]byte{3}, 15, 0, 0, 1, 0)
	f(part, 15, 0, 0, 1, 0, 0, 0)

	purge := func(p call.Purge, want int64) {
		t.Helper()
		if n, err := m.PurgeMeanings(t.Context(), p); err != nil || n != want {
			t.Errorf("%+v: %d are gone, %v; want %d", p, n, err, want)
		}
	}
	purge(call.Purge{Before: 9}, 0)
	purge(call.Purge{Tenant: "them", Model: "slow"}, 0)
	purge(call.Purge{Tenant: "them", Model: "fast"}, 1)
	purge(call.Purge{Key: "0100000000000000000000000000000000000000000000000000000000000000"}, 1)
	purge(call.Purge{}, 3)
}

// TestMeaningsGo: beyond the most that are kept, the oldest go.
func TestMeaningsGo(t *testing.T) {
	m, err := open(t, pgtest.New(t), "node").Meanings(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 128 {
		err := m.Learn(t.Context(), &call.Meaning{Part: [32]byte{1}, Key: [32]byte{byte(i)}, Made: 1, Expires: 1000, Vector: []float32{1}, Sealed: []byte{1}})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n, err := m.Kept(t.Context()); err != nil || n != 10 {
		t.Errorf("%d are kept, %v; want 10", n, err)
	}
}
