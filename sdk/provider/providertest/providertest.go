// Package providertest serves a provider within a test, the way the gateway
// would reach it, without a process of its own.
package providertest

import (
	"context"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/internal/local"
	"github.com/signalbox-ai/signalbox/sdk/provider/proto"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Adapter is a provider that serves.
type Adapter struct {
	Setup  *provider.Setup
	Client *http.Client // whatever the URL, it connects to the data socket
}

// Start configures p with a JSON object and serves it until the test ends.
// hosts are those that the operator allows.
func Start(t testing.TB, p provider.Provider, config string, hosts ...string) *Adapter {
	t.Helper()
	dir, err := os.MkdirTemp("", "sb") // t.TempDir can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "data")
	setup, stop, err := local.Start(p, []byte(config), hosts, socket)
	if err != nil {
		os.RemoveAll(dir)
		t.Fatal(err)
	}
	transport := &http.Transport{DisableCompression: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		stop()
		os.RemoveAll(dir)
	})
	return &Adapter{Setup: setup.(*provider.Setup), Client: &http.Client{Transport: transport}}
}

// Request is one for Do.
type Request struct {
	Op         wire.Op
	Dialect    wire.Dialect
	Model      string // as upstream calls it
	Credential string
	Body       string
	Header     http.Header // passed on
	DeadlineMS string

	Method      string    // POST unless given
	Path        string    // beyond the operation's own, query included
	ContentType string    // of Body, JSON unless given
	Stream      io.Reader // in place of Body, for large ones
	Strict      bool
}

// Part is a field of a form, or a file of it where File names one.
type Part struct{ Name, Value, File, ContentType string }

// Form makes r a multipart form of parts, in their order.
func (r Request) Form(t testing.TB, parts ...Part) Request {
	t.Helper()
	var body strings.Builder
	w := multipart.NewWriter(&body)
	for _, p := range parts {
		h := textproto.MIMEHeader{"Content-Disposition": {multipart.FileContentDisposition(p.Name, p.File)}}
		if p.File == "" {
			h.Set("Content-Disposition", `form-data; name="`+p.Name+`"`)
		}
		if p.ContentType != "" {
			h.Set("Content-Type", p.ContentType)
		}
		part, err := w.CreatePart(h)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(part, p.Value) // to a builder: it cannot fail
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r.Body, r.ContentType = body.String(), w.FormDataContentType()
	return r
}

// Answer is what an adapter answered.
type Answer struct {
	Status int
	Header http.Header
	Body   string
	Cut    error // the stream ended before its last chunk
	Usage  wire.Usage
}

// Do sends r and reads the whole answer.
func (a *Adapter) Do(t testing.TB, r Request) *Answer {
	t.Helper()
	resp, err := a.Client.Do(r.HTTP(t))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	out := &Answer{Status: resp.StatusCode, Header: resp.Header, Body: string(raw), Cut: err}
	usage := resp.Header.Get(proto.HeaderUsage)
	if usage == "" {
		usage = resp.Trailer.Get(proto.HeaderUsage)
	}
	if usage != "" {
		u, ok := proto.ParseUsage(usage)
		if !ok {
			t.Errorf("usage %q is malformed", usage)
		}
		out.Usage = u
	}
	return out
}

// HTTP is r as the gateway sends it.
func (r Request) HTTP(t testing.TB) *http.Request {
	t.Helper()
	method, kind, body := r.Method, r.ContentType, r.Stream
	if method == "" {
		method = http.MethodPost
	}
	if kind == "" {
		kind = "application/json"
	}
	if body == nil {
		body = strings.NewReader(r.Body)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, "http://adapter"+proto.Path(r.Op, r.Dialect)+r.Path, body)
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range r.Header {
		req.Header[name] = v
	}
	req.Header.Set("Content-Type", kind)
	if r.Strict {
		req.Header.Set(proto.HeaderStrict, "1")
	}
	for name, v := range map[string]string{
		proto.HeaderModel: r.Model, proto.HeaderCredential: r.Credential, proto.HeaderRequestID: "req_test", proto.HeaderDeadline: r.DeadlineMS,
	} {
		if v != "" {
			req.Header.Set(name, v)
		}
	}
	return req
}
