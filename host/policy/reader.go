package policy

import (
	"bytes"
	"slices"
	"strconv"
	"sync"
	"time"
	"unsafe"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// reader reads the input's fields from one call without allocating. Keys and
// the input document are both made from what it returns, so that they cannot
// differ. It is pooled; its values are valid until put.
type reader struct {
	call *call.Call
	env  *environment

	key      []byte     // space for keys
	verdicts []*verdict // one a unit
	ip, id   []byte
	tools    []string // sorted, without duplicates; they alias the body
	haveTool bool
	clock    clock
	haveTime bool
	input    *ast.Term // nil until something is evaluated
	deadline *deadline // of the whole decision, from the first evaluation on
}

// environment is what a snapshot adds to the input.
type environment struct {
	zones    *zoneTable
	location *time.Location
	headers  []string // the request headers that the bundle names, sorted
	limit    time.Duration
}

type kind uint8

const (
	kindString kind = iota
	kindNumber
	kindBool
	kindList
	kindObject // read by member
)

// value is the value of one field.
type value struct {
	kind kind
	str  string
	num  int64
	yes  bool
	list []string
}

func text(s string) value   { return value{kind: kindString, str: s} }
func number(n int64) value  { return value{kind: kindNumber, num: n} }
func boolean(b bool) value  { return value{kind: kindBool, yes: b} }
func list(l []string) value { return value{kind: kindList, list: l} }
func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
func textOf(b []byte) value { return text(alias(b)) }

var readers = sync.Pool{New: func() any { return new(reader) }}

func getReader(c *call.Call, env *environment) *reader {
	r := readers.Get().(*reader)
	r.call, r.env = c, env
	return r
}

func putReader(r *reader) {
	clear(r.tools)
	clear(r.verdicts)
	r.call, r.env, r.input, r.deadline = nil, nil, nil, nil
	r.tools, r.verdicts = r.tools[:0], r.verdicts[:0]
	r.haveTool, r.haveTime = false, false
	readers.Put(r)
}

// evaluation returns the input document and the deadline that all units of one
// decision share.
func (r *reader) evaluation() (*ast.Term, topdown.Cancel) {
	if r.input == nil {
		r.input, r.deadline = r.document(), newDeadline(r.env.limit)
	}
	return r.input, r.deadline
}

// read returns the value of a field that is not open.
func (r *reader) read(id fieldID) value {
	switch {
	case id <= fieldAuth:
		return r.principal(id)
	case id <= fieldTLS:
		return r.network(id)
	case id <= fieldTZ:
		return r.time(id)
	case id <= fieldPriority:
		return r.body(id)
	}
	return r.callField(id)
}

func (r *reader) principal(id fieldID) value {
	p := r.call.Principal
	switch id {
	case fieldVersion:
		return number(1)
	case fieldKeyID:
		return text(p.KeyID)
	case fieldKeyName:
		return text(p.KeyName)
	case fieldOrg:
		return text(p.Org)
	case fieldProject:
		return text(p.Project)
	case fieldTeam:
		return text(p.Team)
	case fieldUser:
		return text(p.User)
	case fieldRoles:
		return list(p.Roles)
	case fieldEnv:
		return text(p.Env)
	}
	return text("key") // fieldAuth
}

func (r *reader) network(id fieldID) value {
	switch id {
	case fieldIP:
		r.ip = r.ip[:0]
		if r.call.Remote.IsValid() {
			r.ip = plainAddr(r.call.Remote).AppendTo(r.ip)
		}
		return textOf(r.ip)
	case fieldZones:
		return list(r.env.zones.find(plainAddr(r.call.Remote)))
	}
	return boolean(r.call.TLS)
}

// clock is the time of a request in the bundle's time zone.
type clock struct{ day, weekday, hour, minute int64 }

var weekdays = [7]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func (r *reader) time(id fieldID) value {
	if !r.haveTime {
		r.clock, r.haveTime = clockAt(r.call.Received.In(r.env.location)), true
	}
	switch id {
	case fieldDay:
		return number(r.clock.day)
	case fieldWeekday:
		return text(weekdays[r.clock.weekday])
	case fieldHour:
		return number(r.clock.hour)
	case fieldMinute:
		return number(r.clock.minute)
	}
	return text(r.env.location.String())
}

func clockAt(t time.Time) clock {
	_, offset := t.Zone()
	local := t.Unix() + int64(offset)
	sec := ((local % 86400) + 86400) % 86400
	day := (local - sec) / 86400
	return clock{day: day, weekday: (((day + 4) % 7) + 7) % 7, hour: sec / 3600, minute: sec / 60 % 60}
}

var (
	outText   = []string{"text"}
	outVector = []string{"embedding"}
)

func (r *reader) body(id fieldID) value {
	f := &r.call.Facts
	switch id {
	case fieldOp:
		return text(r.call.Op.String())
	case fieldModel:
		return text(modelName(r.call))
	case fieldModalitiesIn:
		return list(modalities[f.In&(scan.Text|scan.Image|scan.Audio|scan.File)])
	case fieldModalitiesOut:
		if r.call.Op == wire.OpEmbeddings {
			return list(outVector)
		}
		return list(outText)
	case fieldTools:
		return list(r.sortedTools())
	case fieldStream:
		return boolean(f.Stream)
	case fieldMaxTokens:
		return number(f.MaxTokens)
	case fieldInputSize:
		return text(sizeBucket(f.Size))
	case fieldPriority:
		return text("normal")
	}
	return text("") // fieldPipeline, fieldDataClass
}

func modelName(c *call.Call) string {
	if c.Model == nil {
		return ""
	}
	return c.Model.Name
}

func (r *reader) callField(id fieldID) value {
	switch id {
	case fieldCallID:
		r.id = r.call.ID.Append(r.id[:0])
		return textOf(r.id)
	case fieldUnixMS:
		return number(r.call.Received.UnixMilli())
	}
	return number(int64(r.call.Facts.Size+3) / 4) // fieldEstInputTokens
}

// sortedTools returns the declared tools in the order that keys and policies see.
func (r *reader) sortedTools() []string {
	if !r.haveTool {
		for _, t := range r.call.Facts.Tools {
			r.tools = append(r.tools, alias(t))
		}
		slices.Sort(r.tools)
		r.tools, r.haveTool = slices.Compact(r.tools), true
	}
	return r.tools
}

// header returns a request header, "" if it is absent.
func (r *reader) header(name string) string {
	if r.call.Header == nil {
		return ""
	}
	return string(bytes.TrimSpace(r.call.Header.Peek(name)))
}

// modalities are the sorted names of every set of kinds of content.
var modalities = func() (out [16][]string) {
	for set := range out {
		out[set] = []string{}
		for _, m := range []struct {
			bit  scan.Modality
			name string
		}{{scan.Audio, "audio"}, {scan.File, "file"}, {scan.Image, "image"}, {scan.Text, "text"}} {
			if scan.Modality(set)&m.bit != 0 {
				out[set] = append(out[set], m.name)
			}
		}
	}
	return out
}()

// sizeBuckets are the names of body sizes up to 1 KiB << i.
var sizeBuckets = func() (out []string) {
	for kb := 1; kb <= 64<<10; kb *= 2 {
		if kb < 1024 {
			out = append(out, strconv.Itoa(kb)+"k")
		} else {
			out = append(out, strconv.Itoa(kb/1024)+"m")
		}
	}
	return out
}()

// sizeBucket names the least power of two that n bytes fit into: a size would
// make nearly every request a key of its own. Above 64m it is "max".
func sizeBucket(n int) string {
	for i, name := range sizeBuckets {
		if n <= 1024<<i {
			return name
		}
	}
	return "max"
}
