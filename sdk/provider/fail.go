package provider

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/signalbox-ai/signalbox/sdk/provider/proto"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

var errTooLarge = errors.New("it is larger than the adapter takes")

// fail passes an upstream's error on in the caller's dialect.
func (b *bridge) fail(resp reply, r *Request, w *Writer) error {
	raw, err := readAll(resp, maxError)
	if err != nil {
		return fmt.Errorf("cannot read the upstream's error: %w", err)
	}
	status := resp.Status()
	if status < 400 {
		return wire.Errorf(http.StatusBadGateway, "upstream_redirects", "the upstream answered %d; redirects are not followed with a credential, check base_url", status)
	}
	said, _ := wire.ReadError(raw)
	typed := false
	if name := b.lease.ErrorHeader; name != "" {
		// AWS writes "ThrottlingException:http://internal.amazon.com/…".
		typ, _, _ := strings.Cut(resp.Header(name), ":")
		if typed = typ != ""; typed {
			said.Type = typ
		}
	}
	e := &wire.Error{Status: status, Class: classify(b.lease.Errors, status, said), RetryAfter: proto.ParseRetryAfter(resp.Header("Retry-After"))}
	if e.RetryAfter == 0 {
		e.RetryAfter = wire.RetryDelay(raw)
	}
	body := b.translation.Error(nil, status, raw)
	if typed && said.Code == "" {
		e.Message, e.Param = said.Message, said.Param
		if e.Message == "" {
			e.Message = said.Type
		}
		body = wire.AppendError(nil, r.Dialect, e, "")
	}
	w.answer()
	w.fail(e, body)
	return nil
}

// classify applies a lease's rules to an error of the upstream, as the gateway
// does on a direct lease.
func classify(rules []ErrorRule, status int, said wire.ErrorBody) wire.Class {
	for _, r := range rules {
		if r.Matches(status, said) {
			return r.Class
		}
	}
	return said.Class(status)
}
