// Package proto holds the parts of the contract between the gateway and a
// provider adapter that are not gRPC: the handshake, the headers of the data
// plane and the form of usage. Version 1 of the control plane is in v1.
package proto

import (
	"strconv"
	"strings"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// The go-plugin handshake.
const (
	Version     = 1
	CookieKey   = "SIGNALBOX_PLUGIN"
	CookieValue = "provider"
	PluginName  = "provider"
	SocketDir   = "PLUGIN_UNIX_SOCKET_DIR" // environment variable: the adapter's private folder
)

// Headers of a request on the data socket.
const (
	HeaderCredential = "X-Signalbox-Credential"
	HeaderRequestID  = "X-Signalbox-Request-Id"
	HeaderModel      = "X-Signalbox-Model"       // as upstream calls it
	HeaderDeadline   = "X-Signalbox-Deadline-Ms" // ms left for the whole answer
	HeaderStrict     = "X-Signalbox-Strict"      // "1": refuse what would have to drop parameters
	HeaderStream     = "X-Signalbox-Stream"      // "1": the caller wants events; some dialects do not say so in the body
)

// Headers of an answer on the data socket.
const (
	HeaderDropped    = "X-Signalbox-Dropped-Params" // comma-separated
	HeaderErrorClass = "X-Signalbox-Error-Class"    // the name of a wire.Class
	HeaderUsage      = "X-Signalbox-Usage"          // header of a complete answer, trailer of a stream
	// HeaderRate tells the upstream's rate limit: "requests-remaining=12;tokens-reset-ms=350".
	HeaderRate = "X-Signalbox-Rate"
)

// Path is the path on the data socket of requests of one kind.
func Path(op wire.Op, d wire.Dialect) string { return "/" + op.String() + "/" + d.String() }

// usageNames are the names of the header form; the first usageAlways are there
// even when they are zero.
var usageNames = [...]string{"in", "cr", "cw5", "cw1", "out", "rs", "ai", "ao", "ii", "io", "ch", "ms", "im", "pg", "se", "cost", "cra", "cri"}

const usageAlways = 6

func usageFields(u *wire.Usage) [len(usageNames)]*int64 {
	return [...]*int64{&u.Input, &u.CacheRead, &u.CacheWrite5m, &u.CacheWrite1h, &u.Output, &u.Reasoning,
		&u.AudioInput, &u.AudioOutput, &u.ImageInput, &u.ImageOutput, &u.Characters, &u.Millis, &u.Images, &u.Pages, &u.Searches, &u.Cost, &u.CacheReadAudio, &u.CacheReadImage}
}

// AppendUsage appends the header form of u: "in=12;cr=0;cw5=0;cw1=0;out=7;rs=0".
func AppendUsage(dst []byte, u wire.Usage) []byte {
	for i, v := range usageFields(&u) {
		if i >= usageAlways && *v == 0 {
			continue
		}
		if i > 0 {
			dst = append(dst, ';')
		}
		dst = append(append(dst, usageNames[i]...), '=')
		dst = strconv.AppendInt(dst, *v, 10)
	}
	return dst
}

// ParseUsage reads the header form. Names that it does not know are ignored;
// ok is false when a count is not a number from 0 to 2^40.
func ParseUsage(s string) (u wire.Usage, ok bool) {
	fields := usageFields(&u)
	for part := range strings.SplitSeq(s, ";") {
		name, value, found := strings.Cut(strings.TrimSpace(part), "=")
		n, err := strconv.ParseInt(value, 10, 64)
		if !found || err != nil || n < 0 || n > 1<<40 {
			return wire.Usage{}, false
		}
		for i, known := range usageNames {
			if name == known {
				*fields[i] = n
			}
		}
	}
	return u, true
}
