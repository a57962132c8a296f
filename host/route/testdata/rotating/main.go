// Rotating reads all that a module may: a counter that its instances share, the
// clocks and randomness. Asked for images it goes by the order of a map, which
// differs from call to call.
package main

import (
	"time"
	"unsafe"

	"github.com/signalbox-ai/signalbox/sdk/abi"
	"github.com/signalbox-ai/signalbox/sdk/route"
)

//go:wasmimport sb counter_add
func counterAdd(id uint32, delta int64) int64

//go:wasmimport wasi_snapshot_preview1 random_get
func randomGet(at unsafe.Pointer, n uint32) uint32

var started = time.Now()

func init() { route.Handle(rotating) }

func main() {}

func rotating(req *route.Request, plan *route.Plan) {
	turn := int(counterAdd(3, 1))
	if req.Flags&abi.FlagImages != 0 {
		turn = anyKey()
	}
	var random uint32
	randomGet(unsafe.Pointer(&random), 4)
	for i := range req.Len() {
		a := plan.Try((i + turn) % req.Len())
		a.TimeoutMS = uint32(time.Now().UnixMilli())
		a.BackoffMS = uint32(time.Since(started).Milliseconds())
		a.Weight = random
	}
	plan.Because("its turn")
}

func anyKey() int {
	keys := map[int]bool{}
	for i := range 64 {
		keys[i] = true
	}
	for k := range keys {
		return k
	}
	return 0
}
