package trail

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/policy"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Path is what events name as what was asked: all units, merged.
const Path = "signalbox/decision"

// former makes events of OPA's form (EventV1 of its package logs). It is used
// by one goroutine.
type former struct {
	label []byte // JSON
	call  call.Call
	buf   []byte
}

func (f *former) labels(m map[string]string) { f.label = appendStrings(nil, m) }

func appendStrings(dst []byte, m map[string]string) []byte {
	dst = append(dst, '{')
	for i, name := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(wire.AppendString(dst, name), ':')
		dst = wire.AppendString(dst, m[name])
	}
	return append(dst, '}')
}

// event is the JSON of ev, valid until the next call. keep is false if the
// bundle's rules leave it out. With an error, it is without input and result.
func (f *former) event(ev *policy.Event, took time.Duration) (out []byte, keep bool, err error) {
	f.head(ev, took)
	head := len(f.buf)
	f.buf = append(f.buf, `,"input":`...)
	at := len(f.buf)
	if f.buf = ev.AppendInput(f.buf, &f.call); len(f.buf) == at {
		f.buf = f.buf[:head] // there was none
	}
	f.buf = appendResult(append(f.buf, `,"result":`...), ev.Decision)
	f.buf = append(f.buf, '}')
	if ev.Active == nil || ev.Active.Log == nil {
		return f.buf, true, nil
	}
	var doc map[string]any
	if err = json.Unmarshal(f.buf, &doc); err == nil {
		if keep, err = ev.Active.Log.Apply(doc); err == nil && !keep {
			return nil, false, nil
		}
	}
	if err == nil {
		if out, err = json.Marshal(doc); err == nil {
			return out, true, nil
		}
	}
	return append(f.buf[:head], `,"erased":["/input","/result"]}`...), true, err
}

// head appends the members that no rule touches, and leaves the object open.
func (f *former) head(ev *policy.Event, took time.Duration) {
	b := append(f.buf[:0], `{"labels":`...)
	b = append(b, f.label...)
	b = append(b, `,"decision_id":"`...)
	b = ev.ID.Append(b)
	b = append(b, `","bundles":{`...)
	if ev.Active != nil {
		for i, name := range slices.Sorted(maps.Keys(ev.Active.Bundles)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(wire.AppendString(b, name), ':', '{')
			if rev := ev.Active.Bundles[name]; rev != "" {
				b = wire.AppendString(append(b, `"revision":`...), rev)
			}
			b = append(b, '}')
		}
	}
	b = append(b, `},"path":"`+Path+`"`...)
	if ev.Remote.IsValid() {
		b = append(b, `,"requested_by":"`...)
		b = append(ev.Remote.AppendTo(b), '"')
	}
	b = append(b, `,"timestamp":"`...)
	b = ev.Received.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","metrics":{"timer_rego_query_eval_ns":`...)
	b = strconv.AppendInt(b, int64(took), 10)
	f.buf = append(b, '}')
}

func appendResult(b []byte, d *call.Decision) []byte {
	b = append(b, `{"allow":`...)
	b = strconv.AppendBool(b, d.Allow)
	b = append(b, `,"revision":`...)
	b = wire.AppendString(b, d.Revision)
	b = appendReasons(append(b, `,"reasons":`...), d.Reasons)
	if len(d.Dry) > 0 {
		b = appendReasons(append(b, `,"dry_run":`...), d.Dry)
	}
	b = append(b, `,"obligations":{`...)
	return append(appendObligations(b, d), '}', '}')
}

func appendReasons(b []byte, reasons []call.Reason) []byte {
	b = append(b, '[')
	for i, r := range reasons {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"unit":`...)
		b = wire.AppendString(b, r.Unit)
		b = append(b, `,"code":`...)
		b = wire.AppendString(b, r.Code)
		if r.Value != "" {
			b = append(b, `,"v":`...)
			b = wire.AppendString(b, r.Value)
		}
		b = append(b, '}')
	}
	return append(b, ']')
}

func appendObligations(b []byte, d *call.Decision) []byte {
	first := true
	name := func(n string) {
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(wire.AppendString(b, n), ':')
	}
	if d.MaxTokens > 0 {
		name("max_tokens")
		b = strconv.AppendInt(b, d.MaxTokens, 10)
	}
	if d.Restricted {
		name("targets")
		b = appendList(b, d.Targets)
	}
	if len(d.Filters) > 0 {
		name("filters")
		b = appendList(b, d.Filters)
	}
	if len(d.Limits) > 0 {
		name("limits")
		raw, err := json.Marshal(d.Limits)
		if err != nil {
			raw = []byte("null")
		}
		b = append(b, raw...)
	}
	for _, t := range [...]struct{ name, v string }{{"log", d.Log}, {"cache", d.Cache}} {
		if t.v != "" {
			name(t.name)
			b = wire.AppendString(b, t.v)
		}
	}
	if d.LogRequired {
		name("log_required")
		b = append(b, "true"...)
	}
	return b
}

func appendList(b []byte, list []string) []byte {
	b = append(b, '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = wire.AppendString(b, s)
	}
	return append(b, ']')
}
