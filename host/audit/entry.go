// Package audit keeps a log of who did what to the gateway that cannot be
// changed unseen: each entry names the hash of the one before, the end is signed
// under a key that the store keeps sealed, and anchors of it may lie elsewhere.
package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"
	"unicode"

	"github.com/signalbox-ai/signalbox/host/call"
)

// What entries are about.
const (
	KindAdmin    = "admin"    // someone used the admin API
	KindGateway  = "gateway"  // the gateway itself did something
	KindDecision = "decision" // on a request of a caller
)

// What became of it.
const (
	Begun   = "begun" // an entry that names this one in Of says how it ended
	Done    = "done"
	Refused = "refused"
	Failed  = "failed"
)

// Entry is one thing that happened. Its JSON is what is hashed.
type Entry struct {
	Seq     int64           `json:"seq"`
	Prev    string          `json:"prev"` // hash of the entry before, hexadecimal
	Time    time.Time       `json:"time"`
	Node    string          `json:"node"`
	Kind    string          `json:"kind"`
	Action  string          `json:"action"`            // "POST /admin/keys", "config.reload"
	Who     string          `json:"who,omitempty"`     // "": nobody who was known
	Role    string          `json:"role,omitempty"`    // of who
	Address string          `json:"address,omitempty"` // that it came from
	On      string          `json:"on,omitempty"`      // what it was done to
	Outcome string          `json:"outcome"`
	Status  int             `json:"status,omitempty"` // of HTTP
	Code    string          `json:"code,omitempty"`   // of an error
	Of      int64           `json:"of,omitempty"`     // the entry that it ends
	Detail  json.RawMessage `json:"detail,omitempty"` // without secrets
	Missed  int64           `json:"missed,omitempty"` // such entries that were too many to be kept, before this one
}

// begin is what the first entry follows.
var begin = make([]byte, sha256.Size)

// row makes e the entry after head.
func (e *Entry) row(head call.AuditHead) (call.AuditRow, error) {
	prev := head.Hash
	if head.Seq == 0 {
		prev = begin
	}
	for _, text := range []*string{&e.Action, &e.Who, &e.Address, &e.On, &e.Code} {
		*text = legible(*text)
	}
	e.Seq, e.Prev, e.Time = head.Seq+1, hex.EncodeToString(prev), e.Time.UTC().Truncate(time.Millisecond)
	body, err := json.Marshal(e)
	if err != nil {
		return call.AuditRow{}, err
	}
	return call.AuditRow{Seq: e.Seq, Time: e.Time, Body: body, Hash: Sum(body)}, nil
}

// legible is text that callers may have made up, so that it does no harm to who
// reads the log, and costs little.
func legible(text string) string {
	if len(text) > maxText {
		text = text[:maxText] + "…"
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

const maxText = 256 // bytes

// Sum is the hash of an entry: sha256sum of its line without the end prints it.
func Sum(body []byte) []byte {
	sum := sha256.Sum256(body)
	return sum[:]
}

// The labels keep a signature of one thing from being taken for one of another.
const (
	labelHead   = "signalbox audit head"
	labelAnchor = "signalbox audit anchor"
	labelCut    = "signalbox audit cut"
)

func sign(key []byte, label string, seq, ms int64, hash []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(label))
	m.Write(binary.BigEndian.AppendUint64(nil, uint64(seq)))
	m.Write(binary.BigEndian.AppendUint64(nil, uint64(ms)))
	m.Write(hash)
	return m.Sum(nil)
}

func headMAC(key []byte, h call.AuditHead) []byte { return sign(key, labelHead, h.Seq, 0, h.Hash) }

func anchorMAC(key []byte, a call.AuditAnchor) []byte {
	label := labelAnchor
	if a.Cut {
		label = labelCut
	}
	return sign(key, label, a.Seq, a.Time.UnixMilli(), a.Hash)
}

// genuine reports whether the head was made under key.
func genuine(key []byte, h call.AuditHead) bool {
	return h.Seq == 0 && len(h.Hash) == 0 || hmac.Equal(h.MAC, headMAC(key, h))
}
