package e2e_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestHostileInput sends a real gateway what nobody should send: each is
// refused clearly, none reaches the upstream, memory stays bounded, and the
// next request is served.
func TestHostileInput(t *testing.T) {
	up := newUpstream(t)
	g := newGateway(t, config(up.URL, "1000")+"limits: {max_body: 2MiB}\n")
	before := g.resident()

	t.Run("bodies", func(t *testing.T) { hostileBodies(t, g) })
	t.Run("keys", func(t *testing.T) { hostileKeys(t, g) })
	t.Run("framing", func(t *testing.T) { hostileFraming(t, g) })
	t.Run("paths", func(t *testing.T) { hostilePaths(t, g) })
	t.Run("addresses", func(t *testing.T) { hostileAddresses(t, g) })
	t.Run("random", func(t *testing.T) { randomRequests(t, g) })

	if n := up.calls.Load(); n != 0 {
		t.Errorf("%d requests have reached the upstream", n)
	}
	if status, body, _, err := g.chat(request("own", "still there?", false)); err != nil || status != 200 {
		t.Errorf("the next request: %d %s, %v", status, body, err)
	}
	if now := g.resident(); now > before+256<<20 {
		t.Errorf("resident memory went from %d to %d MB", before>>20, now>>20)
	}
	if log := g.output(); strings.Contains(log, "panic") {
		t.Error("something has panicked")
	}
}

// refused sends a chat request whose answer must be an error that names code.
func (g *gateway) refused(t *testing.T, what, body string, status int, code string) {
	t.Helper()
	got, answer, _, err := g.chat(body)
	if err != nil || got != status || !strings.Contains(answer, code) {
		t.Errorf("%s: %d %.300s, %v; want %d with %q", what, got, answer, err, status, code)
	}
}

func hostileBodies(t *testing.T, g *gateway) {
	f := func(what, body string, status int, code string) { t.Helper(); g.refused(t, what, body, status, code) }
	message := func(content string) string {
		return `{"model":"fast","messages":[{"role":"user","content":` + content + `}]}`
	}
	deep := 100_000
	f("deep arrays", message(strings.Repeat("[", deep)+strings.Repeat("]", deep)), 400, "")
	f("deep objects", message(strings.Repeat(`{"a":`, deep)+"1"+strings.Repeat("}", deep)), 400, "")
	f("deep and open", message(strings.Repeat("[", deep)), 400, "")
	f("model twice", `{"model":"own","model":"fast","messages":[]}`, 400, "duplicate_member")
	f("model in disguise", `{"model":"own","mod\u0065l":"fast","messages":[]}`, 400, "")
	f("model in capitals", `{"model":"own","Model":"fast","messages":[]}`, 400, "")
	f("more behind it", `{"model":"own","messages":[]}{"model":"fast"}`, 400, "")
	f("too large", message(`"`+strings.Repeat("x", 3<<20)+`"`), 413, "body_too_large")
	f("no JSON", "\x00\xff\xfe", 400, "")
	f("empty", "", 400, "")
	f("a number of max_tokens that is none", `{"model":"fast","max_tokens":1e999,"messages":[]}`, 400, "")
	f("negative", `{"model":"fast","max_tokens":-5,"messages":[{"role":"user","content":"x"}]}`, 400, "")
	f("a model that is a path", `{"model":"../../etc/passwd","messages":[{"role":"user","content":"x"}]}`, 404, "model_not_found")
	f("a model with a line break", `{"model":"fast\r\nX-Evil: 1","messages":[{"role":"user","content":"x"}]}`, 404, "model_not_found")
	f("a model of a megabyte", `{"model":"`+strings.Repeat("m", 1<<20)+`","messages":[]}`, 404, "model_not_found")
	names := make([]string, 100_000)
	for i := range names {
		names[i] = `"k` + strconv.Itoa(i) + `":0`
	}
	f("a hundred thousand members", `{"model":"nobody",`+strings.Join(names, ",")+`}`, 404, "")
}

func hostileKeys(t *testing.T, g *gateway) {
	f := func(what, key string) {
		t.Helper()
		req, err := http.NewRequest("POST", g.data+"/v1/chat/completions", strings.NewReader(request("fast", "x", false)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+key)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != 401 {
			t.Errorf("%s: %d %s; want 401", what, resp.StatusCode, body)
		}
		if len(key) > 12 && bytes.Contains(body, []byte(key)) {
			t.Errorf("%s: the answer repeats the key", what)
		}
	}
	f("nearly right", callerKey[:len(callerKey)-1])
	f("right and more", callerKey+"x")
	f("SQL", `' OR 1=1; DROP TABLE key; --`)
	f("four kilobytes", strings.Repeat("k", 4<<10))
	f("of other bytes", "sb-\x80\xfe\xff")
	f("a token without signature", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0.")
	f("a token of many parts", strings.Repeat("eyJ9.", 500))
	f("a token that is not base64", "eyJhbGciOiJSUzI1NiJ9.!!!.???")
	f("the admin token", adminToken)
}

// raw sends bytes on a connection of its own and returns the statuses answered
// until it is closed.
func (g *gateway) raw(t *testing.T, text string) (statuses []int) {
	t.Helper()
	nc, err := net.Dial("tcp", strings.TrimPrefix(g.data, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := nc.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.WriteString(nc, text) }() // it may be refused before it is read
	r := bufio.NewReader(nc)
	for {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return statuses
		}
		statuses = append(statuses, resp.StatusCode)
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.Close {
			return statuses
		}
	}
}

func hostileFraming(t *testing.T, g *gateway) {
	f := func(what, text string, want ...int) {
		t.Helper()
		got := g.raw(t, text)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: answered %v; want %v", what, got, want)
		}
	}
	body := request("nobody", "x", false)
	head := "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer " + callerKey + "\r\n"
	smuggled := "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer " + callerKey + "\r\nContent-Length: " +
		strconv.Itoa(len(body)) + "\r\n\r\n" + body
	f("two lengths", head+"Content-Length: 5\r\nContent-Length: 6\r\n\r\n"+body, 400)
	f("a length that is none", head+"Content-Length: +5\r\n\r\n"+body, 400)
	f("a negative length", head+"Content-Length: -5\r\n\r\n"+body, 400)
	f("a length beyond all", head+"Content-Length: 99999999999999999999\r\n\r\n"+body, 400)
	f("another coding", head+"Transfer-Encoding: gzip\r\n\r\n"+body, 400)
	f("a space before the colon", strings.Replace(head, "Connection:", "Connection :", 1)+"Content-Length: 0\r\n\r\n", 400)
	f("a chunk size that is none", head+"Transfer-Encoding: chunked\r\n\r\nzz\r\n"+smuggled, 400)
	f("a chunk size beyond all", head+"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\n"+smuggled, 400)
	f("length and chunks, and a request within", head+"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"+smuggled, 400)
	f("many headers", head+strings.Repeat("X-A: b\r\n", 20_000)+"\r\n", 431)
	f("no HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"+strings.Repeat("\x00", 100)+"\r\n\r\n", 400)
}

func hostilePaths(t *testing.T, g *gateway) {
	for _, path := range []string{"/v1/../admin/status", "/v1/%2e%2e/admin/status", "/v1//chat/completions", "/admin/status", "/metrics", "/v1/chat/completions%00",
		"/v1/files/..%2f..%2fetc%2fpasswd", "/v1/files/%2e%2e/%2e%2e", "/v1/pass/up/models", "/v1/pass/up/..%2f..%2fadmin", "http://169.254.169.254/latest/meta-data", "/" + strings.Repeat("a/", 3000)} {
		got := g.raw(t, "GET "+path+" HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer "+callerKey+"\r\n\r\n")
		if len(got) != 1 || got[0] < 400 || got[0] >= 500 {
			t.Errorf("GET %.80s: answered %v; want one refusal", path, got)
		}
	}
}

// hostileAddresses names addresses within requests that the gateway must not
// fetch or be sent to: it fetches none, and a budget refuses what it cannot bound.
func hostileAddresses(t *testing.T, g *gateway) {
	trap, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer trap.Close()
	var caught sync.WaitGroup
	caught.Go(func() {
		if nc, err := trap.Accept(); err == nil {
			nc.Close()
			t.Error("the gateway has called an address of the request's")
		}
	})
	for _, url := range []string{"http://" + trap.Addr().String() + "/x.png", "http://169.254.169.254/latest/meta-data", g.admin + "/admin/status", "file:///etc/passwd", "gopher://127.0.0.1:6379/_FLUSHALL"} {
		g.refused(t, url, `{"model":"fast","max_tokens":5,"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"`+url+`"}}]}]}`, 402, "content_unbounded")
	}
	for name, value := range map[string]string{"Host": "169.254.169.254", "X-Forwarded-Host": "evil.example", "X-Original-Url": "/admin/status", "X-Rewrite-Url": "/admin/status"} {
		got := g.raw(t, "GET /v1/nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"+name+": "+value+"\r\n\r\n")
		if len(got) != 1 || got[0] < 400 || got[0] >= 500 {
			t.Errorf("%s: %s: answered %v", name, value, got)
		}
	}
	trap.Close()
	caught.Wait()
}

// randomRequests mutates a good request: whatever comes of it, no byte of it
// makes the gateway answer with an error of its own.
func randomRequests(t *testing.T, g *gateway) {
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 1))
	body := request("nobody", "x", false)
	good := "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer " + callerKey + "\r\nContent-Type: application/json\r\nContent-Length: " +
		strconv.Itoa(len(body)) + "\r\n\r\n" + body
	for range 300 {
		b := []byte(good)
		for range 1 + rng.IntN(6) {
			switch at := rng.IntN(len(b)); rng.IntN(4) {
			case 0:
				b[at] = byte(rng.Uint32())
			case 1:
				b = append(b[:at], b[min(len(b), at+1+rng.IntN(20)):]...)
			case 2:
				b = append(b[:at:at], append(bytes.Repeat([]byte{byte(rng.Uint32())}, rng.IntN(300)), b[at:]...)...)
			case 3:
				from := rng.IntN(len(b))
				b = append(b[:at:at], append(bytes.Clone(b[from:min(len(b), from+60)]), b[at:]...)...)
			}
			if len(b) == 0 {
				b = []byte("\r\n")
			}
		}
		for _, status := range g.unfinished(t, b) {
			if status >= 500 {
				t.Errorf("seed %d: answered %d to %q", seed, status, b)
			}
		}
	}
}

// unfinished sends b, ends the sending side and returns the statuses answered.
func (g *gateway) unfinished(t *testing.T, b []byte) (statuses []int) {
	t.Helper()
	nc, err := net.Dial("tcp", strings.TrimPrefix(g.data, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := nc.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := nc.Write(b); err == nil {
		_ = nc.(*net.TCPConn).CloseWrite()
	}
	r := bufio.NewReader(nc)
	for {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return statuses
		}
		statuses = append(statuses, resp.StatusCode)
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return statuses
		}
	}
}

// TestSlowCallersHoldLittle: callers who open connections and say next to
// nothing hold little, and do not keep others out. (That they are let go in the
// end, host/server tests.)
func TestSlowCallersHoldLittle(t *testing.T) {
	up := newUpstream(t)
	g := newGateway(t, config(up.URL, "1000"))
	before := g.resident()
	const many = 500
	conns := make([]net.Conn, many)
	for i := range conns {
		nc, err := net.Dial("tcp", strings.TrimPrefix(g.data, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		conns[i] = nc
		if _, err := io.WriteString(nc, "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nX-Slow: "); err != nil {
			t.Fatal(err)
		}
	}
	if status, body, _, err := g.chat(request("own", "anybody there?", false)); err != nil || status != 200 {
		t.Errorf("beside %d slow callers: %d %s, %v", many, status, body, err)
	}
	if each := (g.resident() - before) / many; each > 64<<10 {
		t.Errorf("a slow caller holds %d KB", each>>10)
	}
}

// resident is the gateway's resident memory in bytes.
func (g *gateway) resident() int {
	g.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", g.cmd.Process.Pid))
	if err != nil {
		g.t.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(b))[1])
	if err != nil {
		g.t.Fatal(err)
	}
	return pages * os.Getpagesize()
}
