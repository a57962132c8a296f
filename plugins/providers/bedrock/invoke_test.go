package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/sdk/provider/providertest"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func TestEmbeddings(t *testing.T) {
	f := func(model, body string, answer func(http.ResponseWriter, *http.Request, []byte), want string, usage wire.Usage) {
		t.Helper()
		u := &upstream{t: t, answer: answer}
		a := start(t, u, "").Do(t, providertest.Request{Op: wire.OpEmbeddings, Dialect: wire.OpenAIEmbeddings, Model: model, Credential: static, Body: body})
		if a.Status != 200 || a.Body != want || a.Usage != usage {
			t.Errorf("%d %s, usage %+v\nwant %s", a.Status, a.Body, a.Usage, want)
		}
	}
	titan := func(w http.ResponseWriter, r *http.Request, body []byte) {
		var q struct {
			InputText  string
			Dimensions int
		}
		if json.Unmarshal(body, &q) != nil || q.Dimensions != 256 || r.URL.EscapedPath() != "/model/amazon.titan-embed-text-v2%3A0/invoke" {
			t.Errorf("got %s %s", r.URL, body)
		}
		fmt.Fprintf(w, `{"embedding":[%d,0.5],"inputTextTokenCount":3}`, len(q.InputText))
	}
	f("amazon.titan-embed-text-v2:0", `{"model":"m","input":["a","bb","ccc"],"dimensions":256}`, titan,
		`{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1,0.5]},{"object":"embedding","index":1,"embedding":[2,0.5]},{"object":"embedding","index":2,"embedding":[3,0.5]}],"model":"m","usage":{"prompt_tokens":9,"total_tokens":9}}`,
		wire.Usage{Input: 9})
	cohere := func(w http.ResponseWriter, r *http.Request, body []byte) {
		if want := `{"embedding_types":["float"],"input_type":"search_document","texts":["a","b"]}`; string(body) != want {
			t.Errorf("got %s; want %s", body, want)
		}
		w.Header().Set("X-Amzn-Bedrock-Input-Token-Count", "7")
		fmt.Fprint(w, `{"id":"x","embeddings":{"float":[[1],[2]]},"response_type":"embeddings_by_type"}`)
	}
	f("cohere.embed-multilingual-v3", `{"model":"m","input":["a","b"],"encoding_format":"base64"}`, cohere,
		`{"object":"list","data":[{"object":"embedding","index":0,"embedding":"AACAPw=="},{"object":"embedding","index":1,"embedding":"AAAAQA=="}],"model":"m","usage":{"prompt_tokens":7,"total_tokens":7}}`,
		wire.Usage{Input: 7})
}

func TestEmbeddingsRefused(t *testing.T) {
	f := func(body string, answer func(http.ResponseWriter, *http.Request, []byte), status int, class, want string) {
		t.Helper()
		u := &upstream{t: t, answer: answer}
		a := start(t, u, "").Do(t, providertest.Request{Op: wire.OpEmbeddings, Dialect: wire.OpenAIEmbeddings, Model: "cohere.embed-v4:0", Credential: static, Body: body})
		if a.Status != status || a.Header.Get("X-Signalbox-Error-Class") != class || !strings.Contains(a.Body, want) {
			t.Errorf("%s: %d %v %s", body, a.Status, a.Header, a.Body)
		}
	}
	f(`{"model":"m","input":[1,2]}`, nil, 400, "invalid_request", "takes no tokens")
	f(`{"model":"m"}`, nil, 400, "invalid_request", "input")
	f(`{"model":"m","input":[]}`, nil, 400, "invalid_request", "at least one")
	f(`{"model":"m","input":"a","encoding_format":"x"}`, nil, 400, "invalid_request", "encoding_format")
	f(`{"model":"m","input":"a","dimensions":-1}`, nil, 400, "invalid_request", "dimensions")
	f(`{"model":"m","input":"a"}`, says(200, "", `{"embeddings":{"float":[]}}`), 502, "server", "0 embeddings to 1 texts")
	f(`{"model":"m","input":"a"}`, says(200, "", `[]`), 502, "server", "form of its API")
	f(`{"model":"m","input":"a"}`, says(429, "ThrottlingException", `{"message":"slow"}`), 429, "rate_limit", "slow")
	f(`{"model":"m","input":"a"}`, says(403, "AccessDeniedException:x", `{"message":"no"}`), 403, "auth", "no")
}

func TestRerank(t *testing.T) {
	u := &upstream{t: t, answer: func(w http.ResponseWriter, _ *http.Request, body []byte) {
		if want := `{"api_version":2,"documents":["a","b"],"query":"q","top_n":1}`; string(body) != want {
			t.Errorf("got %s; want %s", body, want)
		}
		fmt.Fprint(w, `{"results":[{"index":1,"relevance_score":0.5}]}`)
	}}
	a := start(t, u, "").Do(t, providertest.Request{Op: wire.OpRerank, Dialect: wire.CohereRerank, Model: "cohere.rerank-v3-5:0", Credential: static,
		Body: `{"model":"m","query":"q","documents":["a","b"],"top_n":1}`})
	if a.Status != 200 || a.Body != `{"results":[{"index":1,"relevance_score":0.5}]}` || a.Usage != (wire.Usage{Searches: 1}) {
		t.Errorf("%d %s, usage %+v", a.Status, a.Body, a.Usage)
	}
	if u.path != "/model/cohere.rerank-v3-5%3A0/invoke" {
		t.Errorf("path %s", u.path)
	}
	if n := searches(json.RawMessage("[" + strings.Repeat(`"x",`, 100) + `"x"]`)); n != 2 {
		t.Errorf("101 documents cost %d searches; want 2", n)
	}
}
