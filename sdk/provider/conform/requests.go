package conform

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"

	"github.com/signalbox-ai/signalbox/sdk/provider/proto"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// perTarget are the cases of each operation and dialect on the data socket.
var perTarget = []targetCheck{
	{id: "json", title: "answers", run: checkJSON,
		why: "it is what the adapter is for",
		fix: "answer 200 in the dialect; an adapter with an upstream of its own needs answers in the kit's configuration"},
	{id: "stream", title: "streams, and ends the stream properly", run: checkStream,
		why: "callers wait for the dialect's last event, and a stream without it counts as cut",
		fix: "answer text/event-stream, each event closed by an empty line, with the dialect's last event and the last chunk"},
	{id: "usage", title: "reports usage in disjoint buckets", run: checkUsage,
		why: "cost and budgets are counted from it: a token that is in two buckets is paid twice",
		fix: "take cached tokens out of in and reasoning out of out; send " + proto.HeaderUsage + " as a header, on streams as a trailer"},
	{id: "cancel", title: "leaves the upstream when the caller leaves", run: checkCancel,
		why: "an answer that nobody reads is paid all the same",
		fix: "watch the connection of the data socket while you wait, and cancel the upstream's request when it closes"},
	{id: "deadline", title: "ends at the deadline", run: checkDeadline,
		why: "the gateway would rather ask another provider than wait",
		fix: "bound the upstream's request by " + proto.HeaderDeadline + "; answer 504 with the class timeout, or cut a stream that has begun"},
	{id: "oversized", title: "refuses a body that is too large", run: checkOversized,
		why: "whoever reads it to its end runs out of memory, and with him all other requests",
		fix: "answer 413 by Content-Length, before the body is read"},
	{id: "grease", title: "takes members and headers that it does not know", run: checkGrease,
		why: "dialects grow; a parameter is passed on or reported as dropped, never silently lost",
		fix: "pass unknown members on, or name them in " + proto.HeaderDropped + " (and refuse with 400 when " + proto.HeaderStrict + " is 1)"},
	{id: "malformed", title: "refuses a malformed body in the dialect", run: checkMalformed,
		why: "it is the caller's mistake: any other status is retried elsewhere",
		fix: "answer 400 with an error in the dialect's form and the class invalid_request"},
	{id: "errors", title: "tells the upstream's errors apart", run: checkErrors,
		why: "whether another credential or provider is asked depends on the class",
		fix: "keep the upstream's status, set " + proto.HeaderErrorClass + ", pass Retry-After on, and write the error in the caller's dialect"},
	{id: "cut", title: "cuts its answer when the upstream is cut", run: checkCut,
		why: "half an answer that ends cleanly is taken for a whole one",
		fix: "when the upstream breaks off, close the connection without the last chunk; never invent the dialect's last event"},
}

func checkJSON(ctx context.Context, k *kit, t *target) error {
	r, err := k.send(ctx, ask{t: t})
	if err != nil {
		return err
	}
	t.upstream = len(k.up.requests()) > 0
	t.json = r
	if err := k.good(t, r); err != nil {
		return err
	}
	if t.upstream && t.op == wire.OpChat && !strings.Contains(r.body, firstText+secondText) {
		return fmt.Errorf("the upstream said %q; the answer does not: %s", firstText+secondText, clip(r.body))
	}
	return nil
}

func checkStream(ctx context.Context, k *kit, t *target) error {
	if !t.form.streams {
		return skipf("answers of this operation do not stream")
	}
	r, err := k.send(ctx, ask{t: t, stream: true})
	if err != nil {
		return err
	}
	t.stream = r
	if err := k.goodStream(t, r); err != nil {
		return err
	}
	for _, text := range []string{strings.TrimSpace(firstText), secondText} {
		if t.upstream && t.op == wire.OpChat && !strings.Contains(r.body, text) {
			return fmt.Errorf("the upstream said %q; the stream does not: %s", text, clip(r.body))
		}
	}
	return nil
}

func checkUsage(_ context.Context, k *kit, t *target) error {
	if !t.form.counts {
		return skipf("this operation is not metered")
	}
	var errs []error
	for what, r := range map[string]*reply{"answer": t.json, "stream": t.stream} {
		if r == nil || r.status != http.StatusOK {
			continue
		}
		u, err := t.usage(r)
		if err == nil && t.upstream && t.op == wire.OpChat && u.Total() != usageTotal {
			err = fmt.Errorf("the upstream counted 20 tokens in (4 of them cached) and 9 out, %d together; the buckets add up to %d: %+v", usageTotal, u.Total(), u)
		}
		if err == nil && u == (wire.Usage{}) && t.op == wire.OpChat { // of other operations some services tell nothing
			err = errors.New("all buckets are zero")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		}
	}
	return errors.Join(errs...)
}

// noUpstream is the reason to leave out what only an upstream can show.
func (t *target) noUpstream() error {
	if !t.upstream {
		return skipf("its answers do not come from the mock upstream")
	}
	return nil
}

func checkCancel(ctx context.Context, k *kit, t *target) error {
	if err := t.noUpstream(); err != nil {
		return err
	}
	errs := []error{k.leaveAmid(ctx, t, false)}
	if t.form.streams {
		errs = append(errs, k.leaveAmid(ctx, t, true))
	}
	return errors.Join(errs...)
}

// leaveAmid closes the connection while the upstream is silent.
func (k *kit) leaveAmid(ctx context.Context, t *target, stream bool) error {
	mine, leave := context.WithCancel(ctx)
	defer leave()
	k.up.behave(behaviour{hang: true})
	done := make(chan error, 1)
	begun := make(chan struct{})
	go func() {
		resp, err := k.open(mine, k.shared, ask{t: t, stream: stream})
		if err == nil {
			_, err = resp.Body.Read(make([]byte, 1))
			close(begun)
			<-mine.Done()
			resp.Body.Close()
		}
		done <- err
	}()
	log, err := k.up.await(ctx, 1)
	if err == nil && stream {
		select {
		case <-begun:
		case err = <-done:
			err = fmt.Errorf("the stream does not begin while the upstream is silent after its first event: %v", err)
		case <-ctx.Done():
			err = errors.New("the first event of the upstream is not passed on before the next one comes: flush")
		}
	}
	leave()
	if err != nil {
		return err
	}
	<-done
	select {
	case <-log[0].gone:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the upstream's connection is still open %v after the caller's was closed (stream: %v)", k.opts.Patience, stream)
	}
}

func checkDeadline(ctx context.Context, k *kit, t *target) error {
	if err := t.noUpstream(); err != nil {
		return err
	}
	k.up.behave(behaviour{hang: true})
	r, err := k.send(ctx, ask{t: t, deadline: "200"})
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("no answer within %v although the deadline was 200 ms", k.opts.Patience)
	case err != nil || r.cut != nil:
	case r.status != http.StatusGatewayTimeout || r.header.Get(proto.HeaderErrorClass) != wire.ClassTimeout.String():
		return fmt.Errorf("status %d, class %q; want 504 and timeout: %s", r.status, r.header.Get(proto.HeaderErrorClass), clip(r.body))
	}
	if !t.form.streams {
		return nil
	}
	k.up.behave(behaviour{hang: true})
	r, err = k.send(ctx, ask{t: t, deadline: "200", stream: true})
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("a stream goes on for %v although the deadline was 200 ms", k.opts.Patience)
	case err == nil && r.cut == nil && r.status < 500:
		return fmt.Errorf("the stream ends cleanly at its deadline, as if it were whole: %s", clip(r.body))
	}
	return nil
}

func checkOversized(ctx context.Context, k *kit, t *target) error {
	if !t.form.json() {
		return skipf("requests are no JSON: uploads are streamed")
	}
	r, err := k.request(ctx, ask{t: t})
	if err != nil {
		return err
	}
	const announced = 1 << 40
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat(" ", 64<<10))), announced
	var begin bytes.Buffer
	_ = r.Write(&begin) // it tells that the body is too short, which is the point
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", k.shared.socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	// An adapter that has refused it already takes no more; its answer is there.
	if _, err := conn.Write(begin.Bytes()); err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		return fmt.Errorf("a body of %d bytes is announced: its beginning is not taken: %w", announced, err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), r)
	if ctx.Err() != nil {
		return fmt.Errorf("a body of %d bytes is announced, and the adapter waits for it", announced)
	}
	if err != nil {
		return fmt.Errorf("a body of %d bytes is announced: no answer: %w", announced, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode < 400 || resp.StatusCode > 499 {
		return fmt.Errorf("a body of %d bytes is announced: status %d; want 413", announced, resp.StatusCode)
	}
	return nil
}

func checkGrease(ctx context.Context, k *kit, t *target) error {
	q := ask{t: t, header: http.Header{"X-Conform-Grease": {"1"}, "X-Signalbox-Grease": {"1"}}}
	if t.form.json() {
		q.body = t.form.with(k.model(t.op), `,"conformgrease":{"a":[1,null]}`)
	}
	r, err := k.send(ctx, q)
	if err == nil {
		err = k.good(t, r)
	}
	if err != nil || !t.form.json() || !t.upstream {
		return err
	}
	if log := k.up.requests(); len(log) > 0 && strings.Contains(log[len(log)-1].body, "conformgrease") {
		return nil
	}
	if dropped := r.header.Get(proto.HeaderDropped); !strings.Contains(dropped, "conformgrease") {
		return fmt.Errorf("the member conformgrease reached the upstream not, and %s is %q", proto.HeaderDropped, dropped)
	}
	q.header.Set(proto.HeaderStrict, "1")
	if r, err = k.send(ctx, q); err != nil {
		return err
	}
	if r.status != http.StatusBadRequest {
		return fmt.Errorf("with %s: 1 the status is %d, although a parameter is dropped; want 400", proto.HeaderStrict, r.status)
	}
	return nil
}

func checkMalformed(ctx context.Context, k *kit, t *target) error {
	if t.form.method != "" {
		return skipf("requests have no body")
	}
	for _, body := range []string{`{"model":"m","messages":[`, `"text"`} {
		r, err := k.send(ctx, ask{t: t, body: body})
		if err != nil {
			return fmt.Errorf("body %s: %w", body, err)
		}
		if r.status != http.StatusBadRequest {
			return fmt.Errorf("body %s: status %d; want 400: %s", body, r.status, clip(r.body))
		}
		if err := inDialect(r, wire.ClassInvalid); err != nil {
			return fmt.Errorf("body %s: %w", body, err)
		}
	}
	return nil
}

// inDialect checks an error's form and class.
func inDialect(r *reply, want ...wire.Class) error {
	if e, ok := wire.ReadError([]byte(r.body)); !ok || e.Message == "" {
		return fmt.Errorf("the error's body is in no known form: %s", clip(r.body))
	}
	got := r.header.Get(proto.HeaderErrorClass)
	for _, c := range want {
		if got == c.String() {
			return nil
		}
	}
	return fmt.Errorf("%s is %q; want %s", proto.HeaderErrorClass, got, want[0])
}

// upstreamErrors are statuses of the upstream and the classes that fit them.
var upstreamErrors = []struct {
	status  int
	classes []wire.Class
}{
	{400, []wire.Class{wire.ClassInvalid}},
	{401, []wire.Class{wire.ClassAuth}},
	{403, []wire.Class{wire.ClassAuth, wire.ClassContentFilter}},
	{404, []wire.Class{wire.ClassModelNotFound, wire.ClassInvalid}},
	{429, []wire.Class{wire.ClassRateLimit}},
	{500, []wire.Class{wire.ClassServer}},
	{529, []wire.Class{wire.ClassOverloaded}},
}

func checkErrors(ctx context.Context, k *kit, t *target) error {
	if err := t.noUpstream(); err != nil {
		return err
	}
	var errs []error
	for _, e := range upstreamErrors {
		for _, stream := range []bool{false, true} {
			if stream && !t.form.streams {
				continue
			}
			k.up.behave(behaviour{status: e.status})
			r, err := k.send(ctx, ask{t: t, stream: stream})
			if err == nil && r.status != e.status && (e.status < 500 || r.status < 500) {
				err = fmt.Errorf("the status is %d", r.status)
			}
			if err == nil {
				err = inDialect(r, e.classes...)
			}
			if err == nil && e.status == 429 && r.header.Get("Retry-After") != strconv.Itoa(retryAfter) {
				err = fmt.Errorf("the upstream's Retry-After is %d, the answer's %q", retryAfter, r.header.Get("Retry-After"))
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("upstream's status %d (stream: %v): %w", e.status, stream, err))
			}
		}
	}
	return errors.Join(errs...)
}

func checkCut(ctx context.Context, k *kit, t *target) error {
	if err := t.noUpstream(); err != nil {
		return err
	}
	if !t.form.streams {
		return skipf("answers of this operation do not stream")
	}
	k.up.behave(behaviour{cut: true})
	r, err := k.send(ctx, ask{t: t, stream: true})
	if err == nil && r.cut == nil && r.status < 500 {
		return fmt.Errorf("the upstream's stream broke off, the adapter's ends cleanly: %s", clip(r.body))
	}
	if err != nil {
		return nil // cut before the first byte
	}
	if strings.Contains(r.body, t.form.ends) {
		return fmt.Errorf("the upstream's stream broke off, and the adapter has made up its end: %s", clip(r.body))
	}
	return nil
}
