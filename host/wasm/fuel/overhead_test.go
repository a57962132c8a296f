package fuel_test

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/signalbox-ai/signalbox/host/wasm/fuel"
	"github.com/signalbox-ai/signalbox/sdk/abi"
)

// BenchmarkOverhead compares calls of the shipped modules as they are and
// metered, in turns: x_plain is the median of the turns' ratios. Routes decide on
// a record of eight targets, filters look at four KiB of prose.
func BenchmarkOverhead(b *testing.B) {
	files, err := filepath.Glob(root + "plugins/*/*/*.wasm")
	if err != nil || len(files) == 0 {
		b.Fatal(files, err)
	}
	for _, file := range files {
		b.Run(kindOf(file)+"/"+filepath.Base(filepath.Dir(file)), func(b *testing.B) {
			plain, err := os.ReadFile(file)
			if err != nil {
				b.Fatal(err)
			}
			metered, err := fuel.Inject(plain, 1<<60, fuel.Small)
			if err != nil {
				b.Fatal(err)
			}
			with, without := newDecider(b, metered), newDecider(b, plain)
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			best, ratios := time.Hour, []float64(nil)
			for b.Loop() {
				plain, metered := without.many(b), with.many(b)
				best = min(best, plain)
				ratios = append(ratios, float64(metered)/float64(plain))
			}
			slices.Sort(ratios)
			b.ReportMetric(float64(best.Nanoseconds())/float64(without.turns), "plain-ns")
			b.ReportMetric(ratios[len(ratios)/2], "x_plain")
		})
	}
}

// kindOf is the kind of the module in a file, as its folder says.
func kindOf(file string) string {
	return strings.TrimSuffix(filepath.Base(filepath.Dir(filepath.Dir(file))), "s")
}

type decider struct {
	f     api.Function
	fuel  api.MutableGlobal
	at, n uint64
	turns int // of one measurement
}

func newDecider(b *testing.B, wasm []byte) *decider {
	ctx := context.Background()
	rt := newRuntime(b)
	stubs(b, rt)
	mod, err := rt.InstantiateWithConfig(ctx, wasm, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		b.Fatal(err)
	}
	d := &decider{f: mod.ExportedFunction("sb_route"), turns: 2000}
	record := eightTargets(b)
	if d.f == nil {
		d.f, d.turns, record = mod.ExportedFunction("sb_filter"), 50, prose(b)
	}
	d.fuel, _ = mod.ExportedGlobal(fuel.Global).(api.MutableGlobal)
	d.n = uint64(len(record))
	results, err := mod.ExportedFunction("sb_buf").Call(ctx, d.n)
	if err != nil {
		b.Fatal(err)
	}
	d.at = results[0] >> 32
	mod.Memory().Write(uint32(d.at), record)
	return d
}

func (d *decider) many(b *testing.B) time.Duration {
	start := threadTime()
	for range d.turns {
		stack := [2]uint64{d.at, d.n}
		if d.fuel != nil {
			d.fuel.Set(budget)
		}
		if err := d.f.CallWithStack(context.Background(), stack[:]); err != nil {
			b.Fatal(err)
		}
	}
	return threadTime() - start
}

// prose is the ABI's golden window with four KiB of text.
func prose(t testing.TB) []byte {
	t.Helper()
	golden, err := os.ReadFile(root + "sdk/abi/testdata/window.sbw1")
	if err != nil {
		t.Fatal(err)
	}
	var h abi.Window
	text := strings.Repeat("The lamp goes green, the train may leave. ", 100)[:4096]
	out := append(append([]byte(nil), golden[:abi.WindowSize]...), text...)
	binary.LittleEndian.PutUint32(out[unsafe.Offsetof(h.Total):], uint32(len(out)))
	binary.LittleEndian.PutUint32(out[unsafe.Offsetof(h.Flags):], abi.WindowFirst|abi.WindowFinal)
	clear(out[unsafe.Offsetof(h.Model):unsafe.Offsetof(h.Kind)])
	clear(out[unsafe.Offsetof(h.State):unsafe.Offsetof(h.Seen)])
	binary.LittleEndian.PutUint32(out[unsafe.Offsetof(h.Text):], uint32(abi.WindowSize))
	binary.LittleEndian.PutUint32(out[unsafe.Offsetof(h.Text)+4:], uint32(len(text)))
	return out
}

// stubs offers the host's functions, which do nothing.
func stubs(t testing.TB, rt wazero.Runtime) {
	t.Helper()
	ctx := context.Background()
	_, err := rt.NewHostModuleBuilder("sb").
		NewFunctionBuilder().WithFunc(func(level, ptr, n uint32) {}).Export("log").
		NewFunctionBuilder().WithFunc(func(id uint32, delta int64) int64 { return delta }).Export("counter_add").
		NewFunctionBuilder().WithFunc(func(id uint32, value float64) {}).Export("metric").Instantiate(ctx)
	if err != nil {
		t.Fatal(err)
	}
}

// eightTargets is the ABI's golden record with its first target eight times.
func eightTargets(t testing.TB) []byte {
	t.Helper()
	golden, err := os.ReadFile(root + "sdk/abi/testdata/request.sbr1")
	if err != nil {
		t.Fatal(err)
	}
	var h abi.Request
	from := binary.LittleEndian.Uint32(golden[unsafe.Offsetof(h.TargetOff):])
	out := append([]byte(nil), golden[:abi.RequestSize]...)
	for range 8 {
		out = append(out, golden[from:from+uint32(abi.TargetSize)]...)
	}
	binary.LittleEndian.PutUint32(out[unsafe.Offsetof(h.Total):], uint32(len(out)))
	binary.LittleEndian.PutUint32(out[unsafe.Offsetof(h.TargetOff):], uint32(abi.RequestSize))
	binary.LittleEndian.PutUint32(out[unsafe.Offsetof(h.Targets):], 8)
	return out
}
