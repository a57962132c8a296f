package provider

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/signalbox-ai/signalbox/sdk/provider/egress"
	pb "github.com/signalbox-ai/signalbox/sdk/provider/proto/v1"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// leasing is a provider whose leases a test makes for its upstream's address.
type leasing struct {
	leases func(base string) []Lease
	routes []Route
}

func (leasing) Manifest() Manifest { return Manifest{Name: "leasing"} }

func (p leasing) Configure(c Config) (*Setup, error) {
	return &Setup{Leases: p.leases(strings.Trim(string(c.JSON), `"`)), Routes: p.routes}, nil
}

// asks is what a test sends to an adapter.
type asks struct {
	path, model, body string
	header            http.Header
}

// leased serves p in front of an upstream and returns a client of it.
func leased(t *testing.T, p leasing, h http.HandlerFunc) func(asks) (*http.Response, string, error) {
	t.Helper()
	up := httptest.NewServer(h)
	t.Cleanup(up.Close)
	hosts, err := egress.Parse([]string{strings.TrimPrefix(up.URL, "http://")})
	if err != nil {
		t.Fatal(err)
	}
	s := newServer()
	if _, _, err := s.configure(p, Config{JSON: []byte(`"` + up.URL + `"`), Hosts: hosts}); err != nil {
		t.Fatal(err)
	}
	l := privateSocket(t)
	go func() { _ = s.listen(l) }()
	tr := &http.Transport{DialContext: l.dial}
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		_ = s.drain(context.Background())
	})
	return func(a asks) (*http.Response, string, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://a"+a.path, strings.NewReader(a.body))
		if err != nil {
			t.Fatal(err)
		}
		for name, v := range a.header {
			req.Header[name] = v
		}
		req.Header.Set("X-Signalbox-Model", a.model)
		req.Header.Set("X-Signalbox-Credential", "sk-secret")
		resp, err := tr.RoundTrip(req)
		if err != nil {
			return nil, "", err
		}
		defer resp.Body.Close()
		raw, err := io.ReadAll(resp.Body)
		return resp, string(raw), err
	}
}

const question = `{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"q"}]}`

func TestModelsInURLs(t *testing.T) {
	p := leasing{leases: func(base string) []Lease {
		return []Lease{{Op: wire.OpChat, Dialect: wire.OpenAIChat, URL: base + "/m/{model}/chat?v={model}&x=1", StreamURL: base + "/s/{model}"}}
	}}
	seen := make(chan string, 1)
	do := leased(t, p, func(w http.ResponseWriter, r *http.Request) { seen <- r.RequestURI; w.WriteHeader(404) })
	f := func(model, body, want string) {
		t.Helper()
		if _, _, err := do(asks{path: "/chat/anthropic-messages", model: model, body: body}); err != nil {
			t.Fatal(err)
		}
		if got := <-seen; got != want {
			t.Errorf("%s: got %s; want %s", model, got, want)
		}
	}
	f("gpt-4o", question, "/m/gpt-4o/chat?v=gpt-4o&x=1")
	f("a/b:c d?e#f%&é", question, "/m/a%2Fb%3Ac%20d%3Fe%23f%25%26%C3%A9/chat?v=a%2Fb%3Ac%20d%3Fe%23f%25%26%C3%A9&x=1")
	f("gpt-4o", strings.Replace(question, "{", `{"stream":true,`, 1), "/s/gpt-4o")
	for _, model := range []string{"", ".", ".."} {
		resp, body, err := do(asks{path: "/chat/anthropic-messages", model: model, body: question})
		if err != nil || resp.StatusCode != 404 || !strings.Contains(body, "no place in a URL") {
			t.Errorf("%q: %s, %v", model, body, err)
		}
	}
}

// signing is a lease that signs, of the dialect that callers speak too.
func signing(base string) []Lease {
	return []Lease{{Op: wire.OpChat, Dialect: wire.OpenAIChat, URL: base + "/chat", Headers: []Header{Static("X-Fixed", "f")}, StreamUsage: true, MaxTokens: "max_completion_tokens",
		Rate: RateHeaders{RequestsRemaining: "x-left"}, ErrorHeader: "X-Error-Type", Errors: []ErrorRule{{Code: "Throttled", Class: wire.ClassQuota}},
		Sign: func(r *http.Request, body []byte, credential Secret) error {
			if bytes.Contains(body, []byte("unsigned")) {
				return &wire.Error{Status: 401, Class: wire.ClassAuth, Code: "no_signature", Message: "cannot"}
			}
			r.Header.Set("Signature", fmt.Sprintf("%s %s %s %d %s", r.Method, r.URL.Path, r.Header.Get("X-Fixed"), len(body), string(credential)))
			return nil
		}}}
}

func TestSignedRequests(t *testing.T) {
	do := leased(t, leasing{leases: signing}, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if want := fmt.Sprintf("POST /chat f %d sk-secret", len(body)); r.Header.Get("Signature") != want || r.Header.Get("X-Fixed") != "f" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("got %v; want %s", r.Header, want)
		}
		w.Header().Set("X-Left", "7")
		if bytes.Contains(body, []byte("fail")) {
			w.Header().Set("X-Error-Type", "Throttled:http://x/")
			w.WriteHeader(429)
			fmt.Fprint(w, `{"message":"slow down"}`)
			return
		}
		fmt.Fprint(w, `{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7},"own":[1, 2]}`)
	})
	resp, body, err := do(asks{path: "/chat/openai-chat", model: "m", body: question})
	if err != nil || !strings.HasSuffix(body, `"own":[1, 2]}`) || resp.Header.Get("X-Signalbox-Usage") != "in=3;cr=0;cw5=0;cw1=0;out=4;rs=0" || resp.Header.Get("X-Signalbox-Rate") != "requests-remaining=7" {
		t.Errorf("as it is: %s %v, %v", body, resp.Header, err)
	}
	resp, body, err = do(asks{path: "/chat/anthropic-messages", model: "m", body: question})
	if err != nil || !strings.Contains(body, `"type":"message"`) || resp.StatusCode != 200 {
		t.Errorf("translated: %s, %v", body, err)
	}
	for _, dialect := range []string{"openai-chat", "anthropic-messages"} {
		resp, body, err = do(asks{path: "/chat/" + dialect, model: "m", body: strings.Replace(question, `"q"`, `"fail"`, 1)})
		if err != nil || resp.StatusCode != 429 || resp.Header.Get("X-Signalbox-Error-Class") != "quota" || !strings.Contains(body, "slow down") || resp.Header.Get("X-Signalbox-Rate") == "" {
			t.Errorf("%s: %d %s %v, %v", dialect, resp.StatusCode, body, resp.Header, err)
		}
		resp, body, err = do(asks{path: "/chat/" + dialect, model: "m", body: strings.Replace(question, `"q"`, `"unsigned"`, 1)})
		if err != nil || resp.StatusCode != 401 || resp.Header.Get("X-Signalbox-Error-Class") != "auth" || !strings.Contains(body, "cannot") {
			t.Errorf("%s: %d %s, %v", dialect, resp.StatusCode, body, err)
		}
	}
}

func TestStrictCallersAreRefused(t *testing.T) {
	do := leased(t, leasing{leases: signing}, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"choices":[{"message":{}}]}`) })
	body := strings.Replace(question, "{", `{"top_k":3,`, 1)
	resp, text, err := do(asks{path: "/chat/anthropic-messages", model: "m", body: body, header: http.Header{"X-Signalbox-Strict": {"1"}}})
	if err != nil || resp.StatusCode != 400 || !strings.Contains(text, "unsupported_params") || !strings.Contains(text, "top_k cannot be carried") {
		t.Errorf("%d %s, %v", resp.StatusCode, text, err)
	}
	resp, text, err = do(asks{path: "/chat/anthropic-messages", model: "m", body: body})
	if err != nil || resp.StatusCode != 200 || resp.Header.Get("X-Signalbox-Dropped-Params") != "top_k" {
		t.Errorf("%d %s %v, %v", resp.StatusCode, text, resp.Header, err)
	}
}

func TestFramings(t *testing.T) {
	text := func(s string) string {
		return `{"id":"c","choices":[{"index":0,"delta":{"content":"` + s + `"},"finish_reason":null}]}`
	}
	last := `{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}`
	list := []string{text("Hel"), text("lo"), last, "[DONE]"}
	var lines, messages bytes.Buffer
	for _, e := range list {
		fmt.Fprintln(&lines, e)
		m := eventstream.Message{Payload: []byte(e)}
		m.Headers.Set(":message-type", eventstream.StringValue("event"))
		m.Headers.Set(":event-type", eventstream.StringValue(""))
		if err := eventstream.NewEncoder().Encode(&messages, m); err != nil {
			t.Fatal(err)
		}
	}
	f := func(framing Framing, kind, stream string) {
		t.Helper()
		do := leased(t, leasing{leases: func(base string) []Lease {
			return []Lease{{Op: wire.OpChat, Dialect: wire.OpenAIChat, URL: base + "/chat", Framing: framing}}
		}}, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			_, _ = io.WriteString(w, stream)
		})
		for _, dialect := range []string{"openai-chat", "anthropic-messages"} {
			resp, body, err := do(asks{path: "/chat/" + dialect, model: "m", body: strings.Replace(question, "{", `{"stream":true,`, 1)})
			if err != nil || resp.StatusCode != 200 || !strings.Contains(body, `"Hel"`) || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Trailer.Get("X-Signalbox-Usage") != "in=3;cr=0;cw5=0;cw1=0;out=4;rs=0" {
				t.Errorf("%s by %s: %s %v, %v", dialect, framing, body, resp.Trailer, err)
			}
			if want := "data: " + strings.Join(list, "\n\ndata: ") + "\n\n"; dialect == "openai-chat" && body != want {
				t.Errorf("got %s; want %s", body, want)
			}
		}
	}
	f(JSONLines, "application/x-ndjson; charset=utf-8", lines.String())
	f(EventStream, "application/vnd.amazon.eventstream", messages.String())
	do := leased(t, leasing{leases: signing}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
		_, _ = w.Write(messages.Bytes())
	})
	resp, body, err := do(asks{path: "/chat/openai-chat", model: "m", body: strings.Replace(question, "{", `{"stream":true,`, 1)})
	if err != nil || resp.StatusCode != 502 || !strings.Contains(body, "want text/event-stream") {
		t.Errorf("%s, %v", body, err)
	}
}

// TestWhatIsPublished: what the gateway cannot use by itself is not leased to it.
func TestWhatIsPublished(t *testing.T) {
	published := func(p leasing) (out []string) {
		s := newServer()
		setup, list, err := s.configure(p, Config{JSON: []byte(`"http://127.0.0.1:1"`), Hosts: &egress.Hosts{}})
		if err != nil {
			t.Fatal(err)
		}
		c := &control{changed: make(chan struct{}), socket: "sock"}
		c.publish(setup, list)
		for _, l := range c.leases.Leases {
			out = append(out, l.Operation+" "+l.Dialect+" "+via(l))
		}
		slices.Sort(out)
		return out
	}
	f := func(p leasing, want ...string) {
		t.Helper()
		slices.Sort(want)
		if got := published(p); !slices.Equal(got, want) {
			t.Errorf("got %q; want %q", got, want)
		}
	}
	all := []string{"chat openai-chat socket", "chat anthropic-messages socket", "chat openai-responses socket", "chat gemini-generate socket"}
	f(leasing{leases: signing}, all...)
	f(leasing{leases: func(base string) []Lease {
		return []Lease{{Op: wire.OpChat, Dialect: wire.BedrockConverse, URL: base}}
	}}, all...)
	f(leasing{leases: func(base string) []Lease {
		return []Lease{{Op: wire.OpEmbeddings, Dialect: wire.OpenAIEmbeddings, URL: base, Framing: JSONLines}, {Op: wire.OpRerank, Dialect: wire.CohereRerank, URL: base}}
	}}, "embeddings openai-embeddings socket", "rerank cohere-rerank direct")
	own := Route{Op: wire.OpChat, Dialect: wire.OpenAIChat, Handle: func(*Request, *Writer) error { return errors.New("x") }}
	f(leasing{leases: func(base string) []Lease {
		return []Lease{{Op: wire.OpChat, Dialect: wire.AnthropicMessages, URL: base}}
	}, routes: []Route{own}}, "chat openai-chat socket", "chat anthropic-messages direct", "chat openai-responses socket", "chat gemini-generate socket")
}

func via(l *pb.Lease) string {
	if l.Socket != "" {
		return "socket"
	}
	return "direct"
}
