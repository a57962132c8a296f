package e2e_test

import (
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
)

// media is an upstream that serves what is not chat, and remembers.
type media struct {
	*httptest.Server
	mu   sync.Mutex
	last string
}

func newMedia(t *testing.T) *media {
	m := &media{}
	m.Server = httptest.NewServer(http.HandlerFunc(m.serve))
	t.Cleanup(func() { m.CloseClientConnections(); m.Close() })
	return m
}

func (m *media) note(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = fmt.Sprintf(format, args...)
}

func (m *media) got() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last
}

const aFile = `"id":"file-1","object":"file","bytes":10,"created_at":1,"filename":"a","purpose":"batch"`

func (m *media) serve(w http.ResponseWriter, r *http.Request) {
	if a := r.Header.Get("Authorization"); a != "Bearer "+providerKey {
		m.note("authorized by %q", a)
		w.WriteHeader(401)
		return
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") {
		m.form(r)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"text":"hello","duration":2.5,`+aFile+`}`)
		return
	}
	b, _ := io.ReadAll(r.Body)
	m.note("%s %s %s", r.Method, r.RequestURI, b)
	w.Header().Set("Content-Type", "application/json")
	switch {
	case strings.HasSuffix(r.URL.Path, "/speech"), strings.HasSuffix(r.URL.Path, "/content"):
		w.Header().Set("Content-Type", "audio/mpeg")
		for range 64 {
			_, _ = w.Write(make([]byte, 1<<20))
		}
	case r.Method == "POST" && strings.Contains(r.URL.Path, "/batches"):
		fmt.Fprint(w, `{"id":"b","object":"batch","endpoint":"/v1/chat/completions","status":"in_progress","input_file_id":"file-1"}`)
	case strings.Contains(r.URL.Path, "/files/"):
		fmt.Fprint(w, `{"deleted":false,`+aFile+`}`)
	case strings.HasSuffix(r.URL.Path, "/responses"):
		fmt.Fprint(w, `{"id":"r","object":"response","output":[],"usage":{"input_tokens":5,"output_tokens":7,"total_tokens":12}}`)
	default:
		fmt.Fprint(w, `{"object":"list","data":[]}`)
	}
}

// form reads a form as a service would.
func (m *media) form(r *http.Request) {
	_, params, _ := strings.Cut(r.Header.Get("Content-Type"), "boundary=")
	mr, size, model := multipart.NewReader(r.Body, strings.Trim(params, `"`)), int64(0), ""
	for {
		p, err := mr.NextPart()
		if err != nil {
			break
		}
		if p.FileName() != "" {
			size, _ = io.Copy(io.Discard, p)
		} else if b, _ := io.ReadAll(p); p.FormName() == "model" {
			model = string(b)
		}
	}
	m.note("%s model=%s file=%d length=%t", r.URL.Path, model, size, r.ContentLength > size)
}

func mediaConfig(url, budget, more string) string {
	return fmt.Sprintf(`
listen: {data: "127.0.0.1:0", admin: "127.0.0.1:0"}
admin: {token: "${env:SIGNALBOX_ADMIN_TOKEN}"}
store: {url: "sqlite:state/signalbox.db"}
providers:
  up: {adapter: openai, config: {base_url: %q}, hosts: [%q], credentials: [{name: main, value: "${env:PROVIDER_KEY}"}]}
keys: [{name: dev, value: "${env:SIGNALBOX_DEV_KEY}", budgets: %s}]
%s`, url+"/v1", strings.TrimPrefix(url, "http://"), budget, more)
}

// send makes any request and drops most of a large answer.
func (g *gateway) send(method, path, kind string, body io.Reader, header ...string) (int, string, int64) {
	g.t.Helper()
	req, err := http.NewRequest(method, g.data+path, body)
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+callerKey)
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	head, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	rest, err := io.Copy(io.Discard, resp.Body)
	if err != nil {
		g.t.Error(err)
	}
	return resp.StatusCode, string(head), int64(len(head)) + rest
}

var peak = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peak is the most memory that the gateway has held, in bytes.
func (g *gateway) peak() int64 {
	g.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.cmd.Process.Pid))
	if err != nil {
		g.t.Fatal(err)
	}
	kb, err := strconv.ParseInt(peak.FindStringSubmatch(string(b))[1], 10, 64)
	if err != nil {
		g.t.Fatal(err)
	}
	return kb << 10
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func recording(size int64) (kind string, body io.Reader) {
	head := "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n"
	tail := "\r\n--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nup/whisper-1\r\n--b--\r\n"
	return "multipart/form-data; boundary=b", io.MultiReader(strings.NewReader(head), io.LimitReader(zeros{}, size), strings.NewReader(tail))
}

// TestLargeUploadsAndAnswersStayOutOfMemory: 200 MB of sound in and 64 MB out
// pass within 32 MB.
func TestLargeUploadsAndAnswersStayOutOfMemory(t *testing.T) {
	up := newMedia(t)
	g := newGateway(t, mediaConfig(up.URL, "[]", ""))
	send := func(size int64) {
		t.Helper()
		kind, body := recording(size)
		status, text, _ := g.send("POST", "/v1/audio/transcriptions", kind, body)
		if want := fmt.Sprintf("/v1/audio/transcriptions model=whisper-1 file=%d length=true", size); status != 200 || up.got() != want || !strings.Contains(text, "hello") {
			t.Errorf("%d %s: the upstream got %s, want %s", status, text, up.got(), want)
		}
		status, _, n := g.send("POST", "/v1/audio/speech", "application/json", strings.NewReader(`{"model":"up/tts-1","input":"hello","voice":"alloy"}`))
		if status != 200 || n != 64<<20 {
			t.Errorf("%d, %d bytes of speech", status, n)
		}
	}
	send(2 << 20) // what is there in any case
	before := g.peak()
	send(200 << 20)
	if grown := g.peak() - before; grown > 32<<20 {
		t.Errorf("memory has grown by %d MB", grown>>20)
	} else {
		t.Logf("memory has grown by %d KB", grown>>10)
	}
	if left, _ := os.ReadDir(g.dir + "/state"); len(left) > 0 {
		for _, f := range left {
			if strings.HasPrefix(f.Name(), "upload-") {
				t.Errorf("left behind: %s", f.Name())
			}
		}
	}
}

func TestFilesBatchesAndPassThrough(t *testing.T) {
	up := newMedia(t)
	g := newGateway(t, mediaConfig(up.URL, "[]", "pass_through: [up]\n"))
	f := func(method, path, body string, want int, upstream string, header ...string) {
		t.Helper()
		up.note("nothing")
		kind := ""
		if body != "" {
			kind = "application/json"
		}
		status, text, _ := g.send(method, path, kind, strings.NewReader(body), header...)
		if status != want || up.got() != upstream {
			t.Errorf("%s %s: %d %s; the upstream got %s, want %d %s", method, path, status, text, up.got(), want, upstream)
		}
	}
	kind, body := recording(10)
	if status, text, _ := g.send("POST", "/v1/files?provider=up", kind, body); status != 200 || up.got() != "/v1/files model=up/whisper-1 file=10 length=true" {
		t.Errorf("%d %s: the upstream got %s", status, text, up.got())
	}
	f("GET", "/v1/files?provider=up&limit=1&key=x", "", 200, "GET /v1/files?limit=1 ")
	f("GET", "/v1/files/file-1?provider=up", "", 200, "GET /v1/files/file-1 ")
	f("GET", "/v1/files/file-1/content", "", 200, "GET /v1/files/file-1/content ", "X-Signalbox-Provider", "up")
	f("DELETE", "/v1/files/file-1?provider=up", "", 200, "DELETE /v1/files/file-1 ")
	f("GET", "/v1/files/..%2fchat", "", 400, "nothing")
	f("GET", "/v1/files", "", 404, "nothing", "X-Signalbox-Provider", "nobody")
	f("POST", "/v1/batches?provider=up", `{"input_file_id":"file-1","endpoint":"/v1/chat/completions"}`, 200, `POST /v1/batches {"input_file_id":"file-1","endpoint":"/v1/chat/completions"}`)
	f("POST", "/v1/batches/b/cancel?provider=up", "", 200, "POST /v1/batches/b/cancel ")
	f("PATCH", "/v1/pass/up/fine_tuning/x?y=1", `{"model":"any"}`, 200, `PATCH /v1/fine_tuning/x?y=1 {"model":"any"}`)
	f("GET", "/v1/pass/up/%2e%2e/admin", "", 400, "nothing")
	f("GET", "/v1/pass/nobody/x", "", 404, "nothing")
	f("POST", "/v1/responses", `{"model":"up/gpt-4o","input":"hi"}`, 200, `POST /v1/responses {"model":"gpt-4o","input":"hi"}`)
	if u := g.usage(); u.Requests < 10 {
		t.Errorf("the ledger holds %d requests", u.Requests)
	}
}

// TestWhatCannotBeBoundedNeedsLeave: under a money budget the provider's own
// API is used at the amount that the operator has set, and not without.
func TestWhatCannotBeBoundedNeedsLeave(t *testing.T) {
	up := newMedia(t)
	f := func(more string, want int, cost int64) {
		t.Helper()
		g := newGateway(t, mediaConfig(up.URL, "[{usd: 5, window: day}]", more))
		if status, text, _ := g.send("GET", "/v1/pass/up/x", "", nil); status != want {
			t.Errorf("pass: %d %s, want %d", status, text, want)
		}
		if u := g.usage(); u.Nano != cost {
			t.Errorf("the ledger holds %d nano-dollars, want %d", u.Nano, cost)
		}
		if status, text, _ := g.send("GET", "/v1/files?provider=up", "", nil); status != 200 {
			t.Errorf("files: %d %s, want 200: they cost nothing", status, text)
		}
	}
	f("", 404, 0)
	f("pass_through: [up]\n", 402, 0)
	f("pass_through: [up]\nbudget: {unbounded_usd: 0.25}\n", 200, 250_000_000)
}

// TestRealtimeIsPaidFor: a session by way of a real adapter, priced by what its
// responses report, and ended when the budget is used up.
func TestRealtimeIsPaidFor(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+providerKey || r.URL.Path != "/v1/realtime" || r.URL.Query().Get("model") != "gpt-x" {
			w.WriteHeader(401)
			return
		}
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.CloseNow()
		for {
			if _, _, err := c.Read(r.Context()); err != nil {
				return
			}
			_ = c.Write(r.Context(), websocket.MessageText, []byte(`{"type":"response.done","response":{"usage":{"total_tokens":100000,"input_tokens":0,"output_tokens":100000}}}`))
		}
	}))
	defer up.Close()
	g := newGateway(t, mediaConfig(up.URL, "[{usd: 5, window: day}]", `budget: {unbounded_usd: 1}
prices: {"up/gpt-x": {input_per_mtok: 1, output_per_mtok: 10}}
`))
	c, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(g.data, "http")+"/v1/realtime?model=up/gpt-x",
		&websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + callerKey}}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	said := 0
	for range 20 {
		_ = c.Write(t.Context(), websocket.MessageText, []byte("respond"))
		_, b, err := c.Read(t.Context())
		if err != nil || strings.Contains(string(b), "budget_exceeded") {
			break
		}
		said++
	}
	if said != 4 && said != 5 { // a dollar each, and one kept ahead
		t.Errorf("%d responses were given", said)
	}
	for err == nil {
		_, _, err = c.Read(t.Context())
	}
	var u usage
	for range 2000 { // the record follows the close frame
		if u = g.usage(); u.Requests > 0 {
			break
		}
	}
	if u.Nano != int64(said)*1_000_000_000 {
		t.Errorf("the ledger holds %d nano-dollars after %d responses of a dollar", u.Nano, said)
	}
}
