package fuel_test

import (
	"context"
	"encoding/binary"
	"os"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/signalbox-ai/signalbox/host/wasm/fuel"
)

// BenchmarkOverhead compares a decision of the shipped module as it is and
// metered, on a record of eight targets.
func BenchmarkOverhead(b *testing.B) {
	plain, err := os.ReadFile("../../../plugins/routes/priority/priority.wasm")
	if err != nil {
		b.Fatal(err)
	}
	metered, err := fuel.Inject(plain, 1<<60, fuel.Plain)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("plain", func(b *testing.B) { decisions(b, plain) })
	b.Run("metered", func(b *testing.B) { decisions(b, metered) })
}

func decisions(b *testing.B, wasm []byte) {
	ctx := context.Background()
	mod, err := newRuntime(b).InstantiateWithConfig(ctx, wasm, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		b.Fatal(err)
	}
	record := eightTargets(b)
	results, err := mod.ExportedFunction("sb_buf").Call(ctx, uint64(len(record)))
	if err != nil {
		b.Fatal(err)
	}
	at := results[0] >> 32
	mod.Memory().Write(uint32(at), record)
	global, _ := mod.ExportedGlobal(fuel.Global).(api.MutableGlobal)
	f := mod.ExportedFunction("sb_route")
	var stack [2]uint64
	for b.Loop() {
		stack = [2]uint64{at, uint64(len(record))}
		if global != nil {
			global.Set(budget)
		}
		if err := f.CallWithStack(ctx, stack[:]); err != nil || stack[0] == 0 {
			b.Fatal(err, stack)
		}
	}
}

// eightTargets is the ABI's golden record with its first target eight times.
func eightTargets(b *testing.B) []byte {
	golden, err := os.ReadFile("../../../sdk/abi/testdata/request.sbr1")
	if err != nil {
		b.Fatal(err)
	}
	out := append([]byte(nil), golden[:128]...)
	for range 8 {
		out = append(out, golden[128:128+112]...)
	}
	binary.LittleEndian.PutUint32(out[8:], uint32(len(out)))
	binary.LittleEndian.PutUint32(out[104:], 8)
	return out
}
