package media

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

const formType = "multipart/form-data; boundary=b"

func part(header, body string) string {
	return "--b\r\nContent-Disposition: form-data; " + header + "\r\n\r\n" + body + "\r\n"
}

func TestReadUpload(t *testing.T) {
	up, err := ReadUpload(strings.NewReader(part(`name="image[]"; filename="a.png"`, "one")+part(`name="n"`, "1")+part(`name="n"`, "2")+
		part(`name="image[]"; filename="b.png"`, strings.Repeat("x", inMemory+1))+"--b--\r\n"), formType, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	if up.Get("n") != "2" || len(up.Files) != 2 || up.File("image").Name != "a.png" || up.File("mask") != nil {
		t.Errorf("got %+v", up)
	}
	large := up.Files[1]
	for range 2 { // from disk, twice
		raw, err := io.ReadAll(large)
		if err != nil || len(raw) != inMemory+1 || large.Size() != inMemory+1 || large.file == nil {
			t.Errorf("got %d bytes, %v", len(raw), err)
		}
		if err := large.Rewind(); err != nil {
			t.Error(err)
		}
	}
}

func TestUploadRefused(t *testing.T) {
	f := func(body, contentType string, limit int64, status int, says string) {
		t.Helper()
		_, err := ReadUpload(strings.NewReader(body), contentType, limit)
		var e *wire.Error
		if !errors.As(err, &e) || e.Status != status || !strings.Contains(e.Message, says) {
			t.Errorf("%.40q: got %v", body, err)
		}
	}
	f("{}", "application/json", 9, 400, "multipart/form-data")
	f("x", "multipart/form-data", 9, 400, "boundary")
	f("", formType, 9, 400, "last boundary")
	f(part(`name="a"; filename="f"`, "0123456789")+"--b--", formType, 9, 413, "larger than 9")
	f(part(`name="a"; filename="f"`, strings.Repeat("x", inMemory+9))+"--b--", formType, inMemory+5, 413, "larger")
	f(part(`name="a"; filename="f"`, "01234")+part(`name="b"; filename="f"`, "01234")+"--b--", formType, 9, 413, "larger")
	f(part(`name="a"`, strings.Repeat("x", maxField+1))+"--b--", formType, 9, 400, "longer")
	f(strings.Repeat(part(`name="a"`, ""), maxParts+1)+"--b--", formType, 9, 400, "256 parts")
}

func TestWrite(t *testing.T) {
	body, kind, wait := Write(func(w *multipart.Writer) error { return w.WriteField("a", "b") })
	up, err := ReadUpload(body, kind, 9)
	if err != nil || up.Get("a") != "b" || wait() != nil {
		t.Errorf("got %+v, %v", up, err)
	}
	why := errors.New("why")
	body, _, wait = Write(func(*multipart.Writer) error { return why })
	if _, err := io.ReadAll(body); err != why || wait() != why {
		t.Errorf("got %v", err)
	}
	_, _, wait = Write(func(w *multipart.Writer) error { return w.WriteField("a", "b") })
	if err := wait(); err != nil { // nobody read it: no error of the form
		t.Errorf("got %v", err)
	}
}

func TestCues(t *testing.T) {
	word := func(text string, start, end float64) Span { return Span{text, Seconds(start), Seconds(end)} }
	f := func(tr Transcript, want ...string) {
		t.Helper()
		var got []string
		for _, c := range tr.cues() {
			got = append(got, c.Text)
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q; want %q", got, want)
		}
	}
	f(Transcript{})
	f(Transcript{Text: "all"}, "all")
	f(Transcript{Words: []Span{word("Hi.", 0, 1), word("You", 1, 2), word("there", 2, 3)}}, "Hi.", "You there")
	f(Transcript{Words: []Span{word("a", 0, 1), word("b", 3, 4)}}, "a", "b")
	f(Transcript{Words: []Span{word("a", 0, 5), word("b", 5, 9)}}, "a", "b")
	f(Transcript{Words: []Span{word(strings.Repeat("x", 50), 0, 1), word(strings.Repeat("y", 50), 1, 2)}}, strings.Repeat("x", 50), strings.Repeat("y", 50))
	f(Transcript{Text: "t", Segments: []Span{word("s", 0, 1)}, Words: []Span{word("w", 0, 1)}}, "s")
}

func TestSubtitlesCannotBeBroken(t *testing.T) {
	tr := Transcript{Segments: []Span{{"a\n\n2\n00:00:09,000 --> 00:00:10,000\nforged", 2 * time.Hour, time.Hour}}}
	want := "1\n02:00:00,000 --> 02:00:00,000\na 2 00:00:09,000 -> 00:00:10,000 forged\n\n"
	if got := string(tr.Append(nil, SRT, false)); got != want {
		t.Errorf("got %q; want %q", got, want)
	}
}

func TestSeconds(t *testing.T) {
	nan := 0.0
	for in, want := range map[float64]time.Duration{1.5: 1500 * time.Millisecond, -1: 0, 1e300: 30 * 24 * time.Hour, nan / 1: 0} {
		if got := Seconds(in); got != want {
			t.Errorf("%g: got %v", in, got)
		}
	}
}

func TestFailure(t *testing.T) {
	rules := []provider.ErrorRule{{Code: "used up", Class: wire.ClassQuota}, {Status: 418, Class: wire.ClassOverloaded}}
	f := func(status int, body string, class wire.Class, code, message string) {
		t.Helper()
		e := Failure(&http.Response{StatusCode: status, Status: "the status", Header: http.Header{"Retry-After": {"3"}}, Body: io.NopCloser(strings.NewReader(body))}, rules)
		if e.Class != class || e.Code != code || e.Message != message {
			t.Errorf("%d %s: got %+v", status, body, e)
		}
	}
	f(401, `{"detail":{"status":"quota","message":"all used up"}}`, wire.ClassQuota, "quota", "all used up")
	f(400, `{"err_code":"Bad","err_msg":"why"}`, wire.ClassInvalid, "Bad", "why")
	f(400, `{"name":"bad_request","errors":["why"]}`, wire.ClassInvalid, "bad_request", "why")
	f(418, ``, wire.ClassOverloaded, "overloaded", "the upstream answered the status")
	f(500, "\xff<html>", wire.ClassServer, "server", "�<html>")
	f(302, ``, wire.ClassServer, "upstream_redirects", "the upstream answered 302; redirects are not followed with a credential, check base_url")
}

func TestSpeechRefused(t *testing.T) {
	f := func(body, param string) {
		t.Helper()
		_, err := ReadSpeech([]byte(body))
		var e *wire.Error
		if !errors.As(err, &e) || e.Status != 400 || e.Param != param {
			t.Errorf("%s: got %v", body, err)
		}
	}
	f(`[]`, "")
	f(`{"voice":"x"}`, "input")
	f(`{"input":1}`, "input")
	f(`{"input":"x","speed":9}`, "speed")
	f(`{"input":"x","voice":{"id":1}}`, "voice")
	f(`{"input":"x","response_format":"midi"}`, "response_format")
	f(`{"input":"x","stream_format":"sse"}`, "stream_format")
	if s, err := ReadSpeech([]byte(`{"input":"Grüße","voice":{"id":"v"},"speed":null,"extra":1}`)); err != nil || s.Voice != "v" || s.Usage().Characters != 5 || s.Other["extra"] == nil {
		t.Errorf("got %+v, %v", s, err)
	}
}

func FuzzForm(f *testing.F) {
	f.Add([]byte(part(`name="file"; filename="a"`, "x")+part(`name="n"`, "1")+"--b--\r\n"), formType)
	f.Add([]byte("--b\r\n\r\n--b--"), formType)
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		up, err := ReadUpload(bytes.NewReader(body), contentType, 1<<16)
		if err != nil {
			var e *wire.Error
			if !errors.As(err, &e) || e.Status < 400 || e.Status > 499 {
				t.Errorf("got %v, which is not the caller's mistake", err)
			}
			return
		}
		if _, err := ImageOfForm(up); err != nil && up.Get("prompt") == "" && !strings.Contains(err.Error(), "prompt") && !strings.Contains(err.Error(), "number") {
			t.Errorf("got %v", err)
		}
		up.Close()
	})
}

func FuzzTranscript(f *testing.F) {
	f.Add("Hello --> you\n\n2", 0.5, 1.5, true)
	f.Fuzz(func(t *testing.T, text string, start, end float64, words bool) {
		s := Span{text, Seconds(start), Seconds(end)}
		tr := &Transcript{Text: text, Duration: Seconds(end), Words: []Span{s, s}}
		for _, format := range []Format{JSON, VerboseJSON} {
			if raw := tr.Append(nil, format, words); !json.Valid(raw) {
				t.Errorf("%s is not JSON", raw)
			}
		}
		srt := strings.TrimSuffix(string(tr.Append(nil, SRT, words)), "\n\n")
		for cue := range strings.SplitSeq(srt, "\n\n") {
			if strings.Count(cue, "-->") != 1 {
				t.Errorf("%q has a cue %q", srt, cue)
			}
		}
		for line := range strings.SplitSeq(string(tr.AppendEvents(nil)), "\n") {
			if data, ok := strings.CutPrefix(line, "data: "); ok && data != "[DONE]" && !json.Valid([]byte(data)) {
				t.Errorf("%s is not JSON", data)
			}
		}
	})
}

func FuzzAsk(f *testing.F) {
	f.Add([]byte(`{"prompt":"x","n":2,"size":"1x1","input":"x","voice":{"id":"v"},"speed":1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if i, err := ReadImage(body); err == nil && (i.N < 1 || i.N > maxImages || i.Prompt == "") {
			t.Errorf("got %+v", i)
		}
		if s, err := ReadSpeech(body); err == nil && (s.Input == "" || SpeechFormats[s.Format] == "") {
			t.Errorf("got %+v", s)
		}
	})
}
