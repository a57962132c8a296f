package e2e_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "rewrite the golden files of the matrix")

// cases are what every caller asks of every provider.
var cases = []string{"text", "stream", "tools", "streamed_tools", "image", "schema", "reasoning", "error", "cut"}

// callers are the dialects of the gateway's own endpoints.
var callers = []string{"openai-chat", "openai-responses", "anthropic-messages", "gemini-generate"}

// providers of the matrix, with their part of the configuration.
var matrixProviders = map[string]string{
	"openai":    `{adapter: openai, config: {base_url: "URL/openai/v1"}, hosts: ["HOST"], credentials: [{name: main, value: "${env:PROVIDER_KEY}"}]}`,
	"cerebras":  `{adapter: openai, config: {preset: cerebras, base_url: "URL/cerebras"}, hosts: ["HOST"], credentials: [{name: main, value: "${env:PROVIDER_KEY}"}]}`,
	"anthropic": `{adapter: anthropic, config: {base_url: "URL/anthropic"}, hosts: ["HOST"], credentials: [{name: main, value: "${env:PROVIDER_KEY}"}]}`,
	"gemini":    `{adapter: gemini, config: {base_url: "URL/gemini"}, hosts: ["HOST"], credentials: [{name: main, value: "${env:PROVIDER_KEY}"}]}`,
	"cohere":    `{adapter: cohere, config: {base_url: "URL/cohere"}, hosts: ["HOST"], credentials: [{name: main, value: "${env:PROVIDER_KEY}"}]}`,
	"bedrock":   `{adapter: bedrock, config: {base_url: "URL/bedrock", region: us-east-1}, hosts: ["HOST"], credentials: [{name: main, value: "AKIDEXAMPLE:${env:PROVIDER_KEY}"}]}`,
}

func matrixConfig(url string) string {
	var b strings.Builder
	b.WriteString(`
listen: {data: "127.0.0.1:0", admin: "127.0.0.1:0"}
admin: {token: "${env:SIGNALBOX_ADMIN_TOKEN}"}
store: {url: "sqlite:state/signalbox.db"}
limits: {attempts: 1}
keys: [{name: dev, value: "${env:SIGNALBOX_DEV_KEY}"}]
providers:
`)
	for name, text := range matrixProviders {
		text = strings.ReplaceAll(strings.ReplaceAll(text, "URL", url), "HOST", strings.TrimPrefix(url, "http://"))
		fmt.Fprintf(&b, "  %s: %s\n", name, text)
	}
	return b.String()
}

// TestMatrix: every caller's dialect against every chat provider. What is sent
// upstream is compared with the golden files, what comes back is read as the
// caller's client would and must say the same whoever answered.
func TestMatrix(t *testing.T) {
	t.Parallel()
	up := newMatrixUpstream(t)
	g := newGateway(t, matrixConfig(up.URL))
	for _, caller := range callers {
		asks := sections(t, filepath.Join("testdata", "matrix", "ask", caller+".txtar"))
		for name := range matrixProviders {
			t.Run(caller+"/"+name, func(t *testing.T) {
				golden := filepath.Join("testdata", "matrix", "sent", caller+"_"+name+".txtar")
				var sent txtar.Archive
				for _, kase := range cases {
					t.Run(kase, func(t *testing.T) {
						got := g.ask(t, caller, name+"/"+kase, asks[kase])
						check(t, kase, name, caller, got)
					})
					sent.Files = append(sent.Files, txtar.File{Name: kase, Data: up.take(t, name)})
				}
				compare(t, golden, &sent)
			})
		}
	}
}

// ask sends one request as a client of the dialect would, and reads the answer.
func (g *gateway) ask(t *testing.T, caller, model, body string) *reading {
	t.Helper()
	path := map[string]string{"openai-chat": "/v1/chat/completions", "openai-responses": "/v1/responses", "anthropic-messages": "/v1/messages"}[caller]
	_, kase, _ := strings.Cut(model, "/")
	if caller == "gemini-generate" {
		path = "/v1beta/models/" + model + ":generateContent"
		if streams(kase) {
			path = "/v1beta/models/" + model + ":streamGenerateContent?alt=sse"
		}
	}
	req, err := http.NewRequest("POST", g.data+path, strings.NewReader(strings.ReplaceAll(body, "MODEL", model)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	switch caller {
	case "anthropic-messages":
		req.Header.Set("X-Api-Key", callerKey)
		req.Header.Set("Anthropic-Version", "2023-06-01")
	case "gemini-generate":
		req.Header.Set("X-Goog-Api-Key", callerKey)
	default:
		req.Header.Set("Authorization", "Bearer "+callerKey)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	r := &reading{status: resp.StatusCode, retry: resp.Header.Get("Retry-After"), cut: err != nil, raw: string(raw)}
	if streams(kase) && resp.StatusCode == 200 {
		r.stream(t, caller, raw)
	} else {
		r.whole(t, caller, raw)
	}
	return r
}

func streams(kase string) bool {
	return kase == "stream" || kase == "streamed_tools" || kase == "reasoning" || kase == "cut"
}

// check compares an answer with what the provider has said in its own words.
func check(t *testing.T, kase, provider, caller string, r *reading) {
	t.Helper()
	want := map[string]reading{
		"text":           {text: "Hello there.", prompt: 20, completion: 3, ended: true},
		"stream":         {text: "Hello there.", prompt: 20, completion: 3, ended: true},
		"tools":          {calls: `get_weather{"city":"Paris"} get_weather{"city":"Rome"} `, prompt: 50, completion: 30, ended: true},
		"streamed_tools": {calls: `get_weather{"city":"Paris"} get_weather{"city":"Rome"} `, prompt: 50, completion: 30, ended: true},
		"image":          {text: "A dot.", prompt: 300, completion: 3, ended: true},
		"schema":         {text: `{"text":"hello"}`, prompt: 30, completion: 5, ended: true},
		"reasoning":      {text: "Hello there.", thinking: "They want a greeting.", prompt: 20, completion: 43, ended: true},
		"cut":            {text: "Hel"},
	}[kase]
	if provider == "cohere" && kase == "tools" {
		want.thinking = "I will look it up." // its plan
	}
	if kase == "error" {
		if r.status != 429 || r.fault == "" {
			t.Errorf("got %d %s", r.status, r.raw)
		}
		return
	}
	if r.status != 200 || r.text != want.text || r.calls != want.calls || r.ended != want.ended {
		t.Errorf("got %d, text %q, calls %q, ended %v; want text %q, calls %q, ended %v\n%s", r.status, r.text, r.calls, r.ended, want.text, want.calls, want.ended, r.raw)
	}
	if r.thinking != want.thinking && caller != "openai-chat" { // whose own form has no place for it
		t.Errorf("got the reasoning %q; want %q\n%s", r.thinking, want.thinking, r.raw)
	}
	if kase != "cut" && (r.prompt != want.prompt || r.completion != want.completion) {
		t.Errorf("got %d and %d tokens; want %d and %d\n%s", r.prompt, r.completion, want.prompt, want.completion, r.raw)
	}
	if kase == "cut" && (r.fault == "" || !r.cut) {
		t.Errorf("a cut stream came with fault %q, cut %v\n%s", r.fault, r.cut, r.raw)
	}
}

func sections(t *testing.T, file string) map[string]string {
	t.Helper()
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range a.Files {
		out[f.Name] = string(f.Data)
	}
	return out
}

// compare compares with a golden file, or rewrites it.
func compare(t *testing.T, file string, got *txtar.Archive) {
	t.Helper()
	text := txtar.Format(got)
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(want, text) {
		return
	}
	old := sections(t, file)
	for _, f := range got.Files {
		if old[f.Name] != string(f.Data) {
			t.Errorf("%s: %s is sent as\n%s\nwant\n%s", file, f.Name, f.Data, old[f.Name])
		}
	}
}

// indented is a JSON text in many lines; anything else as it is.
func indented(raw []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, raw, "", "  ") != nil {
		return string(raw)
	}
	return b.String()
}
