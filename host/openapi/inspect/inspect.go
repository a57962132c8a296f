// Package inspect is for tests: it stands between clients and a gateway and
// compares what passes with an OpenAPI document of the gateway.
package inspect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
)

// Inspector looks at each answer, and at each request that was answered well.
type Inspector struct {
	paths paths

	mu     sync.Mutex
	faults []string
	seen   map[string]bool // operations that have been answered well
}

// maxInspected bounds the bodies that are looked into.
const maxInspected = 1 << 20

// New returns one that goes by document. Closed: no object has members but
// those that the document names, if it names any.
func New(document []byte, closed bool) (*Inspector, error) {
	if closed {
		var tree any
		if err := json.Unmarshal(document, &tree); err != nil {
			return nil, fmt.Errorf("cannot read the document: %w", err)
		}
		closeObjects(tree)
		document, _ = json.Marshal(tree) // it was JSON
	}
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		return nil, fmt.Errorf("cannot read the document: %w", err)
	}
	return &Inspector{paths: pathsOf(doc), seen: map[string]bool{}}, nil
}

// closeObjects says of the schemas in tree that have properties that they have no others.
func closeObjects(tree any) {
	switch v := tree.(type) {
	case []any:
		for _, e := range v {
			closeObjects(e)
		}
	case map[string]any:
		_, named := v["properties"].(map[string]any)
		if _, told := v["additionalProperties"]; named && !told && v["type"] == "object" {
			v["additionalProperties"] = false
		}
		for _, e := range v {
			closeObjects(e)
		}
	}
}

// Before serves what the gateway at base does, until it is closed.
func (i *Inspector) Before(base string) (*httptest.Server, error) {
	target, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("cannot stand before %q: %w", base, err)
	}
	quiet := log.New(io.Discard, "", 0)
	srv := httptest.NewUnstartedServer(&httputil.ReverseProxy{FlushInterval: -1, Transport: i, ErrorLog: quiet, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // pages compare it with their own
	}})
	srv.Config.ErrorLog = quiet // answers that break off are passed on
	srv.Start()
	return srv, nil
}

// RoundTrip implements http.RoundTripper: the request as it goes to the
// gateway and its answer.
func (i *Inspector) RoundTrip(q *http.Request) (*http.Response, error) {
	body, whole, err := peek(&q.Body)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultTransport.RoundTrip(q)
	if err != nil {
		return nil, err
	}
	return resp, i.compare(q, body, whole, resp)
}

func (i *Inspector) compare(q *http.Request, body []byte, whole bool, resp *http.Response) error {
	at := fmt.Sprintf("%s %s: %s", q.Method, q.URL.Path, resp.Status)
	route, params := i.paths.find(q.Method, q.URL.EscapedPath())
	if route == nil {
		if resp.StatusCode < 400 {
			i.fault("%s: the document does not have it", at)
		}
		return nil
	}
	asked := q.Clone(q.Context())
	asked.Body = io.NopCloser(bytes.NewReader(body))
	in := &openapi3filter.RequestValidationInput{Request: asked, PathParams: params, Route: route, Options: &openapi3filter.Options{MultiError: true,
		AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, ExcludeRequestBody: !whole || !isJSON(q.Header)}}
	good := resp.StatusCode < 300
	if good {
		if err := openapi3filter.ValidateRequest(q.Context(), in); err != nil {
			i.fault("%s: the request is not as the document says: %v", at, err)
		}
	}
	said := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: resp.StatusCode, Header: resp.Header,
		Options: &openapi3filter.Options{MultiError: true, IncludeResponseStatus: true, ExcludeResponseBody: true}}
	if isJSON(resp.Header) {
		answer, whole, err := peek(&resp.Body)
		if err != nil {
			return err
		}
		said.Body, said.Options.ExcludeResponseBody = io.NopCloser(bytes.NewReader(answer)), !whole
	}
	i.listen(at, route, resp)
	if err := openapi3filter.ValidateResponse(q.Context(), said); err != nil {
		i.fault("%s: the answer is not as the document says: %v", at, err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	op := q.Method + " " + route.Path
	i.seen[op] = i.seen[op] || good || resp.StatusCode == http.StatusSwitchingProtocols
	return nil
}

// peek reads body, if it is not too large, and puts it back. What has been read
// to its end is not read again: the caller's server closes it at the answer's
// first byte, which may come while the transport still looks for that end.
func peek(body *io.ReadCloser) (b []byte, whole bool, err error) {
	if *body == nil || *body == http.NoBody {
		return nil, true, nil
	}
	rest := *body
	b, err = io.ReadAll(io.LimitReader(rest, maxInspected))
	if whole = len(b) < maxInspected; whole {
		*body = io.NopCloser(bytes.NewReader(b))
		return b, true, errors.Join(err, rest.Close())
	}
	*body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(b), rest), rest}
	return b, false, err
}

func isJSON(h http.Header) bool {
	kind, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	return kind == "application/json"
}

func (i *Inspector) fault(format string, args ...any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if text := fmt.Sprintf(format, args...); !slices.Contains(i.faults, text) {
		i.faults = append(i.faults, text)
	}
}

// Faults are the differences so far.
func (i *Inspector) Faults() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.faults)
}

// Unseen are the operations, such as "GET /v1/models", that have not been
// answered well yet.
func (i *Inspector) Unseen() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.DeleteFunc(i.paths.operations(), func(op string) bool { return i.seen[op] })
}
