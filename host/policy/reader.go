package policy

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unsafe"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// reader reads the input's fields from one call without allocating. It is
// pooled; what it returns is valid until put.
type reader struct {
	call *call.Call
	env  *environment
	by   asker

	key      []byte     // space for keys
	whole    []byte     // space for the key of the whole decision
	section  []byte     // space for the key of a section of the input
	verdicts []*verdict // one a unit
	ip, id   []byte
	attrs    []string // names of the principal's, sorted, while they are written
	tools    []string // sorted, without duplicates; they alias the body
	haveTool bool
	clock    clock
	haveTime bool
	input    *ast.Term            // nil until something is evaluated
	deadline *deadline            // of the whole decision, from the first evaluation on
	rules    topdown.VirtualCache // what they have come to for input
}

// environment is what a snapshot adds to the input.
type environment struct {
	zones    *zoneTable
	location *time.Location
	headers  []string // the request headers that the bundle names, sorted
	limit    time.Duration
	classes  map[string]dataClass // of data.signalbox.classes, by name
	sections sections
}

// names is a list of texts, with OPA's form of it where that has been made before.
type names struct {
	list []string
	term *ast.Term
}

func namesOf(list ...string) names { return names{list, listTerm(list)} }

var readers = sync.Pool{New: func() any { return new(reader) }}

func getReader(c *call.Call, env *environment) *reader {
	r := readers.Get().(*reader)
	r.call, r.env, r.by = c, env, asker{c.Principal.KeyID, epochOf(c.Received)}
	return r
}

// maxKeptKey bounds what a pooled reader holds on to.
const maxKeptKey = 64 << 10

func putReader(r *reader) {
	if max(cap(r.key), cap(r.whole)) > maxKeptKey {
		r.key, r.whole, r.tools = nil, nil, nil
	}
	clear(r.attrs)
	clear(r.tools)
	clear(r.verdicts)
	r.call, r.env, r.input, r.deadline, r.rules = nil, nil, nil, nil, nil
	r.by = asker{}
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
	if r.rules == nil {
		r.rules = topdown.NewVirtualCache()
	}
	return r.input, r.deadline
}

func (r *reader) address() string {
	r.ip = r.ip[:0]
	if r.call.Remote.IsValid() {
		r.ip = plainAddr(r.call.Remote).AppendTo(r.ip)
	}
	return alias(r.ip)
}

func (r *reader) callID() string {
	r.id = r.call.ID.Append(r.id[:0])
	return alias(r.id)
}

func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// auth is how the caller showed who it is: by a virtual key where nothing else
// is said.
func (r *reader) auth() string { return cmp.Or(r.call.Principal.Auth, "key") }

func (r *reader) model() string {
	if r.call.Model == nil {
		return ""
	}
	return r.call.Model.Name
}

// tool is what a call of a tool server's asks for, by the name of its model:
// mcp/SERVER/TOOL.
func (r *reader) tool() (server, name string) {
	if r.call.Op != wire.OpTool || r.call.Model == nil {
		return "", ""
	}
	server, name, _ = strings.Cut(strings.TrimPrefix(r.call.Model.Name, "mcp/"), "/")
	return server, name
}

func (r *reader) method() string {
	if r.call.Method == "" {
		return "POST"
	}
	return r.call.Method
}

// path is what the caller's path has beyond the operation's own, as it goes
// upstream.
func (r *reader) path() string {
	path, _, _ := strings.Cut(r.call.Path, "?")
	return path
}

// sortedTools returns the declared tools in the order that keys and policies see.
func (r *reader) sortedTools() names {
	if !r.haveTool {
		for _, t := range r.call.Facts.Tools {
			r.tools = append(r.tools, alias(t))
		}
		slices.Sort(r.tools)
		r.tools, r.haveTool = slices.Compact(r.tools), true
	}
	return names{list: r.tools}
}

// header returns a request header, "" if it is absent.
func (r *reader) header(name string) string {
	if r.call.Header == nil {
		return ""
	}
	return string(bytes.TrimSpace(r.call.Header.Peek(name)))
}

// clock is the time of a request in the bundle's time zone.
type clock struct{ day, weekday, hour, minute int64 }

var weekdays = [7]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func (r *reader) now() *clock {
	if !r.haveTime {
		r.clock, r.haveTime = clockAt(r.call.Received.In(r.env.location)), true
	}
	return &r.clock
}

func clockAt(t time.Time) clock {
	_, offset := t.Zone()
	local := t.Unix() + int64(offset)
	sec := ((local % 86400) + 86400) % 86400
	day := (local - sec) / 86400
	return clock{day: day, weekday: (((day + 4) % 7) + 7) % 7, hour: sec / 3600, minute: sec / 60 % 60}
}

// modalities are the sorted names of every set of kinds of content.
var modalities = func() (out [16]names) {
	for set := range out {
		list := []string{}
		for _, m := range []struct {
			bit  scan.Modality
			name string
		}{{scan.Audio, "audio"}, {scan.File, "file"}, {scan.Image, "image"}, {scan.Text, "text"}} {
			if scan.Modality(set)&m.bit != 0 {
				list = append(list, m.name)
			}
		}
		out[set] = namesOf(list...)
	}
	return out
}()

var outText, outVector, outAudio, outImage = namesOf("text"), namesOf("embedding"), namesOf("audio"), namesOf("image")

func (r *reader) modalitiesIn() names {
	return modalities[r.call.Facts.In&(scan.Text|scan.Image|scan.Audio|scan.File)]
}

func (r *reader) modalitiesOut() names {
	switch r.call.Op {
	case wire.OpEmbeddings:
		return outVector
	case wire.OpSpeech:
		return outAudio
	case wire.OpImages, wire.OpImageEdits:
		return outImage
	}
	return outText
}

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

// roundTokens rounds up to the next number with two decimal or four binary
// digits: a caller that goes through all numbers makes some hundred keys, and
// the round numbers that policies compare with stay what they are.
func roundTokens(n int64) int64 {
	if n <= 16 || n > 1<<40 {
		return min(n, 1<<40)
	}
	decimal, binary := int64(1), int64(1)
	for n > 100*decimal {
		decimal *= 10
	}
	for n > 16*binary {
		binary *= 2
	}
	return min((n+decimal-1)/decimal*decimal, (n+binary-1)/binary*binary)
}
