package inspect_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/openapi/inspect"
)

const document = `{"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {
  "/things/{name}": {
    "parameters": [{"name": "name", "in": "path", "required": true, "schema": {"type": "string"}}],
    "put": {
      "requestBody": {"content": {"application/json": {"schema": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}}}},
      "responses": {"200": {"description": "it", "content": {"application/json": {"schema": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}}}}}}
  },
  "/things/all": {"get": {"responses": {"200": {"description": "they"}}}},
  "/streams/{name}": {"get": {
    "parameters": [{"name": "name", "in": "path", "required": true, "x-signalbox-slashes": true, "schema": {"type": "string"}}],
    "responses": {"200": {"description": "it", "content": {
      "text/event-stream": {"schema": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}},
      "application/x-ndjson": {"schema": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}},
      "text/plain": {"schema": {"type": "string"}}}}}}},
  "/files/{path}": {"get": {
    "parameters": [{"name": "path", "in": "path", "required": true, "x-signalbox-slashes": true, "schema": {"type": "string"}}],
    "responses": {"200": {"description": "it"}}}}
}}`

// TestFaults asks a server through an inspector, and looks at what it finds.
func TestFaults(t *testing.T) {
	f := func(closed bool, request, body, answer, want string) {
		t.Helper()
		i, err := inspect.New([]byte(document), closed)
		if err != nil {
			t.Fatal(err)
		}
		ask(t, i, request, body, answer)
		got := strings.Join(i.Faults(), "\n")
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s with %s answered by %s: %q; want %q", request, body, answer, got, want)
		}
	}
	const events, ndjson = "GET /streams/text/event-stream", "GET /streams/application/x-ndjson"
	f(true, events, "", "event: a\ndata: {\"id\": \"a\"}\n\n: a comment\n\ndata: [DONE]\n\n", "")
	f(true, events, "", "data: {\"id\": \"a\"}\n\ndata: {}\n\n", `{} is not as the document says: at "/id"`)
	f(true, events, "", "data: {\"id\": \"a\", \"more\": 1}\n\n", `is not as the document says`)
	f(true, events, "", "data: {half", `invalid character`)
	f(true, ndjson, "", "{\"id\": \"a\"}\n{\"id\": \"b\"}", "")
	f(true, ndjson, "", "{\"id\": \"a\"}\n{}", `property "id" is missing`)
	f(true, "GET /streams/text/plain", "", "{}", "")
	f(true, "PUT /things/a", `{"n": 1}`, `{"id": "a"}`, "")
	f(false, "PUT /things/a", `{"n": 1, "more": 1}`, `{"id": "a", "more": 1}`, "")
	f(true, "PUT /things/a", `{"n": 1}`, `{"id": "a", "more": 1}`, `the answer is not as the document says`)
	f(true, "PUT /things/a", `{"n": 1}`, `{}`, `property "id" is missing`)
	f(true, "PUT /things/a", `{"n": 1, "more": 1}`, `{"id": "a"}`, `the request is not as the document says`)
	f(true, "PUT /things/a", `{"n": "1"}`, `{"id": "a"}`, `value must be an integer`)
	f(true, "GET /things/all", "", `{"id": "a"}`, "")
	f(true, "GET /files/a/b/c", "", `{}`, "")
	f(true, "GET /others", "", `{}`, "the document does not have it")
	f(true, "GET /things/a/b", "", `{}`, "the document does not have it")
}

func TestUnseen(t *testing.T) {
	i, err := inspect.New([]byte(document), true)
	if err != nil {
		t.Fatal(err)
	}
	ask(t, i, "GET /things/all", "", `{}`)
	if got, want := i.Unseen(), []string{"GET /files/{path}", "GET /streams/{name}", "PUT /things/{name}"}; !slices.Equal(got, want) {
		t.Errorf("%q are unseen; want %q", got, want)
	}
}

// ask sends a request through i to a server that has but one answer.
func ask(t *testing.T, i *inspect.Inspector, request, body, answer string) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got, err := io.ReadAll(r.Body); err != nil || string(got) != body {
			t.Errorf("the server was sent %q, %v; want %q", got, err, body)
		}
		w.Header().Set("Content-Type", "application/json")
		if kind, ok := strings.CutPrefix(r.URL.Path, "/streams/"); ok {
			w.Header().Set("Content-Type", kind)
		}
		_, _ = io.WriteString(w, answer)
	}))
	defer srv.Close()
	front, err := i.Before(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer front.Close()
	method, path, _ := strings.Cut(request, " ")
	r, err := http.NewRequestWithContext(t.Context(), method, front.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, err := io.ReadAll(resp.Body); err != nil || string(got) != answer {
		t.Errorf("%q came back, %v; want %q", got, err, answer)
	}
}
