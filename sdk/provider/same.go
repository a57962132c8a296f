package provider

import (
	"bytes"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// same carries a dialect to an upstream that speaks it, where the gateway
// cannot by itself: the request is signed, or the stream framed in another way.
type same struct{ dialect wire.Dialect }

// Request implements wire.Translation: the gateway has put the model in already.
func (s same) Request(dst, body []byte, _ string) ([]byte, []string, error) {
	return append(dst, body...), nil, nil
}

// Response implements wire.Translation.
func (s same) Response(dst, body []byte, _ string) ([]byte, wire.Usage, error) {
	u, _ := wire.ReadUsage(s.dialect, body)
	return append(dst, body...), u, nil
}

// Stream implements wire.Translation.
func (s same) Stream(string, bool) wire.StreamTranslation { return &sameStream{dialect: s.dialect} }

// Error implements wire.Translation.
func (s same) Error(dst []byte, _ int, body []byte) []byte { return append(dst, body...) }

type sameStream struct {
	dialect wire.Dialect
	usage   wire.Usage
	known   bool
}

// Event implements wire.StreamTranslation.
func (s *sameStream) Event(dst []byte, name string, data []byte) ([]byte, error) {
	s.known = wire.ReadUsageEvent(s.dialect, data, &s.usage) || s.known
	if name != "" {
		dst = append(append(append(dst, "event: "...), name...), '\n')
	}
	for line := range bytes.SplitSeq(data, []byte{'\n'}) {
		dst = append(append(append(dst, "data: "...), line...), '\n')
	}
	return append(dst, '\n'), nil
}

// Finish implements wire.StreamTranslation. The caller sees by itself whether
// the last event is there, as it would without a bridge.
func (s *sameStream) Finish(dst []byte) ([]byte, error) { return dst, nil }

// Usage implements wire.StreamTranslation.
func (s *sameStream) Usage() (wire.Usage, bool) { return s.usage, s.known }
