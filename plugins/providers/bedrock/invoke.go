package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/media"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// What Converse does not do is asked for in each model's own form, by
// InvokeModel. Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/
// model-parameters-titan-embed-text and model-parameters-embed, and
// https://docs.cohere.com/reference/rerank, as of November 2026.

// invoke asks a model in its own form and reads its answer into out. It
// returns how many tokens AWS counted.
func (s *service) invoke(r *provider.Request, body, out any) (tokens int64, err error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return 0, err
	}
	resp, err := s.post(r.Context(), "/model/"+escape(r.Model())+"/invoke", raw, r.Credential())
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return 0, failure(resp)
	}
	answer, err := media.All(resp.Body)
	if err != nil {
		return 0, err
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return 0, wire.Errorf(http.StatusBadGateway, "bad_upstream_answer", "the model's answer is not in the form of its API")
	}
	tokens, _ = strconv.ParseInt(resp.Header.Get("X-Amzn-Bedrock-Input-Token-Count"), 10, 64)
	return max(tokens, 0), nil
}

// escape escapes a model's id as one segment, as the signature wants it.
func escape(id string) string {
	return strings.NewReplacer(":", "%3A", "+", "%2B", "=", "%3D", "&", "%26", "$", "%24", "@", "%40").Replace(url.PathEscape(id))
}

// failure reads an error; its type is in a header.
func failure(resp *http.Response) *wire.Error {
	e := media.Failure(resp, rules)
	typ, _, _ := strings.Cut(resp.Header.Get("X-Amzn-Errortype"), ":")
	for _, rule := range rules {
		if strings.EqualFold(rule.Code, typ) || strings.Contains(e.Message, rule.Code) {
			e.Class = rule.Class
			break
		}
	}
	return e
}

// embed serves OpenAI's embeddings from Titan's and Cohere's models.
func (s *service) embed(r *provider.Request, w *provider.Writer) error {
	q, err := media.ReadEmbeddings(r.Body())
	if err != nil {
		return err
	}
	if err := media.Drop(r, w, q.Dropped...); err != nil {
		return err
	}
	var vectors [][]float32
	var tokens int64
	if strings.Contains(r.Model(), "cohere.") {
		vectors, tokens, err = s.cohere(r, q)
	} else {
		vectors, tokens, err = s.titan(r, q)
	}
	if err != nil {
		return err
	}
	u := wire.Usage{Input: tokens}
	w.Usage(u)
	return w.JSON(q.Append(nil, vectors, u))
}

// maxTexts is how many texts Cohere's models take at once.
const maxTexts = 96

func (s *service) cohere(r *provider.Request, q *media.Embeddings) (vectors [][]float32, tokens int64, err error) {
	inputType := q.InputType
	if inputType == "" {
		inputType = "search_document"
	}
	for texts := range slices.Chunk(q.Input, maxTexts) {
		body := map[string]any{"texts": texts, "input_type": inputType, "embedding_types": []string{"float"}}
		if q.Dimensions > 0 {
			body["output_dimension"] = q.Dimensions
		}
		var out struct {
			Embeddings struct{ Float [][]float32 }
		}
		n, err := s.invoke(r, body, &out)
		if err != nil {
			return nil, 0, err
		}
		if len(out.Embeddings.Float) != len(texts) {
			return nil, 0, wire.Errorf(http.StatusBadGateway, "bad_upstream_answer", "the model answered %d embeddings to %d texts", len(out.Embeddings.Float), len(texts))
		}
		vectors, tokens = append(vectors, out.Embeddings.Float...), tokens+n
	}
	return vectors, tokens, nil
}

// atOnce is how many requests are made at a time to a model that takes one
// text a request.
const atOnce = 8

func (s *service) titan(r *provider.Request, q *media.Embeddings) ([][]float32, int64, error) {
	vectors, counts, errs := make([][]float32, len(q.Input)), make([]int64, len(q.Input)), make([]error, len(q.Input))
	slots := make(chan struct{}, atOnce)
	r.Context() // is made once, before it is shared
	var wg sync.WaitGroup
	for i, text := range q.Input {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			vectors[i], counts[i], errs[i] = s.titanOne(r, q, text)
		})
	}
	wg.Wait()
	var tokens int64
	for i, err := range errs {
		if err != nil {
			return nil, 0, err
		}
		tokens += counts[i]
	}
	return vectors, tokens, nil
}

func (s *service) titanOne(r *provider.Request, q *media.Embeddings, text string) ([]float32, int64, error) {
	body := map[string]any{"inputText": text}
	if q.Dimensions > 0 {
		body["dimensions"] = q.Dimensions
	}
	var out struct {
		Embedding           []float32 `json:"embedding"`
		InputTextTokenCount int64     `json:"inputTextTokenCount"`
	}
	tokens, err := s.invoke(r, body, &out)
	if err == nil && len(out.Embedding) == 0 {
		err = wire.Errorf(http.StatusBadGateway, "bad_upstream_answer", "the model's answer holds no embedding")
	}
	return out.Embedding, max(tokens, out.InputTextTokenCount), err
}

// rerank serves Cohere's rerank, which Bedrock's models take but for the model
// and with a version of the API.
func (s *service) rerank(r *provider.Request, w *provider.Writer) error {
	var body map[string]json.RawMessage
	if err := json.Unmarshal(r.Body(), &body); err != nil {
		return wire.Errorf(http.StatusBadRequest, "invalid_json", "the request body is not one valid JSON object")
	}
	delete(body, "model")
	body["api_version"] = json.RawMessage("2")
	var out json.RawMessage
	if _, err := s.invoke(r, body, &out); err != nil {
		return err
	}
	w.Usage(wire.Usage{Searches: searches(body["documents"])})
	return w.JSON(out)
}

// searches is what a rerank costs: one for each hundred documents begun.
func searches(documents json.RawMessage) int64 {
	var list []json.RawMessage
	_ = json.Unmarshal(documents, &list) // the model has accepted it
	return int64(max(1, (len(list)+99)/100))
}
