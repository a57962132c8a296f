package providertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/proto"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Golden plays the exchanges that the files of pattern hold: what a caller
// asks, what the upstream must get, what it answers, what the caller must get.
//
// A file is a txtar: first lines such as "source: …", "op: speech", "dialect:
// openai-speech", "model: m", "strict: 1", "method: GET", "path: /x" and
// "config: {…}", then the sections
//
//	-- ask --        the body; or fields of a form: "name: value", "@name file type: content"
//	-- answer --     "200 audio/mpeg", headers, an empty line, the body
//	-- upstream --   what the upstream got
//	-- want --       what the caller got
//
// The environment variable GOLDEN=update rewrites the last two.
func Golden(t *testing.T, p provider.Provider, pattern string) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no golden files %s: %v", pattern, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { golden(t, p, file) })
	}
}

func golden(t *testing.T, p provider.Provider, file string) {
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	a := parse(string(raw))
	if a.head["source"] == "" {
		t.Error("the file does not name its source and date")
	}
	up := &recorder{answer: a.section["answer"]}
	s := httptest.NewServer(up)
	defer s.Close()
	config := map[string]any{}
	if c := a.head["config"]; c != "" {
		if err := json.Unmarshal([]byte(c), &config); err != nil {
			t.Fatal(err)
		}
	}
	config["base_url"] = s.URL
	rawConfig, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	got := Start(t, p, string(rawConfig), strings.TrimPrefix(s.URL, "http://")).Do(t, a.request(t))
	upstream, want := up.text(), a.show(got)
	if os.Getenv("GOLDEN") == "update" {
		a.section["upstream"], a.section["want"] = upstream, want
		if err := os.WriteFile(file, []byte(a.text()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if upstream != a.section["upstream"] {
		t.Errorf("the upstream got\n%s\nwant\n%s", upstream, a.section["upstream"])
	}
	if want != a.section["want"] {
		t.Errorf("the caller got\n%s\nwant\n%s", want, a.section["want"])
	}
}

// archive is a parsed file.
type archive struct {
	lines   []string // of the head, in order
	head    map[string]string
	section map[string]string
}

var sections = []string{"ask", "answer", "upstream", "want"}

func parse(raw string) *archive {
	a := &archive{head: map[string]string{}, section: map[string]string{}}
	name := ""
	for line := range strings.Lines(raw) {
		mark, ok := strings.CutPrefix(strings.TrimSpace(line), "-- ")
		if section, end := strings.CutSuffix(mark, " --"); ok && end && slices.Contains(sections, section) {
			name = section
			continue
		}
		if name != "" {
			a.section[name] += line
			continue
		}
		line = strings.TrimRight(line, "\n")
		a.lines = append(a.lines, line)
		if key, value, ok := strings.Cut(line, ": "); ok {
			a.head[key] = value
		}
	}
	return a
}

func (a *archive) text() string {
	out := strings.Join(a.lines, "\n") + "\n"
	for _, name := range sections {
		out += "-- " + name + " --\n" + a.section[name]
		if !strings.HasSuffix(out, "\n") {
			out += "\n"
		}
	}
	return out
}

func (a *archive) request(t *testing.T) Request {
	r := Request{Op: wire.ParseOp(a.head["op"]), Dialect: wire.ParseDialect(a.head["dialect"]), Model: a.head["model"], Credential: "secret-key",
		Strict: a.head["strict"] == "1", Method: a.head["method"], Path: a.head["path"]}
	ask := a.section["ask"]
	if r.Op == wire.OpNone || r.Dialect == wire.NoDialect {
		t.Fatalf("op %q or dialect %q is unknown", a.head["op"], a.head["dialect"])
	}
	if strings.HasPrefix(strings.TrimSpace(ask), "{") || ask == "" {
		r.Body = ask
		return r
	}
	var parts []Part
	for line := range strings.SplitSeq(strings.TrimRight(ask, "\n"), "\n") {
		name, value, _ := strings.Cut(line, ": ")
		if file, ok := strings.CutPrefix(name, "@"); ok {
			f := strings.Fields(file)
			parts = append(parts, Part{Name: f[0], File: f[1], ContentType: f[2], Value: value})
			continue
		}
		parts = append(parts, Part{Name: name, Value: value})
	}
	return r.Form(t, parts...)
}

// show is an answer as text.
func (a *archive) show(got *Answer) string {
	out := fmt.Sprintf("%d %s\n", got.Status, got.Header.Get("Content-Type"))
	if u := proto.AppendUsage(nil, got.Usage); got.Usage != (wire.Usage{}) {
		out += "usage: " + string(u) + "\n"
	}
	for _, h := range []string{proto.HeaderDropped, proto.HeaderErrorClass, proto.HeaderRate, "Retry-After"} {
		if v := got.Header.Get(h); v != "" {
			out += strings.ToLower(h) + ": " + v + "\n"
		}
	}
	if got.Cut != nil {
		out += "cut short\n"
	}
	return out + "\n" + created.ReplaceAllString(readable([]byte(got.Body)), `"created": 0`) + "\n"
}

// created is a time of an answer, which is another each time.
var created = regexp.MustCompile(`"created": \d+`)

// readable shows JSON indented, text as it is and anything else by its size.
func readable(body []byte) string {
	var indented bytes.Buffer
	if json.Indent(&indented, body, "", "  ") == nil {
		return indented.String()
	}
	if !utf8.Valid(body) || bytes.ContainsRune(body, 0) {
		return fmt.Sprintf("[%d bytes]", len(body))
	}
	return strings.TrimRight(strings.ReplaceAll(string(body), "\r\n", "\n"), "\n")
}

// recorder is an upstream that answers the same each time.
type recorder struct {
	answer string
	mu     sync.Mutex
	got    []string
}

func (u *recorder) text() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	slices.Sort(u.got) // several at once come in any order
	return strings.Join(u.got, "\n")
}

func (u *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if text, whole := record(r); whole { // of one that was given up, as much came as came
		u.mu.Lock()
		u.got = append(u.got, text)
		u.mu.Unlock()
	}
	head, body, _ := strings.Cut(u.answer, "\n\n")
	first, headers, _ := strings.Cut(head, "\n")
	code, kind, _ := strings.Cut(first, " ")
	w.Header().Set("Content-Type", kind)
	for line := range strings.SplitSeq(headers, "\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			w.Header().Set(name, value)
		}
	}
	status, err := strconv.Atoi(code)
	if err != nil {
		status = http.StatusNotImplemented
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, strings.TrimRight(body, "\n")) // who left does not read it
}

// record is a request as text, without what is the transport's own. It reports
// whether the request came as a whole.
func record(r *http.Request) (text string, whole bool) {
	at, err := url.PathUnescape(r.URL.String())
	if err != nil {
		at = r.URL.String()
	}
	out := r.Method + " " + at + "\n"
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		switch name {
		case "Accept-Encoding", "Content-Length", "User-Agent", "Transfer-Encoding":
		case "Content-Type":
			kind, _, _ := mime.ParseMediaType(r.Header.Get(name))
			out += "Content-Type: " + kind + "\n"
		default:
			out += name + ": " + r.Header.Get(name) + "\n"
		}
	}
	kind, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "multipart/form-data" {
		body, err := io.ReadAll(r.Body)
		return out + "\n" + readable(body) + "\n", err == nil
	}
	out += "\n"
	form := multipart.NewReader(r.Body, params["boundary"])
	for {
		p, err := form.NextRawPart()
		if err != nil {
			return out, err == io.EOF
		}
		value, err := io.ReadAll(p)
		if err != nil {
			return out, false
		}
		if p.FileName() != "" {
			out += "@" + p.FormName() + " " + p.FileName() + " " + p.Header.Get("Content-Type") + ": " + readable(value) + "\n"
			continue
		}
		out += p.FormName() + ": " + readable(value) + "\n"
	}
}
