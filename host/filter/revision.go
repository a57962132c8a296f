package filter

import "github.com/signalbox-ai/signalbox/host/lane"

// Name is what configuration calls the filter.
func (h *Handle) Name() string { return h.name }

// Revision tells which versions of the filter's module look at text, "": it has
// none, being part of the host.
func (h *Handle) Revision() (out string) {
	if h.native.Load() != nil {
		return ""
	}
	l := h.lanes.View().Lanes()
	for _, v := range []*lane.Version{l.Active, l.Canary} {
		if v != nil {
			out += v.Label + "\n"
		}
	}
	return out
}
