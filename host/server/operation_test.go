package server_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/server"
	"github.com/signalbox-ai/signalbox/host/spool"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// tell answers with what the call is.
func tell(c *call.Call, key []byte) (call.Answer, *wire.Error) {
	size := int64(len(c.Body))
	if c.Upload != nil {
		size = c.Upload.Size()
	}
	text := fmt.Sprintf("%s %s model=%s stream=%t method=%s path=%s provider=%s strict=%t size=%d key=%s",
		c.Op, c.Dialect, c.Facts.Model, c.Facts.Stream, c.Method, c.Path, c.Provider, c.Strict, size, key)
	return call.Answer{Status: 200, ContentType: "text/plain", Body: []byte(text)}, nil
}

func do(t *testing.T, method, url, body string, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

func TestEndpoints(t *testing.T) {
	url := "http://" + start(t, server.Options{}, &stage{handle: tell})
	f := func(method, path, body, want string, header ...string) {
		t.Helper()
		if status, got := do(t, method, url+path, body, header...); status != 200 || got != want {
			t.Errorf("%s %s: %d %s\nwant %s", method, path, status, got, want)
		}
	}
	const m = `{"model":"m"}`
	plain := func(path, what string) {
		t.Helper()
		f("POST", path, m, what+" model=m stream=false method= path= provider= strict=false size=13 key=k", "Authorization", "Bearer k")
	}
	plain("/v1/responses", "chat openai-responses")
	plain("/v1/messages/count_tokens", "count-tokens anthropic-messages")
	plain("/v1/completions", "completions openai-completions")
	plain("/v1/images/generations", "images openai-images")
	plain("/v1/audio/speech", "speech openai-speech")
	plain("/v1/moderations", "moderation openai-moderation")
	plain("/v1/rerank", "rerank cohere-rerank")
	plain("/v2/rerank", "rerank cohere-rerank")
	f("POST", "/v1/moderations", `{"input":"x"}`, "moderation openai-moderation model=omni-moderation-latest stream=false method= path= provider= strict=false size=13 key=")
	f("POST", "/v1/chat/completions", m, "chat openai-chat model=m stream=false method= path= provider= strict=true size=13 key=", "X-Signalbox-Strict", "true")

	gem := func(path, want string) {
		t.Helper()
		f("POST", path, `{"contents":[]}`, want+" method= path= provider= strict=false size=15 key=k", "X-Goog-Api-Key", "k")
		sep := "?"
		if strings.Contains(path, "?") {
			sep = "&"
		}
		f("POST", path+sep+"key=k", `{"contents":[]}`, want+" method= path= provider= strict=false size=15 key=k")
	}
	gem("/v1beta/models/g:generateContent", "chat gemini-generate model=g stream=false")
	gem("/v1/models/g:generateContent", "chat gemini-generate model=g stream=false")
	gem("/v1beta/models/openai/gpt-4o:generateContent", "chat gemini-generate model=openai/gpt-4o stream=false")
	gem("/v1beta/models/openai%2Fgpt-4o:generateContent", "chat gemini-generate model=openai/gpt-4o stream=false")
	gem("/v1beta/models/ollama/a:8b:generateContent", "chat gemini-generate model=ollama/a:8b stream=false")
	gem("/v1beta/models/g:countTokens", "count-tokens gemini-generate model=g stream=false")
	gem("/v1beta/models/g:streamGenerateContent?alt=sse", "chat gemini-generate model=g stream=true")

	f("GET", "/v1/files?limit=2&provider=p&key=k", "", "files openai-files model= stream=false method=GET path=?limit=2 provider=p strict=false size=0 key=k")
	f("GET", "/v1/files/file-1/content", "", "files openai-files model= stream=false method=GET path=/file-1/content provider=p strict=false size=0 key=", "X-Signalbox-Provider", "p")
	f("DELETE", "/v1/files/file-1", "", "files openai-files model= stream=false method=DELETE path=/file-1 provider= strict=false size=0 key=")
	f("POST", "/v1/batches", `{"a":1}`, "batches openai-batches model= stream=false method= path= provider= strict=false size=7 key=")
	f("POST", "/v1/batches/b-1/cancel", "", "batches openai-batches model= stream=false method= path=/b-1/cancel provider= strict=false size=0 key=")
	f("PUT", "/v1/pass/p/x/y?z=1", "any", "pass raw model= stream=false method=PUT path=/x/y?z=1 provider=p strict=false size=3 key=")
	f("GET", "/v1/pass/p/x?provider=q&key=k", "", "pass raw model= stream=false method=GET path=/x?provider=q provider=p strict=false size=0 key=k")
	f("GET", "/v1/pass/p", "", "pass raw model= stream=false method=GET path=/ provider=p strict=false size=0 key=")
}

func TestEndpointsRefuse(t *testing.T) {
	addr := start(t, server.Options{}, &stage{handle: tell})
	f := func(method, path string, want int, wantIn string) {
		t.Helper()
		nc := dial(t, addr)
		fmt.Fprintf(nc, "%s %s HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}", method, path)
		b, _ := io.ReadAll(nc)
		if !bytes.HasPrefix(b, fmt.Appendf(nil, "HTTP/1.1 %d ", want)) || !bytes.Contains(b, []byte(wantIn)) {
			t.Errorf("%s %s: %s\nwant %d, %s", method, path, b, want, wantIn)
		}
	}
	f("POST", "/v1beta/models/g:streamGenerateContent", 400, "alt=sse")
	f("POST", "/v1beta/models/g:embedContent", 404, "unknown_path")
	f("POST", "/v1beta/models/:generateContent", 404, "unknown_path")
	f("POST", "/v1beta/models/a%0ab:generateContent", 404, "unknown_path")
	f("PUT", "/v1beta/models/g:generateContent", 405, "method_not_allowed")
	f("PUT", "/v1/files", 405, "GET, POST, DELETE")
	f("GET", "/v1/responses", 405, "Allow: POST")
	f("GET", "/v1/filesystem", 404, "unknown_path")
	for _, path := range []string{"/../chat", "/a/../../b", "/..", "/./a", "/%2e%2e/a", "/a%2fb", "/%2E./a", "/a%5cb", "/a\\b", "//a", "/a//b",
		"/..;/a", "/%252e%252e/a", "/a%00b", "/%c0%ae%c0%ae/a", "/a%1b"} {
		f("POST", "/v1/pass/p"+path, 400, "unsafe_path")
		f("DELETE", "/v1/files"+path, 400, "unsafe_path")
	}
}

const formBoundary = "xyz"

func form(fields ...string) string {
	var b strings.Builder
	for i := 0; i+1 < len(fields); i += 2 {
		fmt.Fprintf(&b, "--%s\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n", formBoundary, fields[i], fields[i+1])
	}
	return b.String() + "--" + formBoundary + "--\r\n"
}

func TestUploads(t *testing.T) {
	var sent bytes.Buffer
	var at [2]int
	st := &stage{handle: func(c *call.Call, key []byte) (call.Answer, *wire.Error) {
		sent.Reset()
		if err := c.Upload.Send(&sent, 0, c.Upload.Size()); err != nil {
			t.Error(err)
		}
		at = [2]int{c.Facts.ModelAt.From, c.Facts.ModelAt.To}
		text := fmt.Sprintf("%s model=%s stream=%t n=%d size=%s quality=%s in=%d type=%s", c.Op, c.Facts.Model, c.Facts.Stream, c.Facts.N,
			c.Facts.ImageSize, c.Facts.Quality, c.Facts.In, c.ContentType)
		return call.Answer{Status: 200, ContentType: "text/plain", Body: []byte(text)}, nil
	}}
	uploads := spool.New(t.TempDir(), 1<<30)
	url := "http://" + start(t, server.Options{Uploads: uploads}, st)
	f := func(path, body, want string) {
		t.Helper()
		status, got := do(t, "POST", url+path, body, "Content-Type", "multipart/form-data; boundary="+formBoundary)
		if status != 200 || got != want+` type=multipart/form-data; boundary="xyz"` {
			t.Errorf("%s: %d %s\nwant %s", path, status, got, want)
		}
		if sent.String() != body {
			t.Errorf("%s: %d of %d bytes were put aside as they came", path, sent.Len(), len(body))
		}
		if at[1] > 0 && body[at[0]:at[1]] != "whisper" {
			t.Errorf("%s: the model is at %q", path, body[at[0]:at[1]])
		}
	}
	for _, size := range []int{0, 10, 8 << 10, 64 << 10, 64<<10 + 7, 3 << 20} {
		file := strings.Repeat("\r\n--xy\r\n-", size/9+1)[:size]
		f("/v1/audio/transcriptions", form(`name="file"; filename="a b.wav"`, file, `name="model"`, "whisper", `name="stream"`, "true"),
			"transcription model=whisper stream=true n=1 size= quality= in=4")
	}
	f("/v1/audio/translations", form(`name=model`, "whisper", `filename="C:\x\y.wav"; name="file"`, "x"), "translation model=whisper stream=false n=1 size= quality= in=4")
	f("/v1/images/edits", form(`name="image[]"; filename="é.png"`, "x", `name="image[]"; filename="b"; filename*=UTF-8''b`, "x", `name="n"`, "2", `name="size"`, "1x1", `name="quality"`, "hd", `name="model"`, "whisper"),
		"image-edits model=whisper stream=false n=2 size=1x1 quality=hd in=3")
	f("/v1/files", form(`name="purpose"`, "batch", `name="file"; filename="a"`, "x"), "files model= stream=false n=1 size= quality= in=0")
	if uploads.Used() != 0 {
		t.Errorf("%d bytes are left on disk", uploads.Used())
	}
}

// TestUploadsOfUnknownSize: what the service is to fetch by itself has a size
// that the form does not show.
func TestUploadsOfUnknownSize(t *testing.T) {
	unbounded := false
	url := "http://" + start(t, server.Options{}, &stage{handle: func(c *call.Call, _ []byte) (call.Answer, *wire.Error) {
		unbounded = c.Facts.Unbounded
		return call.Answer{Status: 200, ContentType: "text/plain"}, nil
	}})
	f := func(path string, want bool, fields ...string) {
		t.Helper()
		status, got := do(t, "POST", url+path, form(fields...), "Content-Type", "multipart/form-data; boundary="+formBoundary)
		if status != 200 || unbounded != want {
			t.Errorf("%s %q: %d %s, unbounded %t", path, fields, status, got, unbounded)
		}
	}
	const file = `name="file"; filename="a"`
	f("/v1/audio/transcriptions", false, file, "x", `name="model"`, "m", `name="timestamp_granularities[]"`, "word")
	f("/v1/audio/transcriptions", true, `name="model"`, "m")
	for _, name := range []string{"url", "URL", "file_url", "file_id", "file", "audio_url[]"} {
		f("/v1/audio/transcriptions", true, file, "x", `name="`+name+`"`, "https://example.com/a.mp3")
		f("/v1/audio/translations", true, file, "x", `name="`+name+`"`, "https://example.com/a.mp3")
	}
	f("/v1/images/edits", false, `name="image[]"; filename="a"`, "x", `name="prompt"`, "a cat")
	f("/v1/images/edits", true, `name="image"`, "https://example.com/a.png", `name="prompt"`, "a cat")
}

func TestUploadsRefuse(t *testing.T) {
	url := "http://" + start(t, server.Options{}, &stage{handle: tell})
	f := func(body string, wantIn string) {
		t.Helper()
		status, got := do(t, "POST", url+"/v1/audio/transcriptions", body, "Content-Type", "multipart/form-data; boundary="+formBoundary)
		if status != 400 || !strings.Contains(got, wantIn) {
			t.Errorf("%.200q: %d %s, want %s", body, status, got, wantIn)
		}
	}
	ok := form(`name="model"`, "m")
	f(form(`name="model"`, "m", `name="model"`, "n"), "twice")
	f(form(`name="model"`, "m", `name="Model"`, "n"), "read as model")
	f(form(`name="model"`, "m", `name="model[]"`, "n"), "read as model")
	f(form(`name="model"; filename="x"`, "m"), "as text")
	f(form(`name="mod%65l"`, "m"), "Content-Disposition")
	f(form(`name="a\"; name=\"model"`, "m"), "Content-Disposition")
	f(form(`name="a"; name="model"`, "m"), "Content-Disposition")
	f(form(`filename="a\"; name="model"`, "m"), "Content-Disposition")
	f(form(`name*=utf-8''model`, "m"), "Content-Disposition")
	f(form(`name="model";`, "m"), "Content-Disposition")
	f(form(`filename="x"`, "m"), "Content-Disposition")
	f(form(`name="model"`, "m\nn"), "line break")
	f(form(`name="stream"`, "True"), "stream must be")
	f(form(`name="n"`, "1.5"), "n must be")
	f(form(`name="model"`, strings.Repeat("m", 600)), "too long")
	f(form(`name="prompt"`, strings.Repeat("m", 2<<20)), "too long")
	f("x"+ok, "does not begin")
	f("\r\n"+ok, "does not begin")
	f(ok+"x", "after its last")
	f(ok+ok, "after its last")
	f(strings.TrimSuffix(ok, "--\r\n"), "ends before")
	f(strings.TrimSuffix(ok, "--xyz--\r\n"), "ends before")
	f(strings.Replace(ok, "--xyz\r\n", "--xyz \r\n", 1), "something else")
	f(strings.ReplaceAll(ok, "\r\n", "\n"), "something else")
	f(strings.Replace(ok, "\r\n\r\n", "\r\nContent-Transfer-Encoding: base64\r\n\r\n", 1), "Transfer-Encoding")
	f(strings.Replace(ok, "\r\n\r\n", "\r\n folded\r\n\r\n", 1), "malformed header")
	f(strings.Replace(ok, "Content-Disposition", "X-Other", 1), "no Content-Disposition")
	f(strings.Repeat(strings.TrimSuffix(form(`name="a"`, "b"), "--xyz--\r\n"), 300)+"--xyz--", "too many parts")
	// Where only some parsers see a boundary, they would see other fields.
	hidden := "Content-Disposition: form-data; name=\"n\"\r\n\r\n99"
	for _, before := range []string{"", "x", "x\n", "x\r", "\r\n--xyx"} {
		f(form(`name="file"; filename="a"`, before+"--xyz\r\n"+hidden), "stands within a part")
	}
	f(strings.Replace(ok, "\r\n\r\n", "\r\n--xyz\r\n\r\n", 1), "stands within a part")
	f("", "multipart/form-data")
	for _, kind := range []string{"application/json", "multipart/form-data", "multipart/mixed; boundary=xyz", "multipart/form-data; boundary=xyz; boundary=abc", "multipart/form-data; boundary=" + strings.Repeat("x", 80)} {
		if status, got := do(t, "POST", url+"/v1/audio/transcriptions", ok, "Content-Type", kind); status != 400 || !strings.Contains(got, "invalid_content_type") {
			t.Errorf("%s: %d %s", kind, status, got)
		}
	}
}

// endless is a body that its sender writes as long as it is taken.
type endless struct{ left int64 }

func (e *endless) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), e.left)
	e.left -= n
	return int(n), nil
}

// TestLargeBodiesAreRefusedEarly: before they are read, and so that the sender
// hears it.
func TestLargeBodiesAreRefusedEarly(t *testing.T) {
	st := &stage{handle: func(c *call.Call, key []byte) (call.Answer, *wire.Error) {
		if c.Receive == nil {
			t.Error("the body of an unknown caller was read")
		}
		return call.Answer{}, wire.Errorf(401, "invalid_api_key", "unknown")
	}}
	url := "http://" + start(t, server.Options{MaxBody: 32 << 20, MaxUpload: 64 << 20}, st)
	f := func(path, key string, size, length int64, want int, wantIn string) {
		t.Helper()
		body := &endless{left: size}
		req, _ := http.NewRequest("POST", url+path, body)
		req.ContentLength = length
		req.Header.Set("Authorization", "Bearer "+key)
		req.Header.Set("Content-Type", "multipart/form-data; boundary=xyz")
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
		if err != nil {
			t.Errorf("%s %d: %v", path, size, err)
			return
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != want || !strings.Contains(string(b), wantIn) {
			t.Errorf("%s of %d (%d): %d %s", path, size, length, resp.StatusCode, b)
		}
	}
	f("/v1/audio/transcriptions", "unknown", 32<<20, 32<<20, 401, "invalid_api_key")
	f("/v1/audio/transcriptions", "unknown", 32<<20, -1, 401, "invalid_api_key")
	f("/v1/chat/completions", "unknown", 8<<20, 8<<20, 401, "invalid_api_key")
	f("/v1/chat/completions", "unknown", 8<<20, -1, 401, "invalid_api_key")
	f("/v1/audio/transcriptions", "k", 100<<20, 100<<20, 413, "limits.max_upload")
	f("/v1/pass/p/x", "k", 100<<20, -1, 413, "limits.max_upload")
	f("/v1/chat/completions", "k", 40<<20, 40<<20, 413, "limits.max_body")
	f("/v1/chat/completions", "k", 40<<20, -1, 413, "limits.max_body")
}

func TestBodiesOfEverySizeArrive(t *testing.T) {
	addr := start(t, server.Options{}, &stage{handle: func(c *call.Call, _ []byte) (call.Answer, *wire.Error) {
		return call.Answer{Status: 200, ContentType: "application/json", Body: bytes.Clone(c.Body)}, nil
	}})
	for _, size := range []int{20, 8 << 10, 8<<10 + 1, 64 << 10, 100_000, 1 << 20, 1<<20 + 1, 5 << 20} {
		body := `{"model":"m","x":"` + strings.Repeat("y", size-20) + `"}`
		if _, got := post(t, "http://"+addr+"/v1/chat/completions", body); got != body {
			t.Errorf("%d bytes by length: got %d", size, len(got))
		}
		req, _ := http.NewRequest("POST", "http://"+addr+"/v1/chat/completions", io.MultiReader(strings.NewReader(body)))
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(got) != body {
			t.Errorf("%d bytes in chunks: got %d", size, len(got))
		}
	}
}

// TestShortBodiesAreRefused: a part of a request never counts as the whole.
func TestShortBodiesAreRefused(t *testing.T) {
	asked := make(chan struct{}, 8)
	addr := start(t, server.Options{ReadTimeout: 300 * time.Millisecond}, &stage{handle: func(*call.Call, []byte) (call.Answer, *wire.Error) {
		asked <- struct{}{}
		return call.Answer{Status: 200, ContentType: "application/json", Body: []byte(`{}`)}, nil
	}})
	f := func(request string, want string) {
		t.Helper()
		nc := dial(t, addr)
		fmt.Fprint(nc, request)
		if want == "" {
			_ = nc.(*net.TCPConn).CloseWrite()
		}
		b, _ := io.ReadAll(nc)
		if want != "" && !bytes.Contains(b, []byte(want)) {
			t.Errorf("%.100q: %s, want %s", request, b, want)
		}
	}
	head := "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n"
	big := `{"model":"m","x":"` + strings.Repeat("y", 20_000)
	f(head+"Content-Length: 50000\r\n\r\n"+big, "408")
	f(head+"Content-Length: 50000\r\n\r\n"+big, "")
	f(head+"Transfer-Encoding: chunked\r\n\r\n4e32\r\n"+big+"\r\n", "")
	f(head+"Transfer-Encoding: chunked\r\n\r\nzz\r\n"+big+"\r\n", "400")
	upload := "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=xyz\r\n"
	f(upload+"Content-Length: 50000\r\n\r\n"+form(`name="model"`, "m"), "408")
	f(upload+"Content-Length: 50000\r\n\r\n"+form(`name="model"`, "m"), "")
	select {
	case <-asked:
		t.Error("a request that was cut short was handled")
	default:
	}
}
