package rule

import (
	"bytes"
	"slices"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/route"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// fact is what a condition looks at.
type fact uint8

const (
	stream fact = iota
	tools
	images
	audio
	files
	input
	output
	org
	team
	project
	user
	key
	at
	metadata
	share
)

// check is one condition. It is data, not a closure: what a match keeps then
// stays on the stack.
type check struct {
	fact     fact
	want     bool // of flags
	within   Range
	names    []string // one of which it is; of metadata, lines "name=value"
	zone     uint8
	days     uint8 // a bit for each, 0: all
	from, to int16 // minutes of the day; equal: all of it
	limit    uint64
	salt     uint64
}

func (k *check) holds(m *match) bool {
	f, p := &m.call.Facts, m.call.Principal
	switch k.fact {
	case stream:
		return f.Stream == k.want
	case tools:
		return len(f.Tools) > 0 == k.want
	case images:
		return f.In&scan.Image != 0 == k.want
	case audio:
		return f.In&scan.Audio != 0 == k.want
	case files:
		return f.In&scan.File != 0 == k.want
	case input:
		return k.within.holds(m.call.InputTokens())
	case output:
		if f.MaxTokens == 0 { // no limit is more than any number
			return k.within.Under == 0
		}
		return k.within.holds(f.MaxTokens)
	case at:
		return k.now(m)
	case metadata:
		return k.tagged(m.call)
	case share:
		return k.shared(m.call)
	}
	return p != nil && k.who(p)
}

func (r Range) holds(n int64) bool {
	return (r.Over == 0 || n > r.Over) && (r.Under == 0 || n < r.Under)
}

func (k *check) who(p *call.Principal) bool {
	switch k.fact {
	case org:
		return slices.Contains(k.names, p.Org)
	case team:
		return slices.Contains(k.names, p.Team)
	case project:
		return slices.Contains(k.names, p.Project)
	case user:
		return slices.Contains(k.names, p.User)
	}
	return slices.Contains(k.names, p.KeyID) || slices.Contains(k.names, p.KeyName)
}

func (k *check) now(m *match) bool {
	now := m.now(k.zone)
	if k.days != 0 && k.days&(1<<now.day) == 0 {
		return false
	}
	switch {
	case k.from < k.to:
		return now.minute >= k.from && now.minute < k.to
	case k.from > k.to: // over midnight
		return now.minute >= k.from || now.minute < k.to
	}
	return true
}

// now is when the call came in, in one of the set's zones.
func (m *match) now(zone uint8) clock {
	c := &m.time[zone]
	if !c.known {
		t := m.call.Received.In(m.set.zones[zone])
		*c = clock{true, int16(t.Hour()*60 + t.Minute()), t.Weekday()}
	}
	return *c
}

// tagged looks for one of the lines among those of the call.
func (k *check) tagged(c *call.Call) bool {
	c.Need(call.NeedMetadata)
	for rest := c.Wants.Meta; len(rest) > 0; {
		line := rest
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			line, rest = rest[:i], rest[i+1:]
		} else {
			rest = nil
		}
		for _, want := range k.names {
			if string(line) == want {
				return true
			}
		}
	}
	return false
}

// shared reports whether the call's session, or else its key, is in the share.
func (k *check) shared(c *call.Call) bool {
	c.Need(call.NeedSession)
	h := c.Wants.Session
	if h == 0 && c.Principal != nil {
		h = call.Hash(c.Principal.KeyID)
	}
	return route.Mix(h^k.salt)>>11 < k.limit
}
