package access

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/signalbox-ai/signalbox/host/call"
)

// field appends one member with its comma, or nothing where there is nothing to tell.
type field struct {
	name   string
	value  func(dst []byte, e *Entry) []byte // returns dst unchanged where there is none
	prefix []byte
}

func (f *field) append(dst []byte, e *Entry) []byte {
	from := len(dst)
	dst = append(dst, f.prefix...)
	at := len(dst)
	if dst = f.value(dst, e); len(dst) == at && f.name != "time" {
		return dst[:from]
	}
	return append(dst, ',')
}

func text(get func(*Entry) string) func([]byte, *Entry) []byte {
	return func(dst []byte, e *Entry) []byte {
		if s := get(e); s != "" {
			return quote(dst, s)
		}
		return dst
	}
}

func number(get func(*Entry) int64) func([]byte, *Entry) []byte {
	return func(dst []byte, e *Entry) []byte { return strconv.AppendInt(dst, get(e), 10) }
}

// counted leaves zero out.
func counted(get func(*Entry) int64) func([]byte, *Entry) []byte {
	return func(dst []byte, e *Entry) []byte {
		if n := get(e); n != 0 {
			return strconv.AppendInt(dst, n, 10)
		}
		return dst
	}
}

func millis(get func(*Entry) int64) func([]byte, *Entry) []byte {
	return func(dst []byte, e *Entry) []byte {
		us := get(e)
		if us == 0 {
			return dst
		}
		return strconv.AppendFloat(dst, float64(us)/1000, 'f', 3, 64)
	}
}

func dollars(get func(*Entry) int64) func([]byte, *Entry) []byte {
	return func(dst []byte, e *Entry) []byte {
		if n := get(e); n != 0 {
			return call.AppendUSD(dst, n)
		}
		return dst
	}
}

// fields are all that a line can have, in its order. Names are stable. time,
// request_id and status are always there.
var fields = []field{
	{name: "time", value: func(dst []byte, e *Entry) []byte {
		return append(e.Time.UTC().AppendFormat(append(dst, '"'), time.RFC3339Nano), '"')
	}},
	{name: "request_id", value: func(dst []byte, e *Entry) []byte {
		return append(e.Record.ID.Append(append(dst, '"')), '"')
	}},
	{name: "trace_id", value: func(dst []byte, e *Entry) []byte {
		if !e.Trace.On() {
			return dst
		}
		return append(e.Trace.ID.Append(append(dst, '"')), '"')
	}},
	{name: "parent", value: func(dst []byte, e *Entry) []byte {
		if e.Record.Parent == 0 {
			return dst
		}
		return append(e.Record.Parent.Append(append(dst, '"')), '"')
	}},
	{name: "origin", value: text(func(e *Entry) string { return e.Record.Origin })},
	{name: "remote", value: func(dst []byte, e *Entry) []byte {
		if e.remoteN == 0 {
			return dst
		}
		return append(append(append(dst, '"'), e.Remote[:e.remoteN]...), '"')
	}},
	{name: "op", value: text(func(e *Entry) string { return e.Record.Op.String() })},
	{name: "dialect", value: text(func(e *Entry) string { return e.Record.Dialect.String() })},
	{name: "stream", value: func(dst []byte, e *Entry) []byte { return strconv.AppendBool(dst, e.Record.Stream) }},
	{name: "key_id", value: text(func(e *Entry) string { return e.Record.KeyID })},
	{name: "org", value: text(func(e *Entry) string { return e.Record.Org })},
	{name: "project", value: text(func(e *Entry) string { return e.Record.Project })},
	{name: "team", value: text(func(e *Entry) string { return e.Record.Team })},
	{name: "user", value: text(func(e *Entry) string { return e.Record.User })},
	{name: "model", value: text(func(e *Entry) string { return e.Record.Asked })},
	{name: "target", value: text(func(e *Entry) string { return e.Record.Target })},
	{name: "status", value: number(func(e *Entry) int64 { return int64(e.Record.Status) })},
	{name: "class", value: text(func(e *Entry) string { return e.Record.Class.String() })},
	{name: "code", value: text(func(e *Entry) string { return e.Record.Code })},
	{name: "attempts", value: number(func(e *Entry) int64 { return int64(e.Attempts) })},
	{name: "duration_ms", value: millis(func(e *Entry) int64 { return e.Record.DurationUS })},
	{name: "first_byte_ms", value: millis(func(e *Entry) int64 { return e.Record.TTFTUS })},
	{name: "upstream_ms", value: millis(func(e *Entry) int64 { return e.Upstream.Microseconds() })},
	{name: "overhead_us", value: number(func(e *Entry) int64 { return e.Record.OverheadUS })},
	{name: "input_tokens", value: counted(func(e *Entry) int64 { return e.Record.Usage.Prompt() })},
	{name: "output_tokens", value: counted(func(e *Entry) int64 { return e.Record.Usage.Completion() })},
	{name: "cost_usd", value: dollars(func(e *Entry) int64 { return e.Record.Cost })},
	{name: "cost", value: text(func(e *Entry) string { return e.Record.Provenance.String() })},
	{name: "cached", value: text(func(e *Entry) string { return e.Record.Cached.String() })},
	{name: "saved_usd", value: dollars(func(e *Entry) int64 { return e.Record.Saved })},
	{name: "bytes_in", value: counted(func(e *Entry) int64 { return e.In })},
	{name: "bytes_out", value: counted(func(e *Entry) int64 { return e.Out })},
	{name: "route", value: text(func(e *Entry) string { return e.Record.Route })},
	{name: "policy", value: text(func(e *Entry) string { return e.Record.Policy })},
}

func init() {
	for i := range fields {
		fields[i].prefix = append(quote(nil, fields[i].name), ':')
	}
}

// Names are those of all fields, in the order of a line.
func Names() (list []string) {
	for _, f := range fields {
		list = append(list, f.name)
	}
	return list
}

// choose picks fields by name, in their own order, with those that are always there.
func choose(names []string) ([]field, error) {
	if len(names) == 0 {
		return fields, nil
	}
	want := map[string]bool{"time": true, "request_id": true, "status": true}
	for _, n := range names {
		want[n] = true
	}
	var list []field
	for _, f := range fields {
		if want[f.name] {
			list = append(list, f)
			delete(want, f.name)
		}
	}
	for n := range want {
		return nil, fmt.Errorf("cannot log field %q: choose of %s", n, strings.Join(Names(), ", "))
	}
	return list, nil
}

const hexDigits = "0123456789abcdef"

// quote appends s as a JSON string.
func quote(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ' || c == 0x7f:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		case c < utf8.RuneSelf:
			dst = append(dst, c)
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			dst = utf8.AppendRune(dst, r) // what is no UTF-8 becomes U+FFFD
			i += n
			continue
		}
		i++
	}
	return append(dst, '"')
}
