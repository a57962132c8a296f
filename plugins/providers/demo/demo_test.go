package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/sdk/provider/providertest"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func start(t testing.TB) *providertest.Adapter { return providertest.Start(t, &demo{}, "{}") }

func openAIChat(body string) providertest.Request {
	return providertest.Request{Op: wire.OpChat, Dialect: wire.OpenAIChat, Body: body}
}

func messages(body string) providertest.Request {
	return providertest.Request{Op: wire.OpChat, Dialect: wire.AnthropicMessages, Body: body}
}

func TestSameRequestSameAnswer(t *testing.T) {
	a := start(t)
	f := func(r providertest.Request) {
		t.Helper()
		first, second := a.Do(t, r), a.Do(t, r)
		if first.Status != 200 || first.Body != second.Body || first.Usage != second.Usage || first.Usage.Total() == 0 {
			t.Errorf("got %d %s (%+v), then %s (%+v)", first.Status, first.Body, first.Usage, second.Body, second.Usage)
		}
	}
	f(openAIChat(`{"model":"echo","messages":[{"role":"user","content":"hello"}]}`))
	f(openAIChat(`{"model":"think","stream":true,"messages":[{"role":"user","content":"hello"}]}`))
	f(messages(`{"model":"echo","max_tokens":9,"messages":[{"role":"user","content":"hello"}]}`))
	f(messages(`{"model":"fixed","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hello"}]}`))
	f(providertest.Request{Op: wire.OpEmbeddings, Dialect: wire.OpenAIEmbeddings, Body: `{"model":"embed","input":"hello"}`})
}

func TestFaults(t *testing.T) {
	a := start(t)
	f := func(fault string, status int, class wire.Class) {
		t.Helper()
		body := `{"model":"echo","max_tokens":9,"messages":[{"role":"user","content":"hello"}],"demo":{"fault":"` + fault + `","retry_after":7}}`
		for _, r := range []providertest.Request{openAIChat(body), messages(body)} {
			got := a.Do(t, r)
			if got.Status != status || got.Header.Get("X-Signalbox-Error-Class") != class.String() || got.Header.Get("Retry-After") != "7" {
				t.Errorf("%s: got %d, %v", fault, got.Status, got.Header)
			}
			if e, ok := wire.ReadError([]byte(got.Body)); !ok || e.Message == "" {
				t.Errorf("%s: body %s is not an error", fault, got.Body)
			}
		}
	}
	f("status_500", 500, wire.ClassServer)
	f("status_429", 429, wire.ClassRateLimit)
	f("status_529", 529, wire.ClassOverloaded)
	f("context_length", 400, wire.ClassContextLength)
	f("model_not_found", 404, wire.ClassModelNotFound)
	f("content_filter", 400, wire.ClassContentFilter)
	f("quota", 429, wire.ClassQuota)
	f("auth", 401, wire.ClassAuth)
}

func TestCutStreamIsCut(t *testing.T) {
	a := start(t)
	for _, r := range []providertest.Request{
		openAIChat(`{"model":"fixed?fault=cut_stream&tokens=10","stream":true,"messages":[{"role":"user","content":"x"}]}`),
		messages(`{"model":"fixed?fault=cut_stream&tokens=10","max_tokens":99,"stream":true,"messages":[{"role":"user","content":"x"}]}`),
	} {
		got := a.Do(t, r)
		if got.Cut == nil || !strings.Contains(got.Body, word) || strings.Contains(got.Body, "DONE") || strings.Contains(got.Body, "message_stop") {
			t.Errorf("got %v: %s", got.Cut, got.Body)
		}
	}
}

func TestGarbage(t *testing.T) {
	a := start(t)
	got := a.Do(t, openAIChat(`{"model":"echo?fault=garbage","messages":[{"role":"user","content":"x"}]}`))
	if got.Status != 200 || !strings.HasPrefix(got.Body, "<html>") {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
}

func TestFlakyFailsEveryThird(t *testing.T) {
	a := start(t)
	var got []int
	for range 6 {
		got = append(got, a.Do(t, openAIChat(`{"model":"flaky","messages":[{"role":"user","content":"x"}]}`)).Status)
	}
	if got[0] != 200 || got[1] != 200 || got[2] != 503 || got[3] != 200 || got[5] != 503 {
		t.Errorf("got %v", got)
	}
}

func TestHangEndsWithTheDeadline(t *testing.T) {
	a := start(t)
	r := openAIChat(`{"model":"echo?fault=hang","messages":[{"role":"user","content":"x"}]}`)
	r.DeadlineMS = "30"
	if got := a.Do(t, r); got.Status != 504 || got.Header.Get("X-Signalbox-Error-Class") != "timeout" {
		t.Errorf("got %d %v %s", got.Status, got.Header, got.Body)
	}
}

func TestChunksAreAsMany(t *testing.T) {
	a := start(t)
	got := a.Do(t, openAIChat(`{"model":"fixed","stream":true,"messages":[{"role":"user","content":"x"}],"metadata":{"demo":"tokens=50&chunks=50"}}`))
	if n := strings.Count(got.Body, `"content":"`); n != 51 { // the first is empty
		t.Errorf("got %d chunks: %s", n, got.Body)
	}
}

func TestRefuses(t *testing.T) {
	a := start(t)
	f := func(r providertest.Request, status int, says string) {
		t.Helper()
		if got := a.Do(t, r); got.Status != status || !strings.Contains(got.Body, says) {
			t.Errorf("%s: got %d %s", r.Body, got.Status, got.Body)
		}
	}
	f(openAIChat(`{`), 400, "JSON")
	f(openAIChat(`[]`), 400, "JSON")
	f(openAIChat(`{"model":"nope","messages":[{}]}`), 404, "echo, fixed")
	f(openAIChat(`{"model":"echo","messages":[]}`), 400, "messages")
	f(openAIChat(`{"model":"echo?colour=red","messages":[{}]}`), 400, "README")
	f(openAIChat(`{"model":"echo?fault=status_200","messages":[{}]}`), 400, "status_400")
	f(openAIChat(`{"model":"echo?latency_ms=-1","messages":[{}]}`), 400, "wait")
	f(messages(`{"model":"echo","messages":[{"role":"user","content":"x"}]}`), 400, "max_tokens")
	f(providertest.Request{Op: wire.OpEmbeddings, Dialect: wire.OpenAIEmbeddings, Body: `{"model":"embed"}`}, 400, "input")
	f(providertest.Request{Op: wire.OpEmbeddings, Dialect: wire.OpenAIEmbeddings, Body: `{"model":"embed","input":"x","dimensions":9999}`}, 400, "dimensions")
	f(providertest.Request{Op: wire.OpEmbeddings, Dialect: wire.OpenAIChat, Body: `{}`}, 404, "does not serve")
}

func TestConfigIsTheDefault(t *testing.T) {
	a := providertest.Start(t, &demo{}, `{"fault":"status_418"}`)
	if got := a.Do(t, openAIChat(`{"model":"echo","messages":[{"role":"user","content":"x"}]}`)); got.Status != http.StatusTeapot {
		t.Errorf("got %d", got.Status)
	}
}

func FuzzChat(f *testing.F) {
	a := start(f)
	f.Add(`{"model":"echo","max_tokens":3,"messages":[{"role":"user","content":[{"type":"text","text":"call f {\"a\":1}"}]}],"tools":[{"name":"f","function":{"name":"f"}}]}`)
	f.Add(`{"model":"think?chunks=3","max_tokens":1,"n":2,"stream":true,"messages":[{"content":"é\"\\"}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		if strings.Contains(body, "crash") || strings.Contains(body, "\\u") {
			return
		}
		for _, r := range []providertest.Request{openAIChat(body), messages(body)} {
			r.DeadlineMS = "20"
			if got := a.Do(t, r); got.Status == 500 && !strings.Contains(body, "status_500") {
				t.Errorf("got %s", got.Body)
			}
		}
	})
}
