// Package guests runs modules of any language in tests and benchmarks, as the
// gateway does: loaded, metered and compiled, one call after the other on
// records that are made here.
package guests

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/signalbox-ai/signalbox/host/wasm"
	"github.com/signalbox-ai/signalbox/host/wasm/record"
	"github.com/signalbox-ai/signalbox/host/wasm/wasmtest"
	"github.com/signalbox-ai/signalbox/sdk/module"
)

// Languages are those that a sample is written in; Go's lies in the sample's
// folder, the others' in folders of it.
var Languages = []string{"go", "c", "rust", "as"}

// Sample returns the module in a sample's folder, in a language. Go's is built,
// the others' are committed: sdk/build.sh makes them.
func Sample(t testing.TB, folder, lang string) []byte {
	t.Helper()
	if lang == "go" {
		return wasmtest.BuildGo(t, folder)
	}
	name := filepath.Base(folder)
	if name == "." {
		dir, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		name = filepath.Base(dir)
	}
	code, err := os.ReadFile(filepath.Join(folder, lang, name+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// Guest is a module that answers calls.
type Guest struct {
	State *wasm.State

	slot wasm.Slot
}

// Load loads a module of a kind until the test ends.
func Load(t testing.TB, kind module.Kind, code []byte) *Guest {
	t.Helper()
	g, err := TryLoad(t, kind, code, record.Config("sample", nil, ""))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TryLoad is Load with a record of configuration, of a module that may be refused.
func TryLoad(t testing.TB, kind module.Kind, code, config []byte) (*Guest, error) {
	t.Helper()
	rt, err := wasm.New(wasm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g := &Guest{State: wasm.NewState(slog.New(slog.DiscardHandler))}
	v, err := rt.Load(wasm.Module{Name: "sample", Code: code, Config: config, Entry: "sb_" + string(kind), Params: 2, State: g.State})
	if err == nil {
		g.slot.Swap(v)
	}
	t.Cleanup(func() {
		if v != nil {
			v.Close()
		}
		if err := rt.Close(); err != nil {
			t.Error(err)
		}
	})
	return g, err
}

// Call gives the guest a record and appends its answer to dst, nothing when it declines.
func (g *Guest) Call(dst, record []byte) ([]byte, error) {
	in, err := g.slot.Acquire()
	if err != nil {
		return dst, err
	}
	b, err := in.Buffer(len(record))
	if err == nil {
		copy(b, record)
		b, err = in.Call(len(record))
		dst = append(dst, b...)
	}
	in.Release(err)
	return dst, err
}

// Spent is the fuel that a call of record takes.
func (g *Guest) Spent(t testing.TB, record []byte) int64 {
	t.Helper()
	in, err := g.slot.Acquire()
	if err != nil {
		t.Fatal(err)
	}
	b, err := in.Buffer(len(record))
	if err == nil {
		copy(b, record)
		_, err = in.Call(len(record))
	}
	spent := in.Spent()
	in.Release(err)
	if err != nil {
		t.Fatal(err)
	}
	return spent
}

// Observe gives the guest an observation.
func (g *Guest) Observe(record []byte) error {
	in, err := g.slot.Acquire()
	if err != nil {
		return err
	}
	b, err := in.Buffer(len(record))
	if err == nil {
		copy(b, record)
		err = in.Observe(len(record))
	}
	in.Release(err)
	return err
}
