package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/proto"
	"github.com/signalbox-ai/signalbox/sdk/provider/providertest"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func TestGolden(t *testing.T) { providertest.Golden(t, stability{}, "testdata/*.txtar") }

func start(t *testing.T, up http.HandlerFunc) *providertest.Adapter {
	t.Helper()
	s := httptest.NewServer(up)
	t.Cleanup(s.Close)
	return providertest.Start(t, stability{}, fmt.Sprintf(`{"base_url":%q}`, s.URL), strings.TrimPrefix(s.URL, "http://"))
}

// TestSomeFail: what was made is answered and counted.
func TestSomeFail(t *testing.T) {
	var n atomic.Int64
	a := start(t, func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseMultipartForm(1 << 20); err != nil || r.FormValue("prompt") != "x" {
			t.Errorf("got %v, %v", r.Form, err)
		}
		if n.Add(1) == 2 {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		fmt.Fprint(w, `{"image":"aGk="}`)
	})
	got := a.Do(t, providertest.Request{Op: wire.OpImages, Dialect: wire.OpenAIImages, Model: "core", Body: `{"model":"m","prompt":"x","n":4}`})
	if got.Status != 200 || got.Usage.Images != 3 || strings.Count(got.Body, `"b64_json":"aGk="`) != 3 {
		t.Errorf("got %d %+v %s", got.Status, got.Usage, got.Body)
	}
}

// asGateway sends what a client posts to the adapter as the gateway would.
type asGateway struct{ http.RoundTripper }

func (g asGateway) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.URL.Path = proto.Path(wire.OpImageEdits, wire.OpenAIImageEdits)
	req.Header.Set(proto.HeaderModel, "core")
	return g.RoundTripper.RoundTrip(req)
}

func TestClientEdits(t *testing.T) {
	a := start(t, func(w http.ResponseWriter, r *http.Request) {
		if _, h, err := r.FormFile("image"); err != nil || h.Filename != "a.png" || r.URL.Path != "/v2beta/stable-image/edit/inpaint" {
			t.Errorf("got %s, %v", r.URL, err)
		}
		fmt.Fprint(w, `{"image":"aGk="}`)
	})
	c := openai.NewClient(option.WithBaseURL("http://gateway/v1"), option.WithAPIKey("k"), option.WithMaxRetries(0),
		option.WithHTTPClient(&http.Client{Transport: asGateway{a.Client.Transport}}))
	got, err := c.Images.Edit(t.Context(), openai.ImageEditParams{Model: "m", Prompt: "a flamingo",
		Image: openai.ImageEditParamsImageUnion{OfFileArray: []io.Reader{openai.File(strings.NewReader("some image"), "a.png", "image/png")}}})
	if err != nil || got.Data[0].B64JSON != "aGk=" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestAspect(t *testing.T) {
	f := func(size, ratio string, exact bool) {
		t.Helper()
		if got, same := aspect(size); got != ratio || same != exact {
			t.Errorf("%s: got %s, %v", size, got, same)
		}
	}
	f("1024x1024", "1:1", true)
	f("1536x1024", "3:2", true)
	f("1024x1792", "9:16", true)
	f("1344x768", "16:9", true)
	f("1000x900", "1:1", false)
	f("4000x10", "21:9", false)
	f("0x10", "", false)
	f("NaNx1", "", false)
	f("1024", "", false)
}

func TestConfigRefused(t *testing.T) {
	for config, says := range map[string]string{`{"base_url":"x"}`: "base_url", `{"strength":2}`: "0 to 1", `{"strenght":1}`: `did you mean "strength"`} {
		if _, err := (stability{}).Configure(provider.Config{JSON: json.RawMessage(config)}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", config, err)
		}
	}
}
