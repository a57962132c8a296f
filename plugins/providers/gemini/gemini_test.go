package main

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/providertest"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"), // ends with its next tick
		goleak.IgnoreAnyFunction("go.opencensus.io/stats/view.(*worker).start"))           // of genai's imports, from their start on
}

// adapter is one whose clock stands still.
func adapter() *gemini {
	return &gemini{now: func() time.Time { return time.Unix(0, 0) }}
}

func TestGolden(t *testing.T) { providertest.Golden(t, adapter(), "testdata/*.txtar") }

func configure(t *testing.T, config string) (*provider.Setup, error) {
	t.Helper()
	g := adapter()
	setup, err := g.Configure(provider.Config{JSON: json.RawMessage(config)})
	if s := g.current.Load(); s != nil {
		s.client.CloseIdleConnections()
	}
	return setup, err
}

func TestLeases(t *testing.T) {
	f := func(config, models string, headers ...provider.Header) {
		t.Helper()
		setup, err := configure(t, config)
		if err != nil {
			t.Fatalf("%s: %v", config, err)
		}
		chat := provider.Lease{Op: wire.OpChat, Dialect: wire.GeminiGenerate, Headers: headers, Errors: rules,
			URL: models + "/{model}:generateContent", StreamURL: models + "/{model}:streamGenerateContent?alt=sse"}
		count := provider.Lease{Op: wire.OpCountTokens, Dialect: wire.GeminiGenerate, Headers: headers, Errors: rules, URL: models + "/{model}:countTokens"}
		tried := provider.Lease{Op: wire.OpCredential, Dialect: wire.Raw, Headers: headers, Errors: rules, URL: models + "?pageSize=1"}
		if base, _, vertex := strings.Cut(models, "/v1"); vertex && strings.Contains(models, "/projects/") {
			tried.URL = base + "/v1beta1/publishers/google/models?pageSize=1"
			tried.Errors = append([]provider.ErrorRule{{Status: 403, Class: wire.ClassInvalid}}, rules...)
		}
		if !reflect.DeepEqual(setup.Leases, []provider.Lease{chat, count, tried}) {
			t.Errorf("%s: got %+v", config, setup.Leases)
		}
	}
	key := provider.Key("x-goog-api-key")
	f(`{}`, "https://generativelanguage.googleapis.com/v1beta/models", key)
	f(`{"base_url":"https://proxy.example/g/","api_version":"v1alpha"}`, "https://proxy.example/g/v1alpha/models", key)
	f(`{"api":"vertex","project":"p-1"}`, "https://aiplatform.googleapis.com/v1/projects/p-1/locations/global/publishers/google/models", provider.Bearer())
	f(`{"api":"vertex","project":"example.com:p","location":"europe-west4","quota_project":"q"}`,
		"https://europe-west4-aiplatform.googleapis.com/v1/projects/example.com:p/locations/europe-west4/publishers/google/models",
		provider.Bearer(), provider.Static("x-goog-user-project", "q"))
	f(`{"api":"vertex","project":"p","location":"eu","api_version":"v1beta1"}`,
		"https://aiplatform.eu.rep.googleapis.com/v1beta1/projects/p/locations/eu/publishers/google/models", provider.Bearer())
}

func TestConfigRefused(t *testing.T) {
	f := func(config, want string) {
		t.Helper()
		if _, err := configure(t, config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q in it", config, err, want)
		}
	}
	f(`{"api":"vertex"}`, "project is missing")
	f(`{"project":"p"}`, `set api to "vertex"`)
	f(`{"api":"vertex","project":"p/../q"}`, "project")
	f(`{"api":"vertex","project":".."}`, "project")
	f(`{"api":"vertex","project":"p","location":"evil.example/"}`, "location")
	f(`{"api_version":"v1?x"}`, "api_version")
	f(`{"quota_project":"a\r\nb: c"}`, "quota_project")
	f(`{"api":"cloud"}`, "api")
	f(`{"base_url":"generativelanguage.googleapis.com"}`, "base_url")
	f(`{"metadata_url":"file:///x"}`, "metadata_url")
	f(`{"base_ulr":"https://x"}`, `did you mean "base_url"`)
}

func TestManifest(t *testing.T) {
	m := adapter().Manifest()
	for _, model := range m.Models {
		if model.Name == "" || len(model.Ops) == 0 || model.Context == 0 {
			t.Errorf("model %+v", model)
		}
	}
	for api, want := range map[string]string{"studio": "generativelanguage.googleapis.com", "": "generativelanguage.googleapis.com", "vertex": "europe-west4-aiplatform.googleapis.com"} {
		if hosts := m.HostsBy["api"][api]; !slices.Contains(hosts, want) || !slices.Contains(m.Hosts, want) {
			t.Errorf("hosts of %q: %v", api, hosts)
		}
	}
}
