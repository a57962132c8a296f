package conform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/signalbox-ai/signalbox/sdk/provider/proto"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// target is one operation in one dialect that the adapter serves on its socket.
type target struct {
	op       wire.Op
	dialect  wire.Dialect
	form     *form
	lease    lease
	upstream bool   // its answers come from the upstream
	json     *reply // of the case of that name
	stream   *reply
}

func (t *target) name() string { return t.op.String() + "/" + t.dialect.String() }

// ask is a request to the data socket.
type ask struct {
	t          *target
	stream     bool
	body       string // "": the form's
	credential string
	deadline   string
	header     http.Header
}

// reply is what came back, read to its end.
type reply struct {
	status int
	header http.Header
	body   string
	cut    error // the body ended before its last chunk
	usage  string
}

// request makes an HTTP request as the gateway does.
func (k *kit) request(ctx context.Context, q ask) (*http.Request, error) {
	kind, body := q.t.form.body(k.model(q.t.op), q.stream)
	if q.body != "" {
		body = q.body
	}
	r, err := http.NewRequestWithContext(ctx, or(q.t.form.method, http.MethodPost), "http://adapter"+proto.Path(q.t.op, q.t.dialect), strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, v := range q.header {
		r.Header[name] = v
	}
	if body != "" {
		r.Header.Set("Content-Type", kind)
	}
	r.Header.Set("User-Agent", "")
	r.Header.Set(proto.HeaderRequestID, "req_conform")
	r.Header.Set(proto.HeaderModel, q.t.upstreamModel(k.model(q.t.op)))
	r.Header.Set(proto.HeaderDeadline, or(q.deadline, fmt.Sprint(6*k.opts.Patience.Milliseconds())))
	if q.stream {
		r.Header.Set(proto.HeaderStream, "1")
	}
	if c := or(q.credential, k.current(0)); k.about.GetCredential() != "none" {
		r.Header.Set(proto.HeaderCredential, c)
	}
	return r, nil
}

// upstreamModel is the name by the lease's table.
func (t *target) upstreamModel(model string) string {
	if up, ok := t.lease.GetModels()[model]; ok {
		return up
	}
	return model
}

// open sends a request to a and returns the answer's head.
func (k *kit) open(ctx context.Context, a *adapter, q ask) (*http.Response, error) {
	r, err := k.request(ctx, q)
	if err != nil {
		return nil, err
	}
	return a.http.RoundTrip(r)
}

// send sends a request to the shared adapter and reads the answer.
func (k *kit) send(ctx context.Context, q ask) (*reply, error) {
	resp, err := k.open(ctx, k.shared, q)
	if err != nil {
		return nil, fmt.Errorf("no answer: %w%s", err, k.shared.stderr.last())
	}
	return read(resp), nil
}

func read(resp *http.Response) *reply {
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return &reply{status: resp.StatusCode, header: resp.Header, body: string(raw), cut: err,
		usage: or(resp.Trailer.Get(proto.HeaderUsage), resp.Header.Get(proto.HeaderUsage))}
}

// model is what requests of an operation ask for.
func (k *kit) model(op wire.Op) string {
	if m := or(k.opts.Models[op.String()], k.opts.Model); m != "" {
		return m
	}
	for _, m := range k.about.GetModels() {
		for _, served := range m.GetOperations() {
			if served == op.String() {
				return m.GetName()
			}
		}
	}
	return "conform-1"
}

// good checks an answer that should be one.
func (k *kit) good(t *target, r *reply) error {
	if r.cut != nil {
		return fmt.Errorf("the answer is cut: %v; it began with %s", r.cut, clip(r.body))
	}
	if r.status != http.StatusOK {
		return fmt.Errorf("status %d: %s%s", r.status, clip(r.body), k.unknownPath())
	}
	return t.form.answer(r)
}

// goodStream checks a stream that should be whole.
func (k *kit) goodStream(t *target, r *reply) error {
	if r.cut != nil {
		return fmt.Errorf("the stream is cut: %v; it was %s", r.cut, clip(r.body))
	}
	if r.status != http.StatusOK {
		return fmt.Errorf("status %d: %s%s", r.status, clip(r.body), k.unknownPath())
	}
	return t.form.whole(r)
}

// unknownPath explains an upstream that did not know what to say.
func (k *kit) unknownPath() string {
	for _, s := range k.up.requests() {
		if !s.known {
			return fmt.Sprintf(" (the adapter has asked the mock upstream for %s %s, which it does not know: give an answer for it in the kit's configuration)", s.method, s.path)
		}
	}
	return ""
}

// usage is the usage that an answer reports, by header or in its dialect.
func (t *target) usage(r *reply) (wire.Usage, error) {
	if r.usage == "" {
		u, ok := t.form.usage(t.dialect, r.body)
		if !ok {
			return u, errors.New("no usage: neither a header or trailer " + proto.HeaderUsage + " nor the dialect's own field")
		}
		return u, nil
	}
	u, ok := proto.ParseUsage(r.usage)
	if !ok {
		return u, fmt.Errorf("%s is %q; want in=12;cr=0;cw5=0;cw1=0;out=7;rs=0 with numbers from 0 on", proto.HeaderUsage, r.usage)
	}
	return u, nil
}

func clip(s string) string {
	if len(s) > 300 {
		s = s[:300] + "…"
	}
	if s == "" {
		return "(nothing)"
	}
	return strings.TrimSpace(s)
}
