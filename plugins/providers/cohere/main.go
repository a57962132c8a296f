// Cohere is the provider adapter for Cohere's API, version 2. Reranking goes
// straight from the gateway to the service; chats are translated here, as are
// embeddings.
package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/media"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func main() { provider.Serve(cohere{}) }

type cohere struct{}

const defaultBase = "https://api.cohere.com"

// config is the adapter's configuration.
type config struct {
	BaseURL   string            `json:"base_url" doc:"of the API, without /v2; default https://api.cohere.com"`
	InputType string            `json:"input_type" enum:"search_document,search_query,classification,clustering" doc:"of embeddings that name none; default search_document"`
	Models    map[string]string `json:"models" doc:"model as asked for → as the service calls it"`
}

// Manifest implements provider.Provider.
func (cohere) Manifest() provider.Manifest {
	return provider.Manifest{
		Name: "cohere", Version: "1.0.0", Config: config{}, Credential: provider.CredentialRequired, Models: models,
		Hosts: []string{"api.cohere.com"},
		Operations: []provider.Operation{
			{Op: wire.OpChat, Dialect: wire.OpenAIChat}, {Op: wire.OpChat, Dialect: wire.AnthropicMessages},
			{Op: wire.OpChat, Dialect: wire.OpenAIResponses}, {Op: wire.OpChat, Dialect: wire.GeminiGenerate},
			{Op: wire.OpEmbeddings, Dialect: wire.OpenAIEmbeddings}, {Op: wire.OpRerank, Dialect: wire.CohereRerank},
			{Op: wire.OpCredential, Dialect: wire.Raw},
		},
	}
}

// inputTypes are those of texts.
var inputTypes = []string{"search_document", "search_query", "classification", "clustering"}

// Configure implements provider.Provider.
func (cohere) Configure(cfg provider.Config) (*provider.Setup, error) {
	c := config{BaseURL: defaultBase, InputType: inputTypes[0]}
	if err := cfg.Decode(&c); err != nil {
		return nil, err
	}
	if !slices.Contains(inputTypes, c.InputType) {
		return nil, media.Bad("input_type", "is %q; want one of %q", c.InputType, inputTypes)
	}
	base, err := media.Base(c.BaseURL, defaultBase, "/v2")
	if err != nil {
		return nil, err
	}
	e := &embedder{url: base + "/v2/embed", inputType: c.InputType, client: cfg.Client()}
	lease := provider.Lease{Headers: []provider.Header{provider.Bearer()}, PassHeaders: []string{"x-client-name"}, Models: c.Models, Errors: rules, Rate: rate}
	chat, rerank, tried := lease, lease, lease
	chat.Op, chat.Dialect, chat.URL = wire.OpChat, wire.CohereChat, base+"/v2/chat"
	rerank.Op, rerank.Dialect, rerank.URL = wire.OpRerank, wire.CohereRerank, base+"/v2/rerank"
	tried.Op, tried.Dialect, tried.URL = wire.OpCredential, wire.Raw, base+"/v1/models?page_size=1"
	setup := &provider.Setup{
		Leases: []provider.Lease{chat, rerank, tried},
		Routes: []provider.Route{{Op: wire.OpEmbeddings, Dialect: wire.OpenAIEmbeddings, Handle: e.serve}},
	}
	if base != defaultBase {
		setup.Models = []provider.Model{} // another deployment, whose models are its own
	}
	return setup, nil
}

// embedder serves OpenAI's embeddings. Source: https://docs.cohere.com/reference/embed
// as of November 2026.
type embedder struct {
	url       string
	inputType string
	client    *http.Client
}

// maxTexts is how many texts the API takes at once.
const maxTexts = 96

func (e *embedder) serve(r *provider.Request, w *provider.Writer) error {
	q, err := media.ReadEmbeddings(r.Body())
	if err != nil {
		return err
	}
	if q.InputType == "" {
		q.InputType = e.inputType
	} else if !slices.Contains(inputTypes, q.InputType) {
		return media.Bad("input_type", "is %q; want one of %q", q.InputType, inputTypes)
	}
	if err := media.Drop(r, w, q.Dropped...); err != nil {
		return err
	}
	var vectors [][]float32
	var usage wire.Usage
	for texts := range slices.Chunk(q.Input, maxTexts) {
		more, u, err := e.embed(r, w, q, texts)
		if err != nil {
			return err
		}
		vectors = append(vectors, more...)
		usage.Add(&u)
	}
	w.Usage(usage)
	return w.JSON(q.Append(nil, vectors, usage))
}

func (e *embedder) embed(r *provider.Request, w *provider.Writer, q *media.Embeddings, texts []string) ([][]float32, wire.Usage, error) {
	body := map[string]any{"model": r.Model(), "texts": texts, "input_type": q.InputType, "embedding_types": []string{"float"}}
	if q.Dimensions > 0 {
		body["output_dimension"] = q.Dimensions
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, wire.Usage{}, err
	}
	req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, e.url, bytes.NewReader(raw))
	if err != nil {
		return nil, wire.Usage{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+string(r.Credential()))
	req.Header["User-Agent"] = nil
	resp, err := e.client.Do(req)
	if err != nil {
		return nil, wire.Usage{}, err
	}
	defer resp.Body.Close()
	w.Rate(rate.Read(resp.Header.Get, time.Now()))
	if resp.StatusCode >= 300 {
		return nil, wire.Usage{}, media.Failure(resp, rules)
	}
	answer, err := media.All(resp.Body)
	if err != nil {
		return nil, wire.Usage{}, err
	}
	var out struct {
		Embeddings struct{ Float [][]float32 }
	}
	if err := json.Unmarshal(answer, &out); err != nil || len(out.Embeddings.Float) != len(texts) {
		return nil, wire.Usage{}, wire.Errorf(http.StatusBadGateway, "bad_upstream_answer", "the service answered %d embeddings to %d texts", len(out.Embeddings.Float), len(texts))
	}
	usage, _ := wire.ReadUsage(wire.CohereRerank, answer) // its meta has the same form
	return out.Embeddings.Float, usage, nil
}
