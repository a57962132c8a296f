package provider

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/provider/egress"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// Limits of what a bridge holds in memory.
const (
	maxAnswer = 64 << 20
	maxError  = 1 << 20
	maxEvent  = 8 << 20
)

// direct reports whether the gateway can use the lease by itself: callers speak
// its dialect, and the request and the stream need nothing done to them.
func (l *Lease) direct() bool {
	return l.Sign == nil && l.Framing == SSE && asked(l.Dialect)
}

// asked reports whether callers speak d.
func asked(d wire.Dialect) bool { return d != wire.BedrockConverse && d != wire.CohereChat }

// bridges returns routes for what setup does not serve but a lease of it can:
// dialects that can be translated to the lease's, and the lease's own where the
// gateway cannot use it by itself.
func bridges(setup *Setup, hosts *egress.Hosts) (out []Route) {
	clients := map[string]client{}
	for i := range setup.Leases {
		for from := wire.Dialect(1); from < wire.NumDialects; from++ {
			l := &setup.Leases[i]
			tr := translate(setup, from, l)
			if tr == nil || serves(setup, out, l.Op, from) {
				continue
			}
			base := baseOf(l.URL)
			if clients[base] == nil {
				clients[base] = upstream(l.URL, hosts)
			}
			b := newBridge(l, tr, clients[base])
			out = append(out, Route{Op: l.Op, Dialect: from, Handle: b.serve, via: l})
		}
	}
	return out
}

// translate returns how callers that speak from are served through l, nil: not.
func translate(s *Setup, from wire.Dialect, l *Lease) wire.Translation {
	switch {
	case from == l.Dialect && asked(from) && !l.direct():
		return same{from}
	case l.Op != wire.OpChat:
		return nil
	}
	for i := range s.Leases { // as it is rather than translated
		if own := &s.Leases[i]; own.Op == l.Op && own.Dialect == from {
			return nil
		}
	}
	tr, _ := wire.Translate(from, l.Dialect)
	return tr
}

func serves(s *Setup, more []Route, op wire.Op, d wire.Dialect) bool {
	for i := range s.Leases {
		if l := &s.Leases[i]; l.Op == op && l.Dialect == d && l.direct() {
			return true
		}
	}
	for _, list := range [...][]Route{s.Routes, more} {
		for _, r := range list {
			if r.Op == op && r.Dialect == d {
				return true
			}
		}
	}
	return false
}

// bridge serves one dialect by translating to the dialect of a lease and
// calling its upstream.
type bridge struct {
	lease        *Lease
	translation  wire.Translation
	client       client
	base         string
	target       target
	streamTarget target
}

func newBridge(l *Lease, tr wire.Translation, c client) *bridge {
	b := &bridge{lease: l, translation: tr, client: c, base: baseOf(l.URL), target: targetOf(l.URL)}
	if b.streamTarget = b.target; l.StreamURL != "" {
		b.streamTarget = targetOf(l.StreamURL)
	}
	return b
}

func (b *bridge) serve(r *Request, w *Writer) error {
	var facts scan.Facts
	if err := scan.Operation(&facts, r.Op, r.Dialect, r.Body()); err != nil {
		return err
	}
	asked, streams := r.Body(), facts.Stream
	if r.Dialect == wire.GeminiGenerate && r.Streams() { // whose path says so, and not its body
		streams = true
		if b.lease.Dialect != r.Dialect {
			asked = sayStream(asked)
		}
	}
	body, dropped, err := b.translation.Request(nil, asked, r.Model())
	if err != nil {
		return err
	}
	if len(dropped) > 0 && r.Strict() {
		return unsupported(dropped)
	}
	body = b.lease.renameMaxTokens(body)
	w.Dropped(dropped...)
	resp, err := b.call(r, body, streams)
	if err != nil {
		return err
	}
	if b.lease.Rate != (RateHeaders{}) {
		w.Rate(b.lease.Rate.Read(resp.Header, time.Now()))
	}
	if resp.Status() >= 300 {
		defer resp.Close()
		return b.fail(resp, r, w)
	}
	model := string(facts.Model)
	if model == "" {
		model = r.Model()
	}
	if !streams {
		defer resp.Close()
		return b.answer(resp, w, model)
	}
	if kind := resp.Header("Content-Type"); !b.lease.Framing.announced(kind) {
		resp.Close()
		return wire.Errorf(http.StatusBadGateway, "upstream_not_streaming", "the upstream answered a streaming request with %q; want %s", kind, b.lease.Framing)
	}
	st := b.translation.Stream(model, facts.IncludeUsage)
	return w.Stream(func(s *Stream) error {
		defer resp.Close()
		return b.relay(resp, st, s, r)
	})
}

// renameMaxTokens gives the cap of a translated request the name that the
// upstream takes: OpenAI's reasoning models refuse the usual one.
func (l *Lease) renameMaxTokens(body []byte) []byte {
	const usual = `"max_tokens":`
	if l.Dialect != wire.OpenAIChat || l.MaxTokens == "" || !bytes.Contains(body, []byte(usual)) {
		return body
	}
	var facts scan.Facts
	if scan.Request(&facts, body) != nil {
		return body // the upstream says what is wrong with it
	}
	at := facts.MaxTokensAt[0].From
	if !bytes.HasSuffix(body[:at], []byte(usual)) {
		return body
	}
	out := append(make([]byte, 0, len(body)+len(l.MaxTokens)), body[:at-len(usual)]...)
	out = append(append(append(out, '"'), l.MaxTokens...), `":`...)
	return append(out, body[at:]...)
}

// sayStream adds to a JSON object what asks for a stream.
func sayStream(body []byte) []byte {
	const member = `{"stream":true`
	rest := bytes.TrimLeft(bytes.TrimLeft(body, " \t\r\n")[1:], " \t\r\n")
	out := append(make([]byte, 0, len(body)+len(member)+1), member...)
	if len(rest) > 0 && rest[0] != '}' {
		out = append(out, ',')
	}
	return append(out, rest...)
}

// unsupported refuses what a strict caller would not have dropped.
func unsupported(dropped []string) error {
	return &wire.Error{Status: http.StatusBadRequest, Class: wire.ClassInvalid, Code: "unsupported_params", Param: dropped[0],
		Message: fmt.Sprintf("%s cannot be carried to this model's provider; leave them out, or do not ask to be strict", strings.Join(dropped, ", "))}
}

func (b *bridge) answer(resp reply, w *Writer, model string) error {
	raw, err := readAll(resp, maxAnswer)
	if err != nil {
		return fmt.Errorf("cannot read the upstream's answer: %w", err)
	}
	out, usage, err := b.translation.Response(nil, raw, model)
	if err != nil {
		return err
	}
	w.Usage(usage)
	return w.JSON(out)
}

func readAll(r io.Reader, limit int64) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(raw)) > limit {
		err = errTooLarge
	}
	return raw, err
}
