package provider

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/signalbox-ai/signalbox/sdk/provider/internal/h1"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// target is the escaped path and query of a lease's URL.
type target struct{ parts []string } // what is around the model

const modelMark = "{model}"

// stand takes the model's place while a URL is parsed: nothing in it is escaped.
const stand = "~signalbox.model~"

// targetOf takes the target of a URL; what cannot be parsed fails when it is used.
func targetOf(rawURL string) target {
	u, err := url.Parse(strings.ReplaceAll(rawURL, modelMark, stand))
	if err != nil {
		return target{parts: []string{""}}
	}
	return target{parts: strings.Split(u.RequestURI(), stand)}
}

// baseOf is a URL's scheme and host, or all of it if it is none.
func baseOf(rawURL string) string {
	u, err := url.Parse(strings.ReplaceAll(rawURL, modelMark, stand))
	if err != nil || u.Host == "" {
		return rawURL
	}
	return (&url.URL{Scheme: u.Scheme, User: u.User, Host: u.Host}).String()
}

// of is the target for a model. A model is one segment, whatever it holds.
func (t *target) of(model string) (string, error) {
	switch {
	case len(t.parts) == 1:
		return t.parts[0], nil
	case model == "" || model == "." || model == "..":
		return "", &wire.Error{Status: http.StatusNotFound, Class: wire.ClassModelNotFound, Code: "model_not_found",
			Message: fmt.Sprintf("model %q has no place in a URL", model), Param: "model"}
	}
	var buf [256]byte
	out := append(buf[:0], t.parts[0]...)
	for _, part := range t.parts[1:] {
		out = append(appendSegment(out, model), part...)
	}
	return string(out), nil
}

// appendSegment escapes all that RFC 3986 does not call unreserved, as signing
// services want it.
func appendSegment(dst []byte, s string) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		switch c := s[i]; {
		case c|0x20 >= 'a' && c|0x20 <= 'z', c >= '0' && c <= '9', c == '-', c == '.', c == '_', c == '~':
			dst = append(dst, c)
		default:
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		}
	}
	return dst
}

// call sends a translated request to the lease's upstream.
func (b *bridge) call(r *Request, body []byte, streams bool) (reply, error) {
	ctx := r.Context()
	to := &b.target
	if streams {
		to = &b.streamTarget
	}
	path, err := to.of(r.Model())
	if err != nil {
		return nil, err
	}
	header := b.headers(r)
	if b.lease.Sign != nil {
		if header, err = b.sign(r, path, header, body); err != nil {
			return nil, err
		}
	}
	resp, err := b.client.post(ctx, path, header, body)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return nil, cause
		}
		return nil, err
	}
	return resp, nil
}

// sign has the lease finish the request's headers.
func (b *bridge) sign(r *Request, path string, header []h1.Field, body []byte) ([]h1.Field, error) {
	req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, b.base+path, nil)
	if err != nil {
		return nil, err
	}
	req.ContentLength = int64(len(body))
	for _, h := range header {
		req.Header.Set(h.Name, h.Value)
	}
	if err := b.lease.Sign(req, body, r.Credential()); err != nil {
		return nil, err
	}
	header = header[:0]
	for name, values := range req.Header {
		for _, v := range values {
			header = set(header, name, v)
		}
	}
	return header, nil
}

// headers are those of the lease, then what the caller may pass on: that
// replaces what the lease says (a version, a beta flag), but never a credential.
func (b *bridge) headers(r *Request) []h1.Field {
	list := append(make([]h1.Field, 0, 8), h1.Field{Name: "Content-Type", Value: "application/json"})
	credential := string(r.Credential())
	for _, h := range b.lease.Headers {
		switch {
		case !h.Credential:
			list = set(list, h.Name, h.Prefix+h.Suffix)
		case credential != "":
			list = set(list, h.Name, h.Prefix+credential+h.Suffix)
		}
	}
	for _, name := range b.lease.PassHeaders {
		if v := r.Header(name); v != "" && !b.lease.credentialIn(name) {
			list = set(list, name, v)
		}
	}
	return list
}

func (l *Lease) credentialIn(header string) bool {
	for _, h := range l.Headers {
		if h.Credential && strings.EqualFold(h.Name, header) {
			return true
		}
	}
	return false
}

// set adds a header or replaces the one of that name. What says where a
// request ends is the client's own.
func set(list []h1.Field, name, value string) []h1.Field {
	for _, own := range [...]string{"Host", "Content-Length", "Transfer-Encoding", "Trailer", "Connection"} {
		if strings.EqualFold(name, own) {
			return list
		}
	}
	for i := range list {
		if strings.EqualFold(list[i].Name, name) {
			list[i].Value = value
			return list
		}
	}
	return append(list, h1.Field{Name: name, Value: value})
}
