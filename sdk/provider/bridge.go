package provider

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/provider/egress"
	"github.com/signalbox-ai/signalbox/sdk/provider/internal/sse"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// Limits of what a bridge holds in memory.
const (
	maxAnswer = 64 << 20
	maxError  = 1 << 20
	maxEvent  = 8 << 20
)

// chats are the dialects that can be translated into each other.
var chats = []wire.Dialect{wire.OpenAIChat, wire.AnthropicMessages}

// bridges returns routes for the chat dialects that setup does not serve but
// that can be translated to one that it leases.
func bridges(setup *Setup, hosts *egress.Hosts) (out []Route) {
	for _, from := range chats {
		if serves(setup, wire.OpChat, from) {
			continue
		}
		for i := range setup.Leases {
			l := &setup.Leases[i]
			tr, ok := wire.Translate(from, l.Dialect)
			if l.Op == wire.OpChat && ok {
				b := &bridge{lease: l, translation: tr, client: upstream(l.URL, hosts)}
				out = append(out, Route{Op: l.Op, Dialect: from, Handle: b.serve})
				break
			}
		}
	}
	return out
}

func serves(s *Setup, op wire.Op, d wire.Dialect) bool {
	for _, l := range s.Leases {
		if l.Op == op && l.Dialect == d {
			return true
		}
	}
	for _, r := range s.Routes {
		if r.Op == op && r.Dialect == d {
			return true
		}
	}
	return false
}

// viaOf is the lease that a bridge's route goes through, nil for other routes.
func viaOf(s *Setup, r Route) *Lease {
	if serves(s, r.Op, r.Dialect) {
		return nil
	}
	for i := range s.Leases {
		if _, ok := wire.Translate(r.Dialect, s.Leases[i].Dialect); ok && s.Leases[i].Op == r.Op {
			return &s.Leases[i]
		}
	}
	return nil
}

// bridge serves one dialect by translating to the dialect of a lease and
// calling its upstream.
type bridge struct {
	lease       *Lease
	translation wire.Translation
	client      client
}

func (b *bridge) serve(r *Request, w *Writer) error {
	var facts scan.Facts
	if err := scan.Request(&facts, r.Body()); err != nil {
		return err
	}
	body, dropped, err := b.translation.Request(nil, r.Body(), r.Model())
	if err != nil {
		return err
	}
	w.Dropped(dropped...)
	resp, err := b.call(r, body)
	if err != nil {
		return err
	}
	if resp.Status() >= 300 {
		defer resp.Close()
		return b.fail(resp, w)
	}
	model := string(facts.Model)
	if !facts.Stream {
		defer resp.Close()
		return b.answer(resp, w, model)
	}
	if kind, _, _ := mime.ParseMediaType(resp.Header("Content-Type")); kind != "text/event-stream" {
		resp.Close()
		return wire.Errorf(http.StatusBadGateway, "upstream_not_streaming", "the upstream answered a streaming request with %q; want text/event-stream", kind)
	}
	st := b.translation.Stream(model, facts.IncludeUsage)
	return w.Stream(func(s *Stream) error {
		defer resp.Close()
		return relay(resp, st, s, r)
	})
}

// relay translates an upstream's stream event by event. It flushes when no
// further event is at hand.
func relay(in io.Reader, st wire.StreamTranslation, out *Stream, r *Request) error {
	events := sse.NewReader(bufio.NewReaderSize(in, 8<<10), maxEvent)
	for {
		name, data, err := events.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("cannot read the upstream's stream: %w", err)
		}
		if err := out.Append(func(dst []byte) ([]byte, error) { return st.Event(dst, name, data) }); err != nil {
			var e *wire.Error
			if errors.As(err, &e) && out.sent {
				// The gateway can classify only what it is told before the cut.
				out.buf = wire.AppendErrorEvent(out.buf, r.Dialect, e, r.ID())
			}
			return err
		}
		if events.Waiting() {
			continue
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
	if err := out.Append(st.Finish); err != nil {
		return err
	}
	if u, ok := st.Usage(); ok {
		out.Usage(u)
	}
	return nil
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

// fail passes an upstream's error on in the caller's dialect.
func (b *bridge) fail(resp reply, w *Writer) error {
	raw, err := readAll(resp, maxError)
	if err != nil {
		return fmt.Errorf("cannot read the upstream's error: %w", err)
	}
	status := resp.Status()
	if status < 400 {
		return wire.Errorf(http.StatusBadGateway, "upstream_redirects", "the upstream answered %d; redirects are not followed with a credential, check base_url", status)
	}
	e := &wire.Error{Status: status, Class: classify(b.lease.Errors, status, raw), RetryAfter: retryAfter(resp.Header("Retry-After"))}
	w.answer()
	w.fail(e, b.translation.Error(nil, status, raw))
	return nil
}

// classify applies a lease's rules to an error of the upstream, as the gateway
// does on a direct lease.
func classify(rules []ErrorRule, status int, body []byte) wire.Class {
	e, _ := wire.ReadError(body)
	for _, r := range rules {
		if (r.Status == 0 || r.Status == status) && (r.Code == "" ||
			strings.EqualFold(r.Code, e.Code) || strings.EqualFold(r.Code, e.Type) || strings.Contains(e.Message, r.Code)) {
			return r.Class
		}
	}
	return e.Class(status)
}

func retryAfter(s string) time.Duration {
	if n, err := strconv.ParseFloat(s, 64); err == nil && n > 0 && n < 1e6 {
		return time.Duration(n * float64(time.Second))
	}
	if t, err := http.ParseTime(s); err == nil {
		return max(time.Until(t), 0)
	}
	return 0
}

var errTooLarge = errors.New("it is larger than the adapter takes")

func readAll(r io.Reader, limit int64) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(raw)) > limit {
		err = errTooLarge
	}
	return raw, err
}
