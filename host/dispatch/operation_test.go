package dispatch_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/dispatch"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// kind makes an endpoint one of another operation.
func kind(op wire.Op, d wire.Dialect, path string) shape {
	return func(e *call.Endpoint, _ *call.Provider) { e.Op, e.Dialect, e.Path = op, d, path }
}

// adapter makes an endpoint look like an adapter's.
func adapter(e *call.Endpoint, _ *call.Provider) { e.Process = call.NewProcess() }

// ask is call for any operation.
func (r *rig) ask(op wire.Op, d wire.Dialect, body string) *call.Call {
	c := r.call(`{"model":"fast"}`)
	c.Op, c.Dialect, c.Body = op, d, []byte(body)
	if body != "" {
		if err := scan.Operation(&c.Facts, op, d, c.Body); err != nil {
			r.t.Fatal(err)
		}
	}
	return c
}

// seen is what an upstream got last.
type seen struct {
	line, body string
	head       http.Header
	length     int64
}

func (s *seen) by(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		b, _ := io.ReadAll(req.Body)
		*s = seen{req.Method + " " + req.RequestURI, string(b), req.Header.Clone(), req.ContentLength}
		h(w, req)
	}
}

func TestRequestsOfEveryDialect(t *testing.T) {
	f := func(op wire.Op, d wire.Dialect, path, body string, maxTokens int64, wantLine, wantBody string) {
		t.Helper()
		r := newRig(t, dispatch.Options{})
		var got seen
		r.target("a", got.by(status(200, `{}`)), kind(op, d, path))
		c := r.ask(op, d, body)
		c.Decision = &call.Decision{Allow: true, MaxTokens: maxTokens}
		if _, err, _ := r.do(c); err != nil {
			t.Fatal(err)
		}
		if got.line != wantLine || got.body != wantBody {
			t.Errorf("%s: upstream got %s %s\nwant %s %s", d, got.line, got.body, wantLine, wantBody)
		}
	}
	const gem, gemLine = "/v1beta/models/{model}:generateContent", "POST /v1beta/models/m-a:generateContent"
	g := func(body string, max int64, want string) {
		t.Helper()
		f(wire.OpChat, wire.GeminiGenerate, gem, body, max, gemLine, want)
	}
	g(`{"contents":[]}`, 0, `{"contents":[]}`)
	g(`{"contents":[]}`, 9, `{"contents":[],"generationConfig":{"maxOutputTokens":9}}`)
	g(`{ }`, 9, `{ "generationConfig":{"maxOutputTokens":9}}`)
	g(`{"generationConfig":{ }}`, 9, `{"generationConfig":{"maxOutputTokens":9 }}`)
	g(`{"generationConfig":null}`, 9, `{"generationConfig":{"maxOutputTokens":9}}`)
	g(`{"generation_config":{"topP":1}}`, 9, `{"generation_config":{"maxOutputTokens":9,"topP":1}}`)
	g(`{"generation_config":{"max_output_tokens":50}}`, 9, `{"generation_config":{"max_output_tokens":9}}`)
	g(`{"generationConfig":{"maxOutputTokens":5}}`, 9, `{"generationConfig":{"maxOutputTokens":5}}`)
	f(wire.OpCountTokens, wire.GeminiGenerate, "/v1beta/models/{model}:countTokens", `{"generateContentRequest":{"model":"models/x","contents":[]}}`, 9,
		"POST /v1beta/models/m-a:countTokens", `{"generateContentRequest":{"model":"models/m-a","contents":[]}}`)
	f(wire.OpChat, wire.OpenAIResponses, "/v1/responses", `{"model":"x","input":"hi"}`, 9,
		"POST /v1/responses", `{"model":"m-a","input":"hi","max_output_tokens":9}`)
	f(wire.OpChat, wire.OpenAIResponses, "/v1/responses", `{"model":"x","input":"hi","max_output_tokens":50}`, 9,
		"POST /v1/responses", `{"model":"m-a","input":"hi","max_output_tokens":9}`)
	f(wire.OpCompletions, wire.OpenAICompletions, "/v1/completions", `{"model":"x","prompt":"hi"}`, 9,
		"POST /v1/completions", `{"model":"m-a","prompt":"hi","max_tokens":9}`)
	f(wire.OpModeration, wire.OpenAIModeration, "/v1/moderations", `{"input":"hi"}`, 0, "POST /v1/moderations", `{"input":"hi","model":"m-a"}`)
	f(wire.OpRerank, wire.CohereRerank, "/v2/rerank", `{"model":"x","query":"q","documents":["model"]}`, 9,
		"POST /v2/rerank", `{"model":"m-a","query":"q","documents":["model"]}`)
	f(wire.OpImages, wire.OpenAIImages, "/deployments/{model}/images?api-version=1", `{"model":"x","prompt":"q"}`, 0,
		"POST /deployments/m-a/images?api-version=1", `{"model":"m-a","prompt":"q"}`)
}

func TestModelsInPathsStayOneSegment(t *testing.T) {
	f := func(model, want string) {
		t.Helper()
		r := newRig(t, dispatch.Options{})
		var got seen
		r.target("a", got.by(status(200, `{}`)), kind(wire.OpChat, wire.GeminiGenerate, "/v1/{model}:generateContent")).Model = model
		_, err, _ := r.do(r.ask(wire.OpChat, wire.GeminiGenerate, `{}`))
		if want == "" && (err == nil || err.Status != 404) {
			t.Errorf("%q: %v, want 404", model, err)
		}
		if want != strings.TrimPrefix(got.line, "POST /v1/") {
			t.Errorf("%q: upstream got %s", model, got.line)
		}
	}
	f("org/m", "org%2Fm:generateContent")
	f("m:predict?x=1#y", "m%3Apredict%3Fx%3D1%23y:generateContent")
	f("a%2e%2e", "a%252e%252e:generateContent")
	f("claude@2025", "claude@2025:generateContent")
	f("..", "")
	f(".", "")
}

const geminiChunk = `data: {"candidates":[{"content":{"parts":[{"text":"x"}]}}]}` + "\n\n"

func TestStreamsEndAsTheirDialectSays(t *testing.T) {
	f := func(name string, op wire.Op, d wire.Dialect, list []string, whole bool, wantComment bool) {
		t.Helper()
		r := newRig(t, dispatch.Options{})
		r.target("a", events(list...), kind(op, d, "/x"))
		c := r.ask(op, d, `{"model":"x"}`)
		c.Facts.Stream = true
		out, err, werr := r.do(c)
		if err != nil || (werr == nil) != whole || (c.Err == nil) != whole {
			t.Errorf("%s: %v, %v, recorded %v; want whole: %t", name, err, werr, c.Err, whole)
		}
		if strings.Contains(out, ": signalbox {") != wantComment {
			t.Errorf("%s: %q; want a comment: %t", name, out, wantComment)
		}
		if last := list[len(list)-1]; whole && !strings.HasSuffix(out, last) {
			t.Errorf("%s: %q does not end in %q", name, out, last)
		}
		if r.account.finished != 1 {
			t.Errorf("%s: finished %d times", name, r.account.finished)
		}
	}
	const created = `event: response.created` + "\n" + `data: {"type":"response.created"}` + "\n\n"
	res := func(name string, whole, comment bool, list ...string) {
		t.Helper()
		f("responses "+name, wire.OpChat, wire.OpenAIResponses, append([]string{created}, list...), whole, comment)
	}
	ended := func(kind string) string { return "event: " + kind + "\ndata: {\"type\":\"" + kind + "\"}\n\n" }
	for _, kind := range []string{"response.completed", "response.incomplete", "response.failed"} {
		res(kind, true, true, ended(kind))
	}
	res("without names", true, true, `data: {"type":"response.completed"}`+"\n\n")
	res("ends early", false, false, ended("response.output_text.delta"))
	res("cut", false, false, ended("response.output_text.delta"), "CUT")
	res("error", false, false, `data: {"type":"error","message":"x"}`+"\n\n")
	gem := func(name string, whole bool, list ...string) {
		t.Helper()
		f("gemini "+name, wire.OpChat, wire.GeminiGenerate, append([]string{geminiChunk}, list...), whole, false)
	}
	gem("whole", true, `data: {"candidates":[{"finishReason":"STOP"}]}`+"\n\n")
	gem("blocked", true, `data: {"promptFeedback":{"blockReason":"SAFETY"}}`+"\n\n")
	gem("ends early", false)
	gem("cut", false, `data: {"candidates":[{"finishReason":"STOP"}]}`+"\n\n", "CUT")
	gem("error", false, `data: {"error":{"code":500,"message":"x","status":"INTERNAL"}}`+"\n\n")
	const text = `data: {"choices":[{"text":"x","finish_reason":null}]}` + "\n\n"
	f("completions", wire.OpCompletions, wire.OpenAICompletions, []string{text, doneEvent}, true, true)
	f("completions end early", wire.OpCompletions, wire.OpenAICompletions, []string{text}, false, false)
	f("speech", wire.OpSpeech, wire.OpenAISpeech, []string{`data: {"type":"speech.audio.delta","audio":"AA"}` + "\n\n", `data: {"type":"speech.audio.done","usage":{}}` + "\n\n"}, true, false)
	f("speech ends early", wire.OpSpeech, wire.OpenAISpeech, []string{`data: {"type":"speech.audio.delta","audio":"AA"}` + "\n\n"}, false, false)
	f("transcript", wire.OpTranscription, wire.OpenAITranscription, []string{`data: {"type":"transcript.text.delta"}` + "\n\n", `data: {"type":"transcript.text.done"}` + "\n\n"}, true, false)
	f("image", wire.OpImages, wire.OpenAIImages, []string{`data: {"type":"image_generation.partial_image"}` + "\n\n", `data: {"type":"image_generation.completed"}` + "\n\n"}, true, false)
}

func TestStreamPathAndWhatAdaptersAreTold(t *testing.T) {
	r := newRig(t, dispatch.Options{})
	var got seen
	r.target("a", got.by(events(`data: {"candidates":[{"finishReason":"STOP"}]}`+"\n\n")), kind(wire.OpChat, wire.GeminiGenerate, "/v1/{model}:generateContent"),
		func(e *call.Endpoint, _ *call.Provider) { e.StreamPath = "/v1/{model}:streamGenerateContent?alt=sse" })
	c := r.ask(wire.OpChat, wire.GeminiGenerate, `{}`)
	c.Facts.Stream, c.Strict = true, true
	if _, err, werr := r.do(c); err != nil || werr != nil || got.line != "POST /v1/m-a:streamGenerateContent?alt=sse" || got.head.Get("X-Signalbox-Strict") != "" {
		t.Errorf("%v, %v, upstream got %+v", err, werr, got)
	}
	r = newRig(t, dispatch.Options{})
	r.target("a", got.by(events(`data: {"candidates":[{"finishReason":"STOP"}]}`+"\n\n")), kind(wire.OpChat, wire.GeminiGenerate, "/chat/gemini-generate"), adapter)
	c = r.ask(wire.OpChat, wire.GeminiGenerate, `{}`)
	c.Facts.Stream, c.Strict = true, true
	if _, err, werr := r.do(c); err != nil || werr != nil || got.head.Get("X-Signalbox-Stream") != "1" || got.head.Get("X-Signalbox-Strict") != "1" {
		t.Errorf("%v, %v, adapter got %+v", err, werr, got)
	}
}

func audio(contentType string, parts ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", contentType)
		for _, p := range parts {
			if p == "CUT" {
				panic(http.ErrAbortHandler)
			}
			_, _ = io.WriteString(w, p)
			w.(http.Flusher).Flush()
		}
	}
}

func TestAudioPassesAsItComes(t *testing.T) {
	const ask = `{"model":"x","input":"hello","voice":"v"}`
	f := func(name string, h http.HandlerFunc, want string, whole bool) *call.Call {
		t.Helper()
		r := newRig(t, dispatch.Options{})
		r.target("a", h, kind(wire.OpSpeech, wire.OpenAISpeech, "/v1/audio/speech"))
		c := r.ask(wire.OpSpeech, wire.OpenAISpeech, ask)
		out, err, werr := r.do(c)
		if err != nil || out != want || (werr == nil) != whole || (c.Err == nil) != whole || r.account.finished != 1 {
			t.Errorf("%s: %.20q (%d bytes), %v, %v, recorded %v, finished %d", name, out, len(out), err, werr, c.Err, r.account.finished)
		}
		return c
	}
	big := strings.Repeat("audio", 500_000)
	f("chunked", audio("audio/mpeg", "a", "b", big), "ab"+big, true)
	f("by length", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "audio/wav")
		w.Header().Set("Content-Length", fmt.Sprint(len(big)))
		_, _ = io.WriteString(w, big)
	}, big, true)
	f("cut", audio("audio/mpeg", "a", "b", "CUT"), "ab", false)
	f("short", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "audio/wav")
		w.Header().Set("Content-Length", "500")
		_, _ = io.WriteString(w, "abc")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}, "abc", false)
	f("until close", func(w http.ResponseWriter, _ *http.Request) {
		nc, bw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = bw.WriteString("HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\n\r\nabc")
		_ = bw.Flush()
		_ = nc.Close()
	}, "abc", false)
	f("a page", audio("text/html", "<html>"), "<html>", true)
	c := f("a lying upstream", func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("X-Signalbox-Usage", "in=0;cr=0;cw5=0;cw1=0;out=0;rs=0;ch=1")
		audio("audio/mpeg", "a")(w, req)
	}, "a", true)
	if c.Provenance != call.CostNone {
		t.Errorf("usage of a direct upstream's header is believed: %+v", c.Usage)
	}
}

func TestAudioFallsBackUntilItsFirstByte(t *testing.T) {
	f := func(name string, first http.HandlerFunc) {
		t.Helper()
		r := newRig(t, dispatch.Options{})
		speech := kind(wire.OpSpeech, wire.OpenAISpeech, "/v1/audio/speech")
		r.target("a", first, speech)
		r.target("b", audio("audio/mpeg", "b"), speech)
		c := r.ask(wire.OpSpeech, wire.OpenAISpeech, `{"model":"x","input":"hello"}`)
		if out, err, werr := r.do(c); out != "b" || err != nil || werr != nil || len(c.Attempts) != 2 {
			t.Errorf("%s: %q, %v, %v", name, out, err, werr)
		}
	}
	f("error", status(500, `{}`))
	f("cut before it", audio("audio/mpeg", "CUT"))
	f("nothing at all", audio("audio/mpeg"))
}

func TestUsageOfAdaptersComesInHeaderAndTrailer(t *testing.T) {
	const usage = "in=1;cr=0;cw5=0;cw1=0;out=2;rs=0;ch=7"
	f := func(name string, h http.HandlerFunc) {
		t.Helper()
		r := newRig(t, dispatch.Options{})
		r.target("a", h, kind(wire.OpSpeech, wire.OpenAISpeech, "/speech/openai-speech"), adapter)
		c := r.ask(wire.OpSpeech, wire.OpenAISpeech, `{"model":"x","input":"hello"}`)
		if _, err, werr := r.do(c); err != nil || werr != nil || c.Usage != (wire.Usage{Input: 1, Output: 2, Characters: 7}) {
			t.Errorf("%s: %v, %v, %+v", name, err, werr, c.Usage)
		}
	}
	f("header", func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("X-Signalbox-Usage", usage)
		audio("audio/mpeg", "a")(w, req)
	})
	f("trailer", func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Trailer", "X-Signalbox-Usage")
		audio("audio/mpeg", "a")(w, req)
		w.Header().Set("X-Signalbox-Usage", usage)
	})
}

func TestPathsAndMethodsOfFiles(t *testing.T) {
	f := func(op wire.Op, path, method, more, want string, shapes ...shape) {
		t.Helper()
		r := newRig(t, dispatch.Options{})
		var got seen
		r.target("a", got.by(status(200, `{}`)), append([]shape{kind(op, wire.Raw, path)}, shapes...)...)
		c := r.ask(op, wire.Raw, "")
		c.Method, c.Path = method, more
		if _, err, werr := r.do(c); err != nil || werr != nil || got.line != want || got.length != 0 || got.head.Get("Content-Type") != "" {
			t.Errorf("%v, %v; upstream got %q of %d bytes (%s), want %q", err, werr, got.line, got.length, got.head.Get("Content-Type"), want)
		}
	}
	f(wire.OpFiles, "/v1/files{path}", "GET", "", "GET /v1/files")
	f(wire.OpFiles, "/v1/files{path}", "GET", "/file-1/content?x=1", "GET /v1/files/file-1/content?x=1")
	f(wire.OpFiles, "/v1/files", "DELETE", "/file-1", "DELETE /v1/files/file-1")
	f(wire.OpFiles, "/openai/files{path}?api-version=1", "GET", "/f?x=1", "GET /openai/files/f?api-version=1&x=1")
	f(wire.OpFiles, "/openai/files?api-version=1", "GET", "?limit=2", "GET /openai/files?api-version=1&limit=2")
	f(wire.OpPass, "{path}", "GET", "/v9/x?y=1", "GET /v9/x?y=1")
	f(wire.OpFiles, "{path}", "GET", "", "GET /")
	f(wire.OpPass, "/base{path}", "GET", "/v9/x", "GET /base/v9/x")
	f(wire.OpFiles, "/files/openai-files", "GET", "/file-1/content", "GET /files/openai-files/file-1/content", adapter)
}

func TestWhatCreatesIsSentOnce(t *testing.T) {
	f := func(op wire.Op, method string, want int32) {
		t.Helper()
		r := newRig(t, dispatch.Options{Attempts: 3})
		var calls atomic.Int32
		r.target("a", func(w http.ResponseWriter, req *http.Request) { calls.Add(1); status(500, `{}`)(w, req) }, kind(op, wire.Raw, "/x"))
		c := r.ask(op, wire.Raw, "")
		c.Method = method
		if _, err, _ := r.do(c); err == nil || calls.Load() != want {
			t.Errorf("%s %s: called %d times, want %d", method, op, calls.Load(), want)
		}
	}
	f(wire.OpBatches, "", 1)
	f(wire.OpPass, "PUT", 1)
	f(wire.OpPass, "GET", 3)
	f(wire.OpFiles, "DELETE", 3)
}

// aside is an upload in memory.
type aside struct{ b []byte }

func (a aside) Size() int64 { return int64(len(a.b)) }

func (a aside) Send(w io.Writer, from, to int64) error {
	for from < to {
		n := min(to, from+64<<10)
		if _, err := w.Write(a.b[from:n]); err != nil {
			return err
		}
		from = n
	}
	return nil
}

func (r *rig) upload(form string) *call.Call {
	c := r.call(`{"model":"fast"}`)
	c.Op, c.Dialect, c.Body = wire.OpTranscription, wire.OpenAITranscription, nil
	c.ContentType, c.Upload = "multipart/form-data; boundary=b", aside{[]byte(form)}
	at := strings.Index(form, "MODEL")
	c.Facts.Reset()
	c.Facts.N, c.Facts.ModelAt = 1, scan.Span{From: at, To: at + 5}
	return c
}

func TestUploadsAreSentAgainWithEachModel(t *testing.T) {
	file := strings.Repeat("sound", 300_000)
	form := "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n" + file +
		"\r\n--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nMODEL\r\n--b--\r\n"
	r := newRig(t, dispatch.Options{})
	transcribe := kind(wire.OpTranscription, wire.OpenAITranscription, "/v1/audio/transcriptions")
	var first, second seen
	r.target("a", first.by(status(500, `{}`)), transcribe)
	r.target("bb", second.by(status(200, `{"text":"x"}`)), transcribe)
	out, err, _ := r.do(r.upload(form))
	if out != `{"text":"x"}` || err != nil {
		t.Fatalf("%q, %v", out, err)
	}
	for model, got := range map[string]seen{"m-a": first, "m-bb": second} {
		want := strings.Replace(form, "MODEL", model, 1)
		if got.body != want || got.length != int64(len(want)) || got.head.Get("Content-Type") != "multipart/form-data; boundary=b" {
			t.Errorf("%s: got %d of %d bytes, announced %d, %s", model, len(got.body), len(want), got.length, got.head.Get("Content-Type"))
		}
	}
}

// TestEarlyRefusalOfAnUploadIsHeard: what an upstream says while the request is
// still being written must not be lost with the connection.
func TestEarlyRefusalOfAnUploadIsHeard(t *testing.T) {
	form := strings.Repeat("x", 64<<20) + "MODEL"
	r := newRig(t, dispatch.Options{})
	r.target("a", func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Connection", "close")
		status(413, `{"error":{"message":"too large for us"}}`)(w, req)
	}, kind(wire.OpTranscription, wire.OpenAITranscription, "/v1/audio/transcriptions"))
	start := time.Now()
	out, err, _ := r.do(r.upload(form))
	if err == nil || err.Status != 413 || !strings.Contains(out, "too large for us") {
		t.Errorf("after %s: %q, %v", time.Since(start), out, err)
	}
}

func TestRateHeadersAreObserved(t *testing.T) {
	var got []string
	r := newRig(t, dispatch.Options{Observe: func(cred *call.Credential, ep *call.Endpoint, header func(string) []byte) {
		got = append(got, cred.Name+" "+string(bytes.Clone(header("X-Left"))))
	}})
	r.target("a", status(429, `{}`, "X-Left", "0"), func(e *call.Endpoint, _ *call.Provider) { e.RateHeaders[call.RequestsRemaining] = "X-Left" })
	r.target("b", answer) // says nothing, and is not looked at
	if _, err, _ := r.do(r.call(jsonCall)); err != nil || strings.Join(got, ",") != "main 0" {
		t.Errorf("%v, observed %q", err, got)
	}
}
