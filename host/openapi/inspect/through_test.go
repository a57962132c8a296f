package inspect_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/openapi/inspect"
)

// told serves h to a client that is looked at, and returns the client, the
// server's address and what has been told.
func told(t *testing.T, h http.HandlerFunc) (*http.Client, string, *[]string) {
	t.Helper()
	i, err := inspect.New([]byte(document), true)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	var faults []string
	c := &http.Client{Transport: i.Through(srv.Client().Transport, func(fault string) { faults = append(faults, fault) })}
	t.Cleanup(func() {
		if own := i.Faults(); len(own) > 0 {
			t.Errorf("what was told is among the faults of all: %q", own)
		}
	})
	return c, srv.URL, &faults
}

// TestStreamsAreReadAsTheyCome: each event has been compared when its reader has
// it, and none waits for the next.
func TestStreamsAreReadAsTheyCome(t *testing.T) {
	next := make(chan string)
	c, url, faults := told(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for event := range next {
			fmt.Fprintf(w, "data: %s\n\n", event)
			w.(http.Flusher).Flush()
		}
	})
	go func() { next <- `{"id": "a"}` }()
	resp, err := c.Get(url + "/streams/x")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	read := func(want string) {
		t.Helper()
		for lines.Scan() && lines.Text() == "" {
		}
		if lines.Text() != "data: "+want {
			t.Fatalf("the next event is %q, %v; want %q", lines.Text(), lines.Err(), want)
		}
	}
	read(`{"id": "a"}`)
	if len(*faults) > 0 {
		t.Errorf("a good event is told of: %q", *faults)
	}
	next <- `{"id": 7}`
	read(`{"id": 7}`)
	close(next)
	if len(*faults) != 1 || !strings.Contains((*faults)[0], `GET /streams/x: 200 OK: {"id": 7} is not as the document says: at "/id"`) {
		t.Errorf("told %q; want the second event", *faults)
	}
}

// TestAnswersAreReadInParts: an answer of JSON is compared where its reader has
// it whole, to its end or not, and not where he leaves before.
func TestAnswersAreReadInParts(t *testing.T) {
	f := func(answer string, read func(io.Reader) error, want string) {
		t.Helper()
		c, url, faults := told(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for _, part := range strings.SplitAfter(answer, ",") {
				_, _ = io.WriteString(w, part)
				w.(http.Flusher).Flush()
			}
		})
		req, err := http.NewRequestWithContext(t.Context(), "PUT", url+"/things/a", strings.NewReader(`{"n": 1}`))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := read(resp.Body); err != nil {
			t.Errorf("%s: %v", answer, err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Errorf("%s: %v", answer, err)
		}
		if got := strings.Join(*faults, "\n"); want == "" && got != "" || !strings.Contains(got, want) || len(*faults) > 1 {
			t.Errorf("%s: told %q; want %q", answer, got, want)
		}
	}
	all := func(r io.Reader) error { _, err := io.Copy(io.Discard, r); return err }
	one := func(r io.Reader) error { var v any; return json.NewDecoder(r).Decode(&v) }
	some := func(r io.Reader) error { _, err := io.ReadFull(r, make([]byte, 8)); return err }
	for _, read := range []func(io.Reader) error{all, one} {
		f(`{"id": "a"}`, read, "")
		f(`{"id": "a", "more": {"b": 1}}`, read, `PUT /things/a: 200 OK: the answer is not as the document says`)
		f(`{"id": 7}`, read, `at "/id": value must be a string; it is {"id": 7}`)
	}
	f(`{"id": "a"`, all, "failed to decode")
	f(`{"id": "a", "more": 1}`, some, "")
	f(``, all, "failed to decode")
}

// TestRequestsWithoutAType: they are taken for JSON, and looked at if they are
// answered well.
func TestRequestsWithoutAType(t *testing.T) {
	f := func(body io.Reader, status int, want string) {
		t.Helper()
		c, url, faults := told(t, func(w http.ResponseWriter, r *http.Request) {
			if got, err := io.ReadAll(r.Body); err != nil || !strings.HasPrefix(string(got), `{"n": `) {
				t.Errorf("the server was sent %q, %v", got, err)
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"id": "a"}`)
		})
		req, err := http.NewRequestWithContext(t.Context(), "PUT", url+"/things/a", body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if got := strings.Join(*faults, "\n"); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("told %q; want %q", got, want)
		}
	}
	unread := func(text string) io.Reader { return io.MultiReader(strings.NewReader(text)) } // cannot be had again
	for _, body := range []func(string) io.Reader{unread, func(text string) io.Reader { return strings.NewReader(text) }} {
		f(body(`{"n": 1}`), 200, "")
		f(body(`{"n": "1"}`), 200, `the request is not as the document says`)
		f(body(`{"n": `), 200, `the request is not as the document says`)
		f(body(`{"n": "1"}`), 418, `status is not supported`)
	}
}

// TestTypesOfAnswers: an answer has a type that the document names.
func TestTypesOfAnswers(t *testing.T) {
	c, url, faults := told(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<p>")
	})
	for _, path := range []string{"/streams/x", "/things/all"} { // nothing is said of the second's content
		resp, err := c.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	if len(*faults) != 1 || !strings.Contains((*faults)[0], `no answer of the type "text/html"`) {
		t.Errorf("told %q", *faults)
	}
}
