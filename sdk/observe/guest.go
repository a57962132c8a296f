//go:build wasip1

package observe

import "github.com/signalbox-ai/signalbox/sdk/internal/guest"

//go:wasmexport sb_observe
func sbObserve(_, length uint32) { Run(guest.Record(length)) }
