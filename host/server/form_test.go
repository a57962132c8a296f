package server

import (
	"bytes"
	"errors"
	"io"
	"mime/multipart"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// FuzzForm holds the form reader against mime/multipart: of what it accepts,
// the standard reader finds the same model, once.
func FuzzForm(f *testing.F) {
	f.Add("--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--b--\r\n")
	f.Add("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\nContent-Type: audio/wav\r\n\r\n\r\n--a\r\n--b\r\nContent-Disposition: form-data; name=model\r\n\r\n\r\n--b--")
	f.Add("--b\r\nContent-Disposition: form-data; filename*=x; name=\"n\"\r\nContent-Transfer-Encoding: binary\r\n\r\n1\r\n--b--\r\n")
	f.Add("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n--b\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n9\r\n--b--\r\n")
	f.Fuzz(func(t *testing.T, body string) {
		var out bytes.Buffer
		fr := formReader{r: iotest.OneByteReader(strings.NewReader(body)), out: &out, limit: 1 << 20, boundary: "b"}
		if err := fr.read(); err != nil {
			var e *wire.Error
			if !errors.As(err, &e) && !errors.Is(err, io.EOF) && !errors.Is(err, errFormTooLarge) {
				t.Fatalf("error of no kind that is told apart: %v", err)
			}
			return
		}
		if out.String() != body {
			t.Fatalf("%q was put aside as %q", body, out.String())
		}
		v := fr.values[fieldModel]
		if v.seen && body[v.at.From:v.at.To] != string(v.text) {
			t.Fatalf("the model %q is not at %v of %q", v.text, v.at, body)
		}
		std, err := multipart.NewReader(strings.NewReader(body), "b").ReadForm(1 << 20)
		if err != nil {
			return // the standard reader is stricter
		}
		for i, name := range fieldNames {
			v := fr.values[i]
			if got := std.Value[name]; len(got) > 1 || len(got) == 1 && got[0] != string(v.text) || len(got) == 0 && v.seen {
				t.Fatalf("read %s %q of %q, mime/multipart reads %q", name, v.text, body, got)
			}
		}
	})
}

// FuzzPaths: what is taken for safe holds no way out, however it is decoded.
func FuzzPaths(f *testing.F) {
	f.Add("/a/b%20c/../d")
	f.Add("openai%2Fgpt-4o:generateContent")
	f.Add("/%252e/..;x/")
	f.Fuzz(func(t *testing.T, s string) {
		if safePath([]byte(s)) && s != "" {
			for _, plain := range []string{s, unescape(s), unescape(unescape(s))} {
				for seg := range strings.SplitSeq(plain, "/") {
					if name, _, _ := strings.Cut(seg, ";"); name == ".." || name == "." || strings.ContainsAny(seg, "\\\r\n\x00") {
						t.Fatalf("%q is taken for safe", s)
					}
				}
			}
		}
		if model, verb, ok := cutVerb(s); ok && (model == "" || strings.ContainsAny(model, "\r\n\x00") || strings.Contains(verb, ":")) {
			t.Fatalf("%q gives model %q and verb %q", s, model, verb)
		}
	})
}
