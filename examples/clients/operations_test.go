package clients

import (
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"google.golang.org/genai"
)

// besideText are the ways that answer more than chats.
var besideText = []string{"demo", "openai"}

func TestOpenAIImages(t *testing.T) {
	c := newOpenAI()
	for _, way := range besideText {
		got, err := c.Images.Generate(t.Context(), openai.ImageGenerateParams{Model: way + "-images", Prompt: "a box", Size: "1024x1024"})
		if err != nil {
			t.Errorf("%s: %v", way, err)
			continue
		}
		raw, err := base64.StdEncoding.DecodeString(got.Data[0].B64JSON)
		if err != nil || len(raw) == 0 || way == "openai" && got.Usage.OutputTokens != 272 {
			t.Errorf("%s: got %s", way, got.RawJSON())
		}
		image := openai.ImageEditParamsImageUnion{OfFile: openai.File(strings.NewReader("a picture"), "a.png", "image/png")}
		edit, err := c.Images.Edit(t.Context(), openai.ImageEditParams{Model: way + "-images", Prompt: "bigger", Image: image})
		if err != nil || len(edit.Data) != 1 || way == "openai" && edit.Data[0].B64JSON != base64.StdEncoding.EncodeToString([]byte("a picture")) {
			t.Errorf("%s: %v: got %+v", way, err, edit)
		}
	}
}

func TestOpenAISound(t *testing.T) {
	c := newOpenAI()
	for _, way := range besideText {
		resp, err := c.Audio.Speech.New(t.Context(), openai.AudioSpeechNewParams{Model: way + "-speech", Input: "good night", Voice: openai.AudioSpeechNewParamsVoiceUnion{OfString: openai.String("alloy")}})
		if err != nil {
			t.Errorf("%s: %v", way, err)
			continue
		}
		sound, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if ct := resp.Header.Get("Content-Type"); err != nil || len(sound) == 0 || ct != "audio/mpeg" {
			t.Errorf("%s: %d bytes of %s, %v", way, len(sound), ct, err)
		}
		heard, err := c.Audio.Transcriptions.New(t.Context(), openai.AudioTranscriptionNewParams{Model: way + "-hearing",
			File: openai.File(strings.NewReader(string(sound)), "night.mp3", "audio/mpeg")})
		if err != nil || !strings.Contains(heard.Text, "bytes") {
			t.Errorf("%s: %v: %+v", way, err, heard)
		}
		//lint:ignore SA1019 callers still use it, whatever the vendor calls it
		translated, err := c.Audio.Translations.New(t.Context(), openai.AudioTranslationNewParams{Model: way + "-hearing",
			File: openai.File(strings.NewReader(string(sound)), "night.mp3", "audio/mpeg")})
		if err != nil || !strings.Contains(translated.Text, "bytes") {
			t.Errorf("%s: %v: %+v", way, err, translated)
		}
	}
}

func TestOpenAIModeration(t *testing.T) {
	c := newOpenAI()
	f := func(model, text string, flagged bool) {
		t.Helper()
		got, err := c.Moderations.New(t.Context(), openai.ModerationNewParams{Model: model, Input: openai.ModerationNewParamsInputUnion{OfString: openai.String(text)}})
		if err != nil || len(got.Results) != 1 || got.Results[0].Flagged != flagged {
			t.Errorf("%s: %v: %+v", model, err, got)
		}
	}
	for _, way := range besideText {
		f(way+"-judge", "tea and violence", true)
		f(way+"-judge", "tea", false)
	}
}

func TestOpenAICompletions(t *testing.T) {
	c := newOpenAI()
	for _, way := range besideText {
		got, err := c.Completions.New(t.Context(), openai.CompletionNewParams{Model: openai.CompletionNewParamsModel(way + "-words"), MaxTokens: openai.Int(50),
			Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String(prompt)}})
		if err != nil || got.Choices[0].Text != prompt || got.Usage.CompletionTokens == 0 {
			t.Errorf("%s: %v: %+v", way, err, got)
		}
	}
}

// Errors of uploads and of answers that are no JSON are those of chats.
func TestOpenAIOperationErrors(t *testing.T) {
	c := newOpenAI()
	f := func(err error, status int) {
		t.Helper()
		var e *openai.Error
		if !errors.As(err, &e) || e.StatusCode != status || e.Message == "" {
			t.Errorf("got %v; want status %d", err, status)
		}
	}
	_, err := c.Audio.Speech.New(t.Context(), openai.AudioSpeechNewParams{Model: "openai-refused", Input: "x", Voice: openai.AudioSpeechNewParamsVoiceUnion{OfString: openai.String("alloy")}})
	f(err, 400)
	_, err = c.Audio.Transcriptions.New(t.Context(), openai.AudioTranscriptionNewParams{Model: "openai-limited", File: openai.File(strings.NewReader("x"), "x.mp3", "audio/mpeg")})
	f(err, 429)
	_, err = c.Audio.Transcriptions.New(t.Context(), openai.AudioTranscriptionNewParams{Model: "nobody/has-this", File: openai.File(strings.NewReader("x"), "x.mp3", "audio/mpeg")})
	f(err, 404)
	_, err = c.Images.Generate(t.Context(), openai.ImageGenerateParams{Model: "anthropic", Prompt: "a box"}) // who has none
	f(err, 404)
	_, err = c.Files.Get(t.Context(), "file-none", option.WithHeader("X-Signalbox-Provider", "demo"))
	f(err, 404)
}

// Files and batches are the gateway's own, or at a provider that is named.
func TestOpenAIBatches(t *testing.T) {
	t.Run("of the gateway", func(t *testing.T) { openAIBatches(t, newOpenAI(), "demo") })
	t.Run("of a provider", func(t *testing.T) {
		openAIBatches(t, newOpenAI(option.WithHeader("X-Signalbox-Provider", "demo")), "echo")
	})
}

func openAIBatches(t *testing.T, c openai.Client, model string) {
	line := `{"custom_id":"one","method":"POST","url":"/v1/chat/completions","body":{"model":"` + model + `","messages":[{"role":"user","content":"hello"}]}}` + "\n"
	file, err := c.Files.New(t.Context(), openai.FileNewParams{File: openai.File(strings.NewReader(line), "batch.jsonl", "application/jsonl"), Purpose: "batch"})
	if err != nil || file.Bytes != int64(len(line)) || file.Filename != "batch.jsonl" || file.Purpose != "batch" {
		t.Fatalf("%v: %+v", err, file)
	}
	batch, err := c.Batches.New(t.Context(), openai.BatchNewParams{InputFileID: file.ID, Endpoint: "/v1/chat/completions", CompletionWindow: "24h"})
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); batch.Status != "completed" && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if batch, err = c.Batches.Get(t.Context(), batch.ID); err != nil {
			t.Fatal(err)
		}
	}
	if batch.Status != "completed" || batch.RequestCounts.Total != 1 || batch.RequestCounts.Completed != 1 {
		t.Fatalf("%+v", batch)
	}
	resp, err := c.Files.Content(t.Context(), batch.OutputFileID)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if out, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(out), `"custom_id":"one"`) || !strings.Contains(string(out), "hello") {
		t.Errorf("%v: got %s", err, out)
	}
	if list, err := c.Batches.List(t.Context(), openai.BatchListParams{Limit: openai.Int(5)}); err != nil || len(list.Data) == 0 {
		t.Errorf("%v: %+v", err, list)
	}
	if list, err := c.Files.List(t.Context(), openai.FileListParams{Purpose: openai.String("batch")}); err != nil || len(list.Data) == 0 {
		t.Errorf("%v: %+v", err, list)
	}
	if gone, err := c.Files.Delete(t.Context(), file.ID); err != nil || !gone.Deleted {
		t.Errorf("%v: %+v", err, gone)
	}
}

func TestAnthropicCountTokens(t *testing.T) {
	c := newAnthropic()
	for _, way := range []string{"demo", "anthropic", "gemini"} {
		got, err := c.Messages.CountTokens(t.Context(), anthropic.MessageCountTokensParams{Model: anthropic.Model(way),
			Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(prompt))}})
		if err != nil || got.InputTokens == 0 {
			t.Errorf("%s: %v: %+v", way, err, got)
		}
	}
}

func TestGeminiCountTokens(t *testing.T) {
	c := newGemini(t)
	for _, way := range []string{"demo", "gemini"} {
		got, err := c.Models.CountTokens(t.Context(), way, genai.Text(prompt), nil)
		if err != nil || got.TotalTokens == 0 {
			t.Errorf("%s: %v: %+v", way, err, got)
		}
	}
}

// Calls stream too, and a schema reaches every API in the words of its own.
func TestGeminiStreamsCallsAndKeepsSchemas(t *testing.T) {
	c := newGemini(t)
	eachWay(t, func(t *testing.T, way string) {
		var calls []*genai.FunctionCall
		for r, err := range c.Models.GenerateContentStream(t.Context(), way, genai.Text(toolPrompt), geminiWeather) {
			if err != nil {
				t.Fatal(err)
			}
			calls = append(calls, r.FunctionCalls()...)
		}
		if len(calls) != 1 || calls[0].Name != "weather" || calls[0].Args["city"] != city {
			t.Errorf("got %+v", calls)
		}
		got, err := c.Models.GenerateContent(t.Context(), way, genai.Text(jsonPrompt), &genai.GenerateContentConfig{
			ResponseMIMEType: "application/json", ResponseSchema: &genai.Schema{Type: genai.TypeObject, Properties: map[string]*genai.Schema{"city": {Type: genai.TypeString}}}})
		if err != nil || cityOf(t, got.Text()) != city {
			t.Errorf("%v: %+v", err, got)
		}
	})
}
