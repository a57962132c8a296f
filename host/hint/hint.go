// Package hint reads what callers say, beside the request itself, of where it
// should go: tags that targets must have or must not, metadata, and what ties
// requests together. It remembers which target answered a session last.
package hint

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/cespare/xxhash/v2"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// Headers that callers may set; none of them goes to an upstream.
const (
	HeaderSession  = "X-Signalbox-Session"
	HeaderTags     = "X-Signalbox-Tags"     // "eu,!beta"
	HeaderMetadata = "X-Signalbox-Metadata" // "name=value,other=value"
)

// agents are headers by which clients of models name their sessions unasked.
var agents = [...]string{"X-Session-Id", "X-Session-Affinity", "X-Claude-Code-Session-Id"}

// maxPrefix is how much of a prompt's beginning counts.
const maxPrefix = 8 << 10

// Hints makes hashes of sessions that nobody else can make.
type Hints struct {
	secret [32]byte
	table  table
}

// New returns hints for a gateway; all of its nodes should have the same secret.
func New(secret []byte) *Hints {
	h := &Hints{secret: sha256.Sum256(secret)}
	h.table.init()
	return h
}

// kinds of what is hashed: equal texts of two kinds have nothing to do with each other.
const (
	kindSession = 1 + iota
	kindResponse
	kindUser
	kindPrefix
	kindPlace
)

// Find fills in what ties c to other requests, and which target answered them.
func (h *Hints) Find(c *call.Call) {
	w := &c.Wants
	var ties scan.Ties
	if prompts(c.Op) && c.Upload == nil {
		ties = scan.ReadTies(c.Dialect, c.Body)
	}
	if n := len(ties.Tools) + len(ties.System) + len(ties.First); n > 0 {
		w.Prefix = h.prefix(c, &ties)
	}
	id, kind := session(c, &ties)
	if len(id) > 0 {
		w.Session = h.hash(c, kind, xxhash.Sum64(id))
	}
	if kind == kindResponse { // the chain's own name, if it is known
		if at, ok := h.table.get(h.place(c, w.Session), c.Received); ok {
			w.Session, w.Last = at.session, at.target
			return
		}
	}
	key := w.Session
	if key == 0 {
		key = w.Prefix
	}
	if at, ok := h.table.get(h.place(c, key), c.Received); ok && key != 0 {
		w.Last = at.target
	}
}

// prompts reports whether requests of op have a prompt that ties can be read of.
func prompts(op wire.Op) bool {
	return op == wire.OpChat || op == wire.OpCompletions || op == wire.OpCountTokens
}

// session is the name of what c belongs to: what was given for this purpose
// first, the user as a whole last.
func session(c *call.Call, t *scan.Ties) (id []byte, kind byte) {
	if c.Header != nil {
		if v := c.Header.Peek(HeaderSession); len(v) > 0 {
			return v, kindSession
		}
	}
	if len(t.Session) > 0 {
		return t.Session, kindSession
	}
	if c.Header != nil {
		for _, name := range agents {
			if v := c.Header.Peek(name); len(v) > 0 {
				return v, kindSession
			}
		}
	}
	if len(t.Previous) > 0 {
		return t.Previous, kindResponse
	}
	return t.User, kindUser
}

// prefix hashes the beginning of a prompt in the order in which providers read it.
func (h *Hints) prefix(c *call.Call, t *scan.Ties) uint64 {
	var d xxhash.Digest
	d.Reset()
	left := maxPrefix
	for _, part := range [...][]byte{t.Tools, t.System, t.First} {
		part = part[:min(len(part), left)]
		left -= len(part)
		_, _ = d.Write(part)
		_, _ = d.Write([]byte{0})
	}
	return h.hash(c, kindPrefix, d.Sum64())
}

// hash binds a hash of what callers write to who they are. It is never 0.
func (h *Hints) hash(c *call.Call, kind byte, sum uint64) uint64 {
	var buf [32 + 1 + 8 + 256]byte
	b := append(buf[:0], h.secret[:]...)
	b = append(b, kind)
	b = binary.LittleEndian.AppendUint64(b, sum)
	b = appendTenant(b, c.Principal)
	out := sha256.Sum256(b)
	return max(binary.LittleEndian.Uint64(out[:]), 1)
}

// appendTenant appends whom sessions belong to: they are of one key unless
// several keys share an organisation, a project or a team.
func appendTenant(b []byte, p *call.Principal) []byte {
	if p == nil {
		return b
	}
	if p.Org == "" && p.Project == "" && p.Team == "" {
		return append(b, p.KeyID...)
	}
	for _, s := range [...]string{p.Org, p.Project, p.Team} {
		b = append(append(b, 0), s...)
	}
	return b
}

// place is where in the table a session's use of c's model is.
func (h *Hints) place(c *call.Call, session uint64) uint64 {
	if c.Model == nil {
		return session
	}
	return session ^ xxhash.Sum64String(c.Model.Name)
}

// Answered notes that c's target has answered it; nothing is noted of calls
// that nobody wanted the session of.
func (h *Hints) Answered(c *call.Call) {
	w := &c.Wants
	if w.Filled&call.NeedSession == 0 || c.Target == nil {
		return
	}
	key := w.Session
	if key == 0 {
		key = w.Prefix
	}
	if key != 0 {
		h.table.put(h.place(c, key), last{target: c.Target.Name, session: w.Session, at: c.Received.Unix()})
	}
}

// Responded notes the response that c's target keeps: what goes on with it
// belongs to the same session.
func (h *Hints) Responded(c *call.Call, id string) {
	w := &c.Wants
	if w.Filled&call.NeedSession == 0 || c.Target == nil || id == "" {
		return
	}
	own := h.hash(c, kindResponse, xxhash.Sum64String(id))
	root := w.Session
	if root == 0 {
		root = own
	}
	h.table.put(h.place(c, own), last{target: c.Target.Name, session: root, at: c.Received.Unix()})
}
