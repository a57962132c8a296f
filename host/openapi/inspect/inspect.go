// Package inspect is for tests: it stands between clients and a gateway and
// compares what passes with an OpenAPI document of the gateway.
package inspect

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
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
	proxy := &httputil.ReverseProxy{FlushInterval: -1, Transport: i.Through(http.DefaultTransport, i.fault), ErrorLog: quiet, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // pages compare it with their own
	}}
	srv := httptest.NewUnstartedServer(proxy)
	srv.Config.ErrorLog = quiet // answers that break off are passed on
	srv.Start()
	return srv, nil
}

// Through is base that looks at what passes, answers while they are read, and
// tells what is not as the document says. What it tells is not among Faults.
func (i *Inspector) Through(base http.RoundTripper, tell func(fault string)) http.RoundTripper {
	return &through{i, base, tell}
}

type through struct {
	*Inspector
	base http.RoundTripper
	tell func(string)
}

// RoundTrip implements http.RoundTripper.
func (t *through) RoundTrip(q *http.Request) (*http.Response, error) {
	asked, err := bodyOf(q)
	if err != nil {
		return nil, err
	}
	resp, err := t.base.RoundTrip(q)
	if err != nil {
		return nil, err
	}
	t.compare(q, asked, resp)
	return resp, nil
}

// exchange is a request with its answer, which the document has.
type exchange struct {
	at    string // for messages
	tell  func(string)
	input *openapi3filter.RequestValidationInput
	said  *openapi3.Response // nil: there is none of such a status
	resp  *http.Response
}

func (e *exchange) fault(format string, args ...any) {
	e.tell(e.at + ": " + fmt.Sprintf(format, args...))
}

func (t *through) compare(q *http.Request, asked *body, resp *http.Response) {
	if len(resp.Header) == 0 { // a TLS server's, to who does not speak that
		return
	}
	e := &exchange{at: fmt.Sprintf("%s %s: %s", q.Method, q.URL.Path, resp.Status), tell: t.tell, resp: resp}
	route, params := t.paths.find(q.Method, q.URL.EscapedPath())
	good := resp.StatusCode < 300
	if route == nil {
		if resp.StatusCode < 400 {
			e.fault("the document does not have it")
		}
		return
	}
	if good || resp.StatusCode == http.StatusSwitchingProtocols {
		t.saw(q.Method + " " + route.Path)
	}
	e.input = asked.input(q)
	e.input.Route, e.input.PathParams = route, params
	if good {
		if err := openapi3filter.ValidateRequest(q.Context(), e.input); err != nil {
			e.fault("the request is not as the document says: %v", err)
		}
	}
	if s := route.Operation.Responses.Status(resp.StatusCode); s != nil {
		e.said = s.Value
	} else if s := route.Operation.Responses.Default(); s != nil {
		e.said = s.Value
	}
	e.answered(nil)
	switch kind := mediaType(resp.Header); {
	case q.Method == http.MethodHead || resp.StatusCode == http.StatusSwitchingProtocols || resp.Body == http.NoBody || e.said == nil || len(e.said.Content) == 0:
	case e.said.Content.Get(kind) == nil:
		e.fault("the document has no answer of the type %q", kind)
	case resp.Header.Get("Content-Encoding") != "": // its reader has asked for that
	case kind == jsonType:
		resp.Body = &whole{ReadCloser: resp.Body, compare: e.answered}
	default:
		e.listen(kind)
	}
}

// answered compares status and headers, or the body of the answer.
func (e *exchange) answered(text []byte) {
	said := &openapi3filter.ResponseValidationInput{RequestValidationInput: e.input, Status: e.resp.StatusCode, Header: e.resp.Header, Options: options()}
	said.Options.IncludeResponseStatus, said.Options.ExcludeResponseBody = true, text == nil
	said.SetBodyBytes(text)
	if err := openapi3filter.ValidateResponse(context.Background(), said); err != nil {
		e.fault("the answer is not as the document says: %v; it is %.300s", err, text)
	}
}

func options() *openapi3filter.Options {
	o := &openapi3filter.Options{MultiError: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}
	o.WithCustomSchemaErrorFunc(why)
	return o
}

// why says where a value is not as the document says, and what is wrong.
func why(err *openapi3.SchemaError) string {
	text := fmt.Sprintf("at %q: %s", "/"+strings.Join(err.JSONPointer(), "/"), err.Reason)
	if err.Origin != nil {
		text += fmt.Sprintf(" (%v)", err.Origin)
	}
	return text
}

const jsonType = "application/json"

func mediaType(h http.Header) string {
	kind, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	return kind
}

func (i *Inspector) saw(operation string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.seen[operation] = true
}

func (i *Inspector) fault(text string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !slices.Contains(i.faults, text) {
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
