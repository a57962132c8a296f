package route

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unsafe"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/host/wasm"
	"github.com/signalbox-ai/signalbox/host/wasm/record"
	"github.com/signalbox-ai/signalbox/sdk/abi"
)

// Recording is one decision: what the module was shown, what the host answered
// it, and its plan. It holds no text of the request.
type Recording struct {
	Module string // name@sha256 of what was asked
	wasm.Recording
}

// Trial is a module that serves no traffic: recorded decisions are repeated on it.
type Trial struct{ version *wasm.Version }

// Trial loads a module under trial; code and config are as for Load. It must be
// closed before the router is.
func (r *Router) Trial(name string, code, config []byte) (*Trial, error) {
	v, err := r.runtime.Load(asModule(name, lane.Source{Code: code, Config: config}, wasm.NewState(r.log.With("route", name, "trial", true))))
	if err != nil {
		return nil, fmt.Errorf("cannot try route %q: %w", name, err)
	}
	return &Trial{version: v}, nil
}

// Module is name@sha256 of what is tried.
func (t *Trial) Module() string { return t.version.Label }

// Close frees the module.
func (t *Trial) Close() { t.version.Close() }

// Replayed is a repeated decision.
type Replayed struct {
	Plan call.Plan // without attempts and code: the module declines
	Same bool      // the plan is, byte for byte, the recorded one
}

// Replay repeats a decision on so many fresh instances, twice on each. It fails
// as the module does, or, with wasm.ErrDiverged, when its plans differ or it
// asks the host for something else than what was recorded.
func (t *Trial) Replay(r *Recording, instances int) (*Replayed, error) {
	return replay(t.version, r, instances)
}

func replay(v *wasm.Version, r *Recording, instances int) (*Replayed, error) {
	if len(r.Record) < abi.RequestSize {
		return nil, fmt.Errorf("cannot replay a record of %d bytes: it is not a routing request", len(r.Record))
	}
	answer, err := v.Replay(&r.Recording, instances)
	if err != nil {
		return nil, err
	}
	out := &Replayed{Same: bytes.Equal(answer, r.Answer)}
	if answer == nil {
		return out, nil
	}
	targets := binary.LittleEndian.Uint32(r.Record[unsafe.Offsetof(request.Targets):])
	if err := decode(answer, int(min(targets, call.MaxCandidates)), &out.Plan); err != nil {
		return nil, err
	}
	out.Plan.Route = v.Label
	return out, nil
}

// asModule is what the runtime loads for a route.
func asModule(name string, src lane.Source, state *wasm.State) wasm.Module {
	return wasm.Module{Name: name, Code: src.Code, Manifest: src.Manifest, Config: record.Config(name, src.Config, src.Tags), Strict: src.Configured(),
		Entry: "sb_route", Params: 2, State: state}
}
