package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// walker asks the admin address of a gateway for what no command asks for.
type walker struct {
	t      *testing.T
	data   string // where callers ask
	base   string
	client http.Client
	header http.Header
}

const walkToken = "token-of-the-walk"

// do sends a request that is to be answered well, and decodes the answer.
func (w *walker) do(method, path, body string) (answer map[string]any) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.base+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header = w.header.Clone()
	if strings.HasPrefix(body, "{") {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := w.client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		w.t.Errorf("%s %s: %s %s, %v", method, path, resp.Status, text, err)
	}
	_ = json.Unmarshal(text, &answer) // what is no object has no members
	return answer
}

// TestRestOfTheAdminAddress asks for what no command of the other tests does, so
// that the document is compared with the whole address.
func TestRestOfTheAdminAddress(t *testing.T) {
	t.Parallel()
	told := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer told.Close()
	w := walk(t)
	for _, path := range []string{"/", "/healthz", "/readyz", "/metrics", "/openapi.json", "/admin/pprof/heap", "/admin/pprof/profile?seconds=1",
		"/admin/models"} {
		w.do("GET", path, "")
	}
	for _, folder := range []string{"orgs", "teams", "projects", "users", "services"} {
		w.do("POST", "/admin/"+folder, `{"name": "one"}`)
		w.do("GET", "/admin/"+folder, "")
		w.do("GET", "/admin/"+folder+"/one", "")
		w.do("PATCH", "/admin/"+folder+"/one", `{"title": "The one"}`)
		w.do("DELETE", "/admin/"+folder+"/one", "")
	}
	w.do("PUT", "/admin/alerts/receivers/me", fmt.Sprintf(`{"webhook": %q}`, told.URL))
	w.do("POST", "/admin/alerts/receivers/me/test", "")
	w.plugin()
	w.pipeline()
	w.batch()
	w.watch()
	w.filter()
	w.signIn()
}

// walk starts a gateway to walk over.
func walk(t *testing.T) *walker {
	t.Helper()
	bin, err := filepath.Abs("../../bin")
	if err != nil {
		t.Fatal(err)
	}
	dir, data, admin := t.TempDir(), freeAddr(t), freeAddr(t)
	config := fmt.Sprintf(`listen: {data: %q, admin: %q}
admin: {token: %s}
store: {url: "sqlite:state/signalbox.db"}
providers: {demo: {adapter: demo}}
alerts: {allow: [127.0.0.0/8]}
filters: {words: {module: "builtin:words", config: {words: [hush]}}}
keys: [{name: me, value: %s}]
pipelines: {say: {input: {text: {type: string}}, steps: [{name: it, model: demo/echo, with: {prompt: "{{ input.text }}"}}]}}
`, data, admin, walkToken, walkToken)
	if err := os.WriteFile(filepath.Join(dir, "signalbox.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	front, end, err := before(admin)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end)
	out, ended := startServing(t, dir, bin+"/signalbox serve --config signalbox.yaml", os.Environ())
	expectShown(t, step{"signalbox serve", "…listening data=…"}, out.String, ended)
	return &walker{t: t, data: "http://" + data, base: "http://" + front, header: http.Header{"Authorization": {"Bearer " + walkToken}}}
}

// plugin installs an adapter and puts it to use.
func (w *walker) plugin() {
	w.t.Helper()
	code, err := os.ReadFile("../../bin/plugins/providers/demo")
	if err != nil {
		w.t.Fatal(err)
	}
	w.do("POST", "/admin/plugins?name=demo&entry=demo", string(code))
	w.do("GET", "/admin/plugins", "")
	w.do("POST", "/admin/plugins/demo/upgrade", "")
	w.do("POST", "/admin/plugins/demo/restart", "")
	w.do("GET", "/admin/plugins/demo/logs", "")
}

// pipeline looks at a run.
func (w *walker) pipeline() {
	w.t.Helper()
	caller := &walker{t: w.t, base: w.data, header: w.header}
	id, _ := caller.do("POST", "/v1/pipelines/say", `{"input": {"text": "hello"}}`)["id"].(string)
	w.do("GET", "/admin/pipelines/runs/"+id, "")
}

// batch looks at a batch that is slow, and ends it.
func (w *walker) batch() {
	w.t.Helper()
	var form bytes.Buffer
	parts := multipart.NewWriter(&form)
	_ = parts.WriteField("purpose", "batch") // into memory
	file, err := parts.CreateFormFile("file", "lines.jsonl")
	if err != nil {
		w.t.Fatal(err)
	}
	fmt.Fprintln(file, `{"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "demo/echo?latency_ms=600000", "messages": [{"role": "user", "content": "hello"}]}}`)
	_ = parts.Close()
	upload := &walker{t: w.t, base: w.data, header: http.Header{"Authorization": w.header["Authorization"], "Content-Type": {parts.FormDataContentType()}}}
	input := upload.do("POST", "/v1/files", form.String())["id"]
	caller := &walker{t: w.t, base: w.data, header: w.header}
	id, _ := caller.do("POST", "/v1/batches", fmt.Sprintf(`{"input_file_id": %q, "endpoint": "/v1/chat/completions", "completion_window": "24h"}`, input))["id"].(string)
	w.do("GET", "/admin/batches", "")
	w.do("GET", "/admin/batches/"+id, "")
	w.do("POST", "/admin/batches/"+id+"/cancel", "")
}

// watch looks at what passes, for a moment.
func (w *walker) watch() {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), "GET", w.base+"/admin/live?events=second", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header = w.header
	resp, err := w.client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	if line, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil || resp.StatusCode != http.StatusOK {
		w.t.Errorf("what passes is answered %s %q, %v", resp.Status, line, err)
	}
}

// filter takes a filter from its push to service and back.
func (w *walker) filter() {
	w.t.Helper()
	code, err := os.ReadFile("../../bin/plugins/filters/words.wasm")
	if err != nil {
		w.t.Fatal(err)
	}
	const words = "/admin/filters/words"
	w.do("GET", words, "")
	w.do("GET", words+"/history", "")
	w.do("POST", words+"/versions", fmt.Sprintf(`{"code": %q, "config": {"words": ["quiet"]}}`, base64.StdEncoding.EncodeToString(code)))
	if r := w.do("POST", words+"/replay", `{"texts": [{"channel": "user", "text": "be quiet"}, {"channel": "answer", "text": "be loud"}]}`); r["texts"] != 2.0 || r["passed"] != true {
		w.t.Errorf("the replay tells %v", r)
	}
	w.do("POST", "/admin/filters/later/versions", fmt.Sprintf(`{"code": %q, "config": {"words": ["quiet"]}}`, base64.StdEncoding.EncodeToString(code)))
	w.do("GET", "/admin/filters/later", "")
	w.do("POST", words+"/shadow", "")
	w.do("POST", words+"/shadow", `{"off": true}`)
	w.do("POST", words+"/canary", `{"share": 0.5, "force": true}`)
	w.do("POST", words+"/promote", `{"force": true}`)
	w.do("POST", words+"/rollback", "")
}

// signIn goes in and out by the door for browsers.
func (w *walker) signIn() {
	w.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	b := &walker{t: w.t, base: w.base, client: http.Client{Jar: jar}, header: http.Header{"Origin": {w.base}}}
	csrf, _ := b.do("POST", "/admin/session", fmt.Sprintf(`{"token": %q}`, walkToken))["csrf"].(string)
	if shown := b.do("GET", "/admin/session", ""); shown["signed_in"] != true {
		w.t.Errorf("signed in: %v", shown)
	}
	b.header.Set("X-Signalbox-Csrf", csrf)
	b.do("DELETE", "/admin/session", "")
}
