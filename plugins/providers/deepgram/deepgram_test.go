package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"strings"
	"testing"

	listenv1 "github.com/deepgram/deepgram-go-sdk/v3/pkg/api/listen/v1/rest/interfaces"
	optionsv1 "github.com/deepgram/deepgram-go-sdk/v3/pkg/client/interfaces/v1"
	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/providertest"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func TestGolden(t *testing.T) { providertest.Golden(t, deepgram{}, "testdata/*.txtar") }

// known are the names of a vendor type's query.
func known(options any) map[string]bool {
	out := map[string]bool{}
	for f := range reflect.TypeOf(options).Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("schema"), ",")
		out[name] = true
	}
	return out
}

// upstream is Deepgram's API as the vendor's own types describe it.
func upstream(t *testing.T, handle func(w http.ResponseWriter, r *http.Request)) *providertest.Adapter {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		names := known(optionsv1.PreRecordedTranscriptionOptions{})
		if r.URL.Path == "/v1/speak" {
			names = known(optionsv1.SpeakOptions{})
			names["speed"] = true // later than the vendor's type: https://developers.deepgram.com/docs/tts-speed
		}
		for name := range r.URL.Query() {
			if !names[name] {
				t.Errorf("the vendor's type does not know %s", name)
			}
		}
		if got := r.Header.Get("Authorization"); got != "Token secret" {
			t.Errorf("got credential %q", got)
		}
		handle(w, r)
	}))
	t.Cleanup(s.Close)
	return providertest.Start(t, deepgram{}, fmt.Sprintf(`{"base_url":%q}`, s.URL), strings.TrimPrefix(s.URL, "http://"))
}

func TestVendorTypes(t *testing.T) {
	a := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(listenv1.PreRecordedResponse{Metadata: &listenv1.Metadata{Duration: 3.5, Channels: 1}, Results: &listenv1.Result{
			Channels: []listenv1.Channel{{DetectedLanguage: "de", Alternatives: []listenv1.Alternative{{Transcript: "Grüße.", Words: []listenv1.Word{
				{Word: "grüße", PunctuatedWord: "Grüße.", Start: 0.5, End: 1}}}}}},
			Utterances: []listenv1.Utterance{{Start: 0.5, End: 1, Transcript: "Grüße."}},
		}})
	})
	r := providertest.Request{Op: wire.OpTranscription, Dialect: wire.OpenAITranscription, Model: "nova-3", Credential: "secret"}
	got := a.Do(t, r.Form(t, providertest.Part{Name: "file", File: "a.wav", Value: "x"}, providertest.Part{Name: "response_format", Value: "verbose_json"},
		providertest.Part{Name: "timestamp_granularities[]", Value: "word"}, providertest.Part{Name: "numerals", Value: "true"}))
	for _, want := range []string{`"language":"de"`, `"duration":3.5`, `"text":"Grüße."`, `"words":[{"word":"Grüße.","start":0.5,"end":1}]`} {
		if !strings.Contains(got.Body, want) {
			t.Errorf("got %d %s; want %s", got.Status, got.Body, want)
		}
	}
	if got.Usage.Millis != 3500 {
		t.Errorf("got %+v", got.Usage)
	}
}

// TestLargeUpload: the audio is sent with its length and held on disk.
func TestLargeUpload(t *testing.T) {
	const size = 100 << 20
	a := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if n, err := io.Copy(io.Discard, r.Body); err != nil || n != size || r.ContentLength != size {
			t.Errorf("the upstream got %d of %d bytes, %v", n, r.ContentLength, err)
		}
		_ = json.NewEncoder(w).Encode(listenv1.PreRecordedResponse{Metadata: &listenv1.Metadata{Duration: 1}})
	})
	r := providertest.Request{Op: wire.OpTranscription, Dialect: wire.OpenAITranscription, Model: "nova-3", Credential: "secret",
		ContentType: "multipart/form-data; boundary=b", Stream: io.MultiReader(
			strings.NewReader("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n"), io.LimitReader(zeros{}, size),
			strings.NewReader("\r\n--b\r\nContent-Disposition: form-data; name=\"language\"\r\n\r\nen\r\n--b--\r\n"))}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got := a.Do(t, r)
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; got.Status != 200 || used > 8<<20 {
		t.Errorf("got %d %s with %d bytes", got.Status, got.Body, used)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestUploadLimit(t *testing.T) {
	a := providertest.Start(t, deepgram{}, `{"max_upload_mb":1}`)
	r := providertest.Request{Op: wire.OpTranscription, Dialect: wire.OpenAITranscription, Model: "nova-3"}
	if got := a.Do(t, r.Form(t, providertest.Part{Name: "file", File: "a", Value: strings.Repeat("x", 1<<20+1)})); got.Status != 413 {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
}

func TestVoices(t *testing.T) {
	s := &service{config: config{Voices: map[string]string{"nova": "aura-2-luna-en"}}}
	f := func(model, voice, want string) {
		t.Helper()
		if got := s.voice(model, voice); got != want {
			t.Errorf("%s, %s: got %s; want %s", model, voice, got, want)
		}
	}
	f("aura-2", "alloy", "aura-2-thalia-en")
	f("aura-2", "Zeus", "aura-2-zeus-en")
	f("aura", "alloy", "aura-asteria-en")
	f("aura-2", "nova", "aura-2-luna-en")
	f("aura-2", "aura-2-celeste-es", "aura-2-celeste-es")
	f("aura-asteria-en", "alloy", "aura-asteria-en")
	f("later", "alloy", "later")
}

func TestConfigRefused(t *testing.T) {
	for config, says := range map[string]string{
		`{"base_url":"ftp://x"}`:                   "base_url",
		`{"max_upload_mb":0}`:                      "max_upload_mb",
		`{"listen":{"callback":"https://x.test"}}`: "elsewhere",
		`{"voice":{}}`:                             `did you mean "voices"`,
	} {
		if _, err := (deepgram{}).Configure(provider.Config{JSON: json.RawMessage(config)}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", config, err)
		}
	}
}
