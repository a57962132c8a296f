package filter

import (
	"bytes"
	"sync/atomic"

	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/host/wasm/record"
	"github.com/signalbox-ai/signalbox/sdk/abi"
)

// shadow counts what a version says that acts on nothing, beside the active one.
type shadow struct {
	trial                 atomic.Pointer[lane.Version] // what the counts are of
	calls, differ, faults atomic.Int64
}

// follow begins to count anew where v is another version than before.
func (s *shadow) follow(v *lane.Version) {
	if v == nil || s.trial.Swap(v) == v {
		return
	}
	s.calls.Store(0)
	s.differ.Store(0)
	s.faults.Store(0)
}

// ShadowStats compare the version in the shadow with the active one, over texts
// that are seen whole: requests, and answers that do not stream.
type ShadowStats struct {
	Calls   int64 `json:"calls"`
	Differs int64 `json:"differs"` // it says something else, or lets another text pass
	Faults  int64 `json:"faults"`
}

// watch shows a version the window that the active one has judged by v.
func (s *shadow) watch(version *lane.Version, w *record.Window, v *verdict) {
	const whole = abi.WindowFirst | abi.WindowFinal
	if w.Flags&whole != whole {
		return
	}
	in, err := version.Acquire()
	if in == nil && err == nil {
		return // it has just left
	}
	if s.trial.Load() != version {
		if in != nil {
			in.Release(nil)
		}
		return // another one has just come
	}
	s.calls.Add(1)
	var left state
	var said verdict
	if in != nil {
		err = ask(in, w, &left, &said)
		in.Release(err)
	}
	switch {
	case err != nil:
		version.Failed()
		s.faults.Add(1)
	case said.action != v.action || said.code != v.code || !bytes.Equal(said.output, v.output):
		s.differ.Add(1)
	}
}

func (s *shadow) stats() *ShadowStats {
	if s.calls.Load() == 0 {
		return nil
	}
	return &ShadowStats{Calls: s.calls.Load(), Differs: s.differ.Load(), Faults: s.faults.Load()}
}
