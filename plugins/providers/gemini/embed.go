package main

import (
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/media"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Sources: https://ai.google.dev/api/embeddings, https://docs.cloud.google.com/
// vertex-ai/generative-ai/docs/model-reference/text-embeddings-api and
// google.golang.org/genai v1.77 (which model is asked by which method), November 2026.

// maxBatch is how many texts are embedded by one request.
const maxBatch = 100

// atOnce is how many requests of one caller's run at a time.
const atOnce = 8

// embed serves OpenAI's embeddings.
func (s *service) embed(r *provider.Request, w *provider.Writer) error {
	q, err := media.ReadEmbeddings(r.Body())
	if err != nil {
		return err
	}
	e := embedder{caller: s.caller(r), q: q, task: taskTypes[q.InputType]}
	if q.InputType != "" && e.task == "" {
		q.Dropped = append(q.Dropped, "input_type")
	}
	if err := media.Drop(r, w, q.Dropped...); err != nil {
		return err
	}
	size, method := maxBatch, e.batch
	if s.vertex {
		method = e.predict
		switch {
		case strings.Contains(e.model, "gemini") && e.model != "gemini-embedding-001", strings.Contains(e.model, "maas"):
			size, method = 1, e.single
		case e.model == "gemini-embedding-001": // one text a request
			size = 1
		}
	}
	vectors, u, err := e.run(size, method)
	if err != nil {
		return err
	}
	if u.Input == 0 {
		u.Input = e.count()
	}
	w.Usage(u)
	return w.JSON(q.Append(nil, vectors, u))
}

// taskTypes are Google's words for what embeddings are for.
var taskTypes = map[string]string{
	"search_document": "RETRIEVAL_DOCUMENT", "search_query": "RETRIEVAL_QUERY", "classification": "CLASSIFICATION", "clustering": "CLUSTERING",
}

// embedder is one request for embeddings.
type embedder struct {
	*caller
	q    *media.Embeddings
	task string
}

type vector struct {
	Values []float32 `json:"values"`
}

// run embeds all texts, size a request, and keeps their order.
func (e *embedder) run(size int, method func([]string) ([]vector, int64, error)) (out [][]float32, u wire.Usage, err error) {
	chunks := slices.Collect(slices.Chunk(e.q.Input, size))
	results := make([][]vector, len(chunks))
	tokens := make([]int64, len(chunks))
	failed := make([]error, len(chunks))
	var wg sync.WaitGroup
	turn := make(chan struct{}, atOnce)
	for i, texts := range chunks {
		turn <- struct{}{}
		wg.Go(func() {
			results[i], tokens[i], failed[i] = method(texts)
			if failed[i] == nil && len(results[i]) != len(texts) {
				failed[i] = wire.Errorf(http.StatusBadGateway, "bad_upstream_answer", "%d texts were embedded as %d vectors", len(texts), len(results[i]))
			}
			<-turn
		})
	}
	wg.Wait()
	for i := range chunks {
		if failed[i] != nil {
			return nil, u, failed[i]
		}
		for _, v := range results[i] {
			out = append(out, v.Values)
		}
		u.Input += max(tokens[i], 0)
	}
	return out, u, nil
}

// bytesPerToken is what stands for a count that cannot be had.
const bytesPerToken = 4

// count counts the tokens of all texts, where embedding them did not.
func (e *embedder) count() int64 {
	var in struct {
		Contents []content `json:"contents"`
	}
	size := int64(0)
	for _, t := range e.q.Input {
		in.Contents = append(in.Contents, content{Parts: []part{{Text: t}}})
		size += int64(len(t))
	}
	var out struct {
		TotalTokens int64 `json:"totalTokens"`
	}
	if _, err := e.ask("countTokens", in, &out); err != nil || out.TotalTokens <= 0 {
		return (size + bytesPerToken - 1) / bytesPerToken
	}
	return out.TotalTokens
}

// batch is of the Gemini API. It counts tokens for newer models alone.
func (e *embedder) batch(texts []string) ([]vector, int64, error) {
	type one struct {
		Model      string  `json:"model"`
		Content    content `json:"content"`
		TaskType   string  `json:"taskType,omitempty"`
		Dimensions int64   `json:"outputDimensionality,omitempty"`
	}
	var in struct {
		Requests []one `json:"requests"`
	}
	for _, t := range texts {
		in.Requests = append(in.Requests, one{"models/" + e.model, content{Parts: []part{{Text: t}}}, e.task, e.q.Dimensions})
	}
	var out struct {
		Embeddings    []vector `json:"embeddings"`
		UsageMetadata struct {
			Prompt int64 `json:"promptTokenCount"`
		} `json:"usageMetadata"`
	}
	_, err := e.ask("batchEmbedContents", in, &out)
	return out.Embeddings, out.UsageMetadata.Prompt, err
}

// predict is of Vertex AI's older models.
func (e *embedder) predict(texts []string) ([]vector, int64, error) {
	type instance struct {
		Content  string `json:"content"`
		TaskType string `json:"task_type,omitempty"`
	}
	var in struct {
		Instances  []instance `json:"instances"`
		Parameters struct {
			Dimensions   int64 `json:"outputDimensionality,omitempty"`
			AutoTruncate bool  `json:"autoTruncate"`
		} `json:"parameters"`
	}
	in.Parameters.Dimensions = e.q.Dimensions
	for _, t := range texts {
		in.Instances = append(in.Instances, instance{t, e.task})
	}
	var out struct {
		Predictions []struct {
			Embeddings struct {
				vector
				Statistics struct {
					Tokens float64 `json:"token_count"`
				} `json:"statistics"`
			} `json:"embeddings"`
		} `json:"predictions"`
	}
	_, err := e.ask("predict", in, &out)
	var list []vector
	var tokens int64
	for _, p := range out.Predictions {
		list = append(list, p.Embeddings.vector)
		tokens += int64(p.Embeddings.Statistics.Tokens)
	}
	return list, tokens, err
}

// single is of Vertex AI's newer models.
func (e *embedder) single(texts []string) ([]vector, int64, error) {
	type settings struct {
		TaskType   string `json:"taskType,omitempty"`
		Dimensions int64  `json:"outputDimensionality,omitempty"`
	}
	var in struct {
		Content  content   `json:"content"`
		Settings *settings `json:"embedContentConfig,omitempty"`
	}
	in.Content.Parts = []part{{Text: texts[0]}}
	if set := (settings{e.task, e.q.Dimensions}); set != (settings{}) {
		in.Settings = &set
	}
	var out struct {
		Embedding     vector `json:"embedding"`
		UsageMetadata struct {
			Prompt int64 `json:"promptTokenCount"`
		} `json:"usageMetadata"`
	}
	_, err := e.ask("embedContent", in, &out)
	return []vector{out.Embedding}, out.UsageMetadata.Prompt, err
}
