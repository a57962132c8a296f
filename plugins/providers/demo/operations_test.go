package main

import (
	"bytes"
	"encoding/base64"
	"image/png"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	openaisdk "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/signalbox-ai/signalbox/sdk/provider/proto"
	"github.com/signalbox-ai/signalbox/sdk/provider/providertest"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// beyond sends what a client asks of a path to an operation's own, with what
// the path has beyond from.
type beyond struct {
	http.RoundTripper
	from, to string
}

func (b beyond) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.URL.Path = b.to + strings.TrimPrefix(req.URL.Path, b.from)
	return b.RoundTripper.RoundTrip(req)
}

func clientOf(a *providertest.Adapter, from string, op wire.Op, d wire.Dialect) openaisdk.Client {
	return openaisdk.NewClient(option.WithBaseURL("http://demo/v1"), option.WithAPIKey("none"), option.WithMaxRetries(0),
		option.WithHTTPClient(&http.Client{Transport: beyond{a.Client.Transport, from, proto.Path(op, d)}}))
}

func TestImages(t *testing.T) {
	c := openAIClient(t, wire.OpImages, wire.OpenAIImages)
	got, err := c.Images.Generate(t.Context(), openaisdk.ImageGenerateParams{Model: "image", Prompt: "a box", N: openaisdk.Int(3)})
	if err != nil || len(got.Data) != 3 {
		t.Fatalf("got %+v, %v", got, err)
	}
	raw, err := base64.StdEncoding.DecodeString(got.Data[2].B64JSON)
	if err != nil {
		t.Fatal(err)
	}
	if img, err := png.Decode(bytes.NewReader(raw)); err != nil || img.Bounds().Dx() != 8 {
		t.Errorf("got %v, %v", img, err)
	}
	if got.Data[0].B64JSON == got.Data[2].B64JSON {
		t.Error("all images are the same")
	}
	e := openAIClient(t, wire.OpImageEdits, wire.OpenAIImageEdits)
	edited, err := e.Images.Edit(t.Context(), openaisdk.ImageEditParams{Model: "image", Prompt: "a box",
		Image: openaisdk.ImageEditParamsImageUnion{OfFile: openaisdk.File(bytes.NewReader(raw), "a.png", "image/png")}})
	if err != nil || len(edited.Data) != 1 || edited.Data[0].B64JSON == got.Data[0].B64JSON {
		t.Errorf("got %+v, %v", edited, err)
	}
}

func TestSpeechIsHeard(t *testing.T) {
	a := start(t)
	s := clientOf(a, "/v1/audio/speech", wire.OpSpeech, wire.OpenAISpeech)
	resp, err := s.Audio.Speech.New(t.Context(), openaisdk.AudioSpeechNewParams{Model: "speech?chunks=5", Input: "Grüße, world",
		Voice: openaisdk.AudioSpeechNewParamsVoiceUnion{OfString: openaisdk.String("alloy")}, ResponseFormat: "wav"})
	if err != nil {
		t.Fatal(err)
	}
	sound, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || len(sound) != 44+12*400 || resp.Header.Get("Content-Type") != "audio/wav" || resp.Trailer.Get(proto.HeaderUsage) != "in=0;cr=0;cw5=0;cw1=0;out=0;rs=0;ch=12" {
		t.Errorf("got %d bytes, %v, %v, %v", len(sound), resp.Header, resp.Trailer, err)
	}
	h := clientOf(a, "/v1/audio/transcriptions", wire.OpTranscription, wire.OpenAITranscription)
	text, err := h.Audio.Transcriptions.New(t.Context(), openaisdk.AudioTranscriptionNewParams{Model: "transcribe",
		File: openaisdk.File(bytes.NewReader(sound), "a.wav", "audio/wav")})
	if err != nil || text.Text != "4844 bytes of audio, 600 ms" {
		t.Errorf("got %+v, %v", text, err)
	}
}

func TestTranscriptionFormats(t *testing.T) {
	a := start(t)
	f := func(op wire.Op, d wire.Dialect, format, contentType, has string) {
		t.Helper()
		r := providertest.Request{Op: op, Dialect: d, Model: "transcribe"}.Form(t, providertest.Part{Name: "file", File: "a.mp3", Value: strings.Repeat("x", 32_000)},
			providertest.Part{Name: "response_format", Value: format}, providertest.Part{Name: "timestamp_granularities[]", Value: "word"})
		got := a.Do(t, r)
		if got.Status != 200 || got.Usage.Millis != 2000 || !strings.HasPrefix(got.Header.Get("Content-Type"), contentType) || !strings.Contains(got.Body, has) {
			t.Errorf("%s: got %d %v %+v\n%s", format, got.Status, got.Header, got.Usage, got.Body)
		}
	}
	f(wire.OpTranscription, wire.OpenAITranscription, "", "application/json", `{"text":"32000 bytes of audio, 2000 ms","usage":{"type":"duration","seconds":2}}`)
	f(wire.OpTranscription, wire.OpenAITranscription, "text", "text/plain", "32000 bytes of audio, 2000 ms\n")
	f(wire.OpTranscription, wire.OpenAITranscription, "srt", "text/plain", "1\n00:00:00,000 --> 00:00:02,000\n32000 bytes of audio, 2000 ms\n\n")
	f(wire.OpTranscription, wire.OpenAITranscription, "vtt", "text/vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\n32000")
	f(wire.OpTranslation, wire.OpenAITranslation, "verbose_json", "application/json", `"task":"translate","language":"english","duration":2,`)
	f(wire.OpTranscription, wire.OpenAITranscription, "verbose_json", "application/json", `"words":[{"word":"32000","start":0,"end":0.333}`)
}

// zeros are n bytes of silence.
type zeros int64

func (z *zeros) Read(p []byte) (int, error) {
	n := min(int64(len(p)), int64(*z))
	*z -= zeros(n)
	if n == 0 {
		return 0, io.EOF
	}
	return int(n), nil
}

// TestUploadIsNotHeld: 200 MB of audio within a few of memory.
func TestUploadIsNotHeld(t *testing.T) {
	a := start(t)
	const size = 200 << 20
	silence := zeros(size)
	r := providertest.Request{Op: wire.OpTranscription, Dialect: wire.OpenAITranscription, Model: "transcribe", ContentType: "multipart/form-data; boundary=b",
		Stream: io.MultiReader(strings.NewReader("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n"), &silence, strings.NewReader("\r\n--b--\r\n"))}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got := a.Do(t, r)
	runtime.ReadMemStats(&after)
	if got.Status != 200 || !strings.Contains(got.Body, "209715200 bytes of audio") {
		t.Fatalf("got %d %s", got.Status, got.Body)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
		t.Errorf("it took %d bytes", used)
	}
}

func TestModeration(t *testing.T) {
	c := openAIClient(t, wire.OpModeration, wire.OpenAIModeration)
	got, err := c.Moderations.New(t.Context(), openaisdk.ModerationNewParams{Model: "moderate",
		Input: openaisdk.ModerationNewParamsInputUnion{OfStringArray: []string{"peace", "graphic Violence"}}})
	if err != nil || len(got.Results) != 2 || got.Results[0].Flagged || !got.Results[1].Categories.Violence || got.Results[1].Categories.Hate {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestRerank(t *testing.T) {
	a := start(t)
	got := a.Do(t, providertest.Request{Op: wire.OpRerank, Dialect: wire.CohereRerank,
		Body: `{"model":"rerank","query":"red signal box","documents":["a box","the red signal","nothing"],"top_n":2,"return_documents":true}`})
	want := `"results":[{"index":1,"relevance_score":0.6667,"document":{"text":"the red signal"}},{"index":0,"relevance_score":0.3333,"document":{"text":"a box"}}]`
	if got.Status != 200 || got.Usage.Searches != 1 || !strings.Contains(got.Body, want) {
		t.Errorf("got %d %+v %s", got.Status, got.Usage, got.Body)
	}
}

func TestFilesAndBatches(t *testing.T) {
	a := start(t)
	files := clientOf(a, "/v1/files", wire.OpFiles, wire.OpenAIFiles)
	lines := `{"custom_id":"one","method":"POST","url":"/v1/chat/completions","body":{"model":"echo","messages":[{"role":"user","content":"hi"}]}}` + "\n" +
		`{"custom_id":"two","method":"POST","url":"/v1/chat/completions","body":{"model":"nope","messages":[{}]}}` + "\n"
	up, err := files.Files.New(t.Context(), openaisdk.FileNewParams{File: openaisdk.File(strings.NewReader(lines), "in.jsonl", "application/jsonl"), Purpose: "batch"})
	if err != nil || up.Bytes != int64(len(lines)) || up.Filename != "in.jsonl" {
		t.Fatalf("got %+v, %v", up, err)
	}
	batches := clientOf(a, "/v1/batches", wire.OpBatches, wire.OpenAIBatches)
	b, err := batches.Batches.New(t.Context(), openaisdk.BatchNewParams{InputFileID: up.ID, Endpoint: "/v1/chat/completions", CompletionWindow: "24h"})
	if err != nil || b.Status != "validating" {
		t.Fatalf("got %+v, %v", b, err)
	}
	if b, err = batches.Batches.Get(t.Context(), b.ID); err != nil || b.Status != "completed" || b.RequestCounts.Total != 2 || b.RequestCounts.Failed != 1 {
		t.Fatalf("got %+v, %v", b, err)
	}
	resp, err := files.Files.Content(t.Context(), b.OutputFileID)
	if err != nil {
		t.Fatal(err)
	}
	out, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if !strings.Contains(string(out), `"custom_id":"one","response":{"status_code":200`) || !strings.Contains(string(out), `"status_code":404`) {
		t.Errorf("got %s", out)
	}
	if gone, err := files.Files.Delete(t.Context(), up.ID); err != nil || !gone.Deleted {
		t.Errorf("got %+v, %v", gone, err)
	}
	if _, err = files.Files.Get(t.Context(), up.ID); err == nil {
		t.Error("a deleted file is still there")
	}
	if list, err := files.Files.List(t.Context(), openaisdk.FileListParams{}); err != nil || len(list.Data) != 1 {
		t.Errorf("got %+v, %v", list, err)
	}
}

func TestCompletions(t *testing.T) {
	c := openAIClient(t, wire.OpCompletions, wire.OpenAICompletions)
	p := openaisdk.CompletionNewParams{Model: "echo", Prompt: openaisdk.CompletionNewParamsPromptUnion{OfString: openaisdk.String("one two three")}}
	got, err := c.Completions.New(t.Context(), p)
	if err != nil || got.Choices[0].Text != "one two three" || got.Usage.TotalTokens == 0 {
		t.Fatalf("got %+v, %v", got, err)
	}
	s := c.Completions.NewStreaming(t.Context(), p)
	text := ""
	for s.Next() {
		for _, choice := range s.Current().Choices {
			text += choice.Text
		}
	}
	if s.Err() != nil || text != "one two three" {
		t.Errorf("got %q, %v", text, s.Err())
	}
}

func TestCountTokens(t *testing.T) {
	a := start(t)
	f := func(d wire.Dialect, body, want string) {
		t.Helper()
		if got := a.Do(t, providertest.Request{Op: wire.OpCountTokens, Dialect: d, Model: "echo", Body: body}); got.Status != 200 || !strings.HasPrefix(got.Body, want) {
			t.Errorf("got %d %s", got.Status, got.Body)
		}
	}
	f(wire.AnthropicMessages, `{"model":"echo","system":"abcd","messages":[{"role":"user","content":"hello"}]}`, `{"input_tokens":3}`)
	f(wire.GeminiGenerate, `{"contents":[{"parts":[{"text":"abcd"},{"text":"hello"}]}]}`, `{"totalTokens":3,`)
	f(wire.GeminiGenerate, `{"generateContentRequest":{"contents":[{"parts":[{"text":"hello"}]}],"systemInstruction":{"parts":[{"text":"abcd"}]}}}`, `{"totalTokens":3,`)
}

func TestOperationsMisbehave(t *testing.T) {
	a := start(t)
	json := func(op wire.Op, d wire.Dialect, model, rest string) func(string) providertest.Request {
		return func(fault string) providertest.Request {
			return providertest.Request{Op: op, Dialect: d, Body: `{"model":"` + model + `?fault=` + fault + `",` + rest + `}`}
		}
	}
	form := func(op wire.Op, d wire.Dialect, model, field string) func(string) providertest.Request {
		return func(fault string) providertest.Request {
			return providertest.Request{Op: op, Dialect: d, Model: model}.Form(t, providertest.Part{Name: field, File: "a", Value: "x"},
				providertest.Part{Name: "prompt", Value: "x"}, providertest.Part{Name: "demo", Value: "fault=" + fault})
		}
	}
	for _, r := range []func(string) providertest.Request{
		json(wire.OpCompletions, wire.OpenAICompletions, "echo", `"prompt":"x"`),
		json(wire.OpCountTokens, wire.AnthropicMessages, "echo", `"messages":[{}]`),
		json(wire.OpImages, wire.OpenAIImages, "image", `"prompt":"x"`),
		json(wire.OpSpeech, wire.OpenAISpeech, "speech", `"input":"x","voice":"y"`),
		json(wire.OpModeration, wire.OpenAIModeration, "moderate", `"input":"x"`),
		json(wire.OpRerank, wire.CohereRerank, "rerank", `"query":"x","documents":["x"]`),
		form(wire.OpImageEdits, wire.OpenAIImageEdits, "image", "image"),
		form(wire.OpTranscription, wire.OpenAITranscription, "transcribe", "file"),
		form(wire.OpTranslation, wire.OpenAITranslation, "transcribe", "file"),
	} {
		if got := a.Do(t, r("status_503")); got.Status != 503 || got.Header.Get(proto.HeaderErrorClass) != "overloaded" {
			t.Errorf("%s: got %d %s", r("").Op, got.Status, got.Body)
		}
		if got := a.Do(t, r("garbage")); got.Status != 200 || !strings.HasPrefix(got.Body, "<html>") {
			t.Errorf("%s: got %d %s", r("").Op, got.Status, got.Body)
		}
		if got := a.Do(t, r("")); got.Status != 200 {
			t.Errorf("%s: got %d %s", r("").Op, got.Status, got.Body)
		}
	}
	cut := a.Do(t, json(wire.OpSpeech, wire.OpenAISpeech, "speech", `"input":"hello","voice":"y"`)("cut_stream"))
	if cut.Cut == nil || len(cut.Body) == 0 {
		t.Errorf("got %d bytes, %v", len(cut.Body), cut.Cut)
	}
}

func TestOperationsRefuse(t *testing.T) {
	a := start(t)
	f := func(r providertest.Request, status int, says string) {
		t.Helper()
		if got := a.Do(t, r); got.Status != status || !strings.Contains(got.Body, says) {
			t.Errorf("%s %s: got %d %s", r.Op, r.Body, got.Status, got.Body)
		}
	}
	f(providertest.Request{Op: wire.OpImages, Dialect: wire.OpenAIImages, Body: `{"model":"image"}`}, 400, "prompt")
	f(providertest.Request{Op: wire.OpImages, Dialect: wire.OpenAIImages, Body: `{"model":"echo","prompt":"x"}`}, 404, "it has image")
	f(providertest.Request{Op: wire.OpSpeech, Dialect: wire.OpenAISpeech, Body: `{"model":"speech","input":"x","voice":"y","response_format":"opus"}`}, 400, "response_format")
	f(providertest.Request{Op: wire.OpTranscription, Dialect: wire.OpenAITranscription, Model: "transcribe", Body: `{}`}, 400, "multipart/form-data")
	f(providertest.Request{Op: wire.OpTranscription, Dialect: wire.OpenAITranscription, Model: "transcribe"}.Form(t), 400, "file")
	f(providertest.Request{Op: wire.OpTranscription, Dialect: wire.OpenAITranscription, Model: "transcribe", ContentType: "multipart/form-data; boundary=b",
		Body: "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nxx"}, 400, "last boundary")
	f(providertest.Request{Op: wire.OpRerank, Dialect: wire.CohereRerank, Body: `{"model":"rerank","query":"x"}`}, 400, "documents")
	f(providertest.Request{Op: wire.OpBatches, Dialect: wire.OpenAIBatches, Body: `{"input_file_id":"file-x"}`}, 400, "input_file_id")
	f(providertest.Request{Op: wire.OpBatches, Dialect: wire.OpenAIBatches, Method: "GET", Path: "/batch_x"}, 404, "batch_x")
	f(providertest.Request{Op: wire.OpFiles, Dialect: wire.OpenAIFiles, Method: "PUT"}, 405, "PUT")
	f(providertest.Request{Op: wire.OpFiles, Dialect: wire.OpenAIFiles}.Form(t, providertest.Part{Name: "file", File: "a", Value: "x"}), 400, "purpose")
}
