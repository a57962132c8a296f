package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/providertest"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func TestGolden(t *testing.T) { providertest.Golden(t, elevenlabs{}, "testdata/*.txtar") }

func start(t *testing.T, up http.HandlerFunc) *providertest.Adapter {
	t.Helper()
	s := httptest.NewServer(up)
	t.Cleanup(s.Close)
	return providertest.Start(t, elevenlabs{}, fmt.Sprintf(`{"base_url":%q}`, s.URL+"/v1/"), strings.TrimPrefix(s.URL, "http://"))
}

func TestConfigure(t *testing.T) {
	setup, err := elevenlabs{}.Configure(provider.Config{})
	if err != nil || setup.Leases[0].URL != "https://api.elevenlabs.io/v1{path}" || setup.Leases[0].Headers[0] != provider.Key("xi-api-key") {
		t.Errorf("got %+v, %v", setup, err)
	}
	for config, says := range map[string]string{`{"base_url":"api.elevenlabs.io"}`: "base_url", `{"voice":{}}`: `did you mean "voices"`} {
		if _, err := (elevenlabs{}).Configure(provider.Config{JSON: json.RawMessage(config)}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", config, err)
		}
	}
}

// TestSpeechStreams: each piece reaches the caller before the next is there.
func TestSpeechStreams(t *testing.T) {
	read := make(chan struct{})
	a := start(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "audio/mpeg")
		for range 3 {
			fmt.Fprint(w, "piece")
			w.(http.Flusher).Flush()
			<-read
		}
	})
	r := providertest.Request{Op: wire.OpSpeech, Dialect: wire.OpenAISpeech, Model: "m", Body: `{"model":"m","input":"hi","voice":"x"}`}
	resp, err := a.Client.Do(r.HTTP(t))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	buf := make([]byte, 5)
	for range 3 {
		if _, err := io.ReadFull(resp.Body, buf); err != nil || string(buf) != "piece" {
			t.Fatalf("got %q, %v", buf, err)
		}
		read <- struct{}{}
	}
}

func TestCutSpeechIsCut(t *testing.T) {
	a := start(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "half")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	got := a.Do(t, providertest.Request{Op: wire.OpSpeech, Dialect: wire.OpenAISpeech, Model: "m", Body: `{"model":"m","input":"hi","voice":"x"}`})
	if got.Cut == nil || got.Usage.Characters != 0 {
		t.Errorf("got %+v", got)
	}
}

// large is a form with n bytes of audio.
func large(n int64) providertest.Request {
	silence := io.LimitReader(zeros{}, n)
	return providertest.Request{Op: wire.OpTranscription, Dialect: wire.OpenAITranscription, Model: "scribe_v2", ContentType: "multipart/form-data; boundary=b",
		Stream: io.MultiReader(strings.NewReader("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n"), silence,
			strings.NewReader("\r\n--b\r\nContent-Disposition: form-data; name=\"language\"\r\n\r\nen\r\n--b--\r\n"))}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestUploadStreamsThrough: 200 MB on their way hold a few in memory.
func TestUploadStreamsThrough(t *testing.T) {
	a := start(t, func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil || n < 200<<20 {
			t.Errorf("the upstream got %d bytes, %v", n, err)
		}
		fmt.Fprint(w, `{"text":"ok","audio_duration_secs":1}`)
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got := a.Do(t, large(200<<20))
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; got.Status != 200 || used > 8<<20 {
		t.Errorf("got %d %s with %d bytes", got.Status, got.Body, used)
	}
}

// trickle comes byte by byte, until it ends.
type trickle chan struct{}

func (t trickle) Read(p []byte) (int, error) {
	select {
	case <-t:
		return 0, io.EOF
	case <-time.After(100 * time.Millisecond):
		return copy(p, "\x00"), nil
	}
}

// TestEarlyAnswer: an upstream that refuses before it has read the upload is heard.
func TestEarlyAnswer(t *testing.T) {
	a := start(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"detail":{"status":"invalid_api_key","message":"Invalid API key"}}`)
	})
	r, answered := large(4<<20), make(chan struct{})
	r.Stream = io.MultiReader(io.LimitReader(r.Stream, 1<<20), trickle(answered)) // else the client meets a closed connection
	got := a.Do(t, r)
	close(answered)
	if got.Status != 401 || got.Header.Get("X-Signalbox-Error-Class") != "auth" {
		t.Errorf("got %d %v %s", got.Status, got.Header, got.Body)
	}
}

// TestBrokenForm: what was cut on the way in is never transcribed.
func TestBrokenForm(t *testing.T) {
	a := start(t, func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			t.Error("the upstream got a whole form")
		}
	})
	r := large(0)
	r.Stream, r.Body = nil, "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\nhalf"
	if got := a.Do(t, r); got.Status != 400 || !strings.Contains(got.Body, "last boundary") {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
}
