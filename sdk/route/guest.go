//go:build wasip1

package route

import "github.com/signalbox-ai/signalbox/sdk/internal/guest"

//go:wasmexport sb_route
func sbRoute(_, length uint32) uint64 { return guest.Pack(Run(guest.Record(length))) }
