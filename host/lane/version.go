package lane

import (
	"slices"
	"sync/atomic"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/wasm"
	"github.com/signalbox-ai/signalbox/sdk/module"
)

// Version is a module, compiled, that can be put into lanes.
type Version struct {
	Label    string
	Manifest *module.Manifest

	module *wasm.Version
	slot   wasm.Slot // holds module while a lane has it
	needs  call.Needs
	calls  atomic.Int64
	faults atomic.Int64
}

// NewVersion returns a version that serves nothing yet.
func NewVersion(v *wasm.Version, m *module.Manifest) *Version {
	return &Version{Label: v.Label, Manifest: m, module: v, needs: needsOf(m)}
}

var needs = map[string]call.Needs{module.Session: call.NeedSession, module.Budget: call.NeedBudget,
	module.Identity: call.NeedIdentity, module.Metadata: call.NeedMetadata, module.Features: call.NeedFeatures}

func needsOf(m *module.Manifest) (n call.Needs) {
	for _, name := range m.Needs {
		n |= needs[name]
	}
	return n
}

// refuses reports whether the active version's failures are refusals.
func refuses(l Lanes) bool {
	onError := l.OnError
	if onError == "" && l.Active != nil {
		onError = l.Active.Manifest.OnError
	}
	return slices.Contains([]string{module.Refuse, module.Closed}, onError)
}

// Acquire returns an instance, nil when v is in no lane any more: look at the
// set's view again. Release must follow.
func (v *Version) Acquire() (*wasm.Instance, error) {
	in, err := v.slot.Acquire()
	if in != nil || err != nil {
		v.calls.Add(1)
	}
	return in, err
}

// Needs are what the manifest asks to know about requests.
func (v *Version) Needs() call.Needs { return v.needs }

// Instances counts what is alive, running calls included.
func (v *Version) Instances() int { return v.module.Instances() }

// Calls and Faults count since v was loaded.
func (v *Version) Calls() int64  { return v.calls.Load() }
func (v *Version) Faults() int64 { return v.faults.Load() }

// Failed counts a call that failed without anybody's harm.
func (v *Version) Failed() { v.faults.Add(1) }

// Module is what is run.
func (v *Version) Module() *wasm.Version { return v.module }

func (v *Version) start() { v.slot.Swap(v.module) }
func (v *Version) stop()  { v.slot.Swap(nil) }

// Close releases the code when the last call returns. No lane has v any more.
func (v *Version) Close() {
	v.stop()
	v.module.Close()
}

func (v *Version) label() string {
	if v == nil {
		return ""
	}
	return v.Label
}
