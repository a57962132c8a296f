package wire

import (
	"bytes"
	"encoding/json"
	"testing"

	"google.golang.org/genai"
)

// geminiBody is the body that genai sends: it assembles it from maps, and its
// types have tags for each part.
type geminiBody struct {
	Contents          []*genai.Content        `json:"contents,omitempty"`
	SystemInstruction *genai.Content          `json:"systemInstruction,omitempty"`
	Tools             []*genai.Tool           `json:"tools,omitempty"`
	ToolConfig        *genai.ToolConfig       `json:"toolConfig,omitempty"`
	GenerationConfig  *genai.GenerationConfig `json:"generationConfig,omitempty"`
	ServiceTier       genai.ServiceTier       `json:"serviceTier,omitempty"`
}

// geminiRequestOracle decodes a request strictly. Empty texts and objects are
// left out on the way back: they are known.
func geminiRequestOracle(body []byte) ([]byte, error) {
	// Signatures are bytes; the one for foreign calls is written in the alphabet for URLs.
	body = bytes.ReplaceAll(body, []byte(unsigned), []byte("skip/thought/signature/validator"))
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	var b geminiBody
	if err := d.Decode(&b); err != nil {
		return nil, err
	}
	return json.Marshal(b)
}

func geminiAnswerOracle(t *testing.T, file string, body []byte) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	var r genai.GenerateContentResponse
	if err := d.Decode(&r); err != nil {
		t.Errorf("%s: %v", file, err)
		return
	}
	if len(r.Candidates) == 0 || r.Candidates[0].FinishReason == "" || r.ModelVersion != "alias" || r.ResponseID == "" {
		t.Errorf("%s: reads as %+v", file, r)
	}
	u := r.UsageMetadata
	if u == nil || u.TotalTokenCount != u.PromptTokenCount+u.CandidatesTokenCount+u.ThoughtsTokenCount {
		t.Errorf("%s: usage does not add up: %+v", file, u)
	}
}

func geminiStreamOracle(t *testing.T, file, sse string) {
	t.Helper()
	list := events(sse)
	for i, e := range list {
		d := json.NewDecoder(bytes.NewReader([]byte(e.data)))
		d.DisallowUnknownFields()
		var r genai.GenerateContentResponse
		if err := d.Decode(&r); err != nil || e.name != "" {
			t.Errorf("%s: event %q: %v", file, e.name, err)
			continue
		}
		last := i == len(list)-1
		if ended := r.Candidates[0].FinishReason != "" && r.UsageMetadata != nil; ended != last || r.ModelVersion != "alias" {
			t.Errorf("%s: chunk %d of %d: %s", file, i+1, len(list), e.data)
		}
	}
}

// accumulateGemini adds a stream up as genai's chats do: part after part.
func accumulateGemini(t failer, sse string) (r genai.GenerateContentResponse) {
	t.Helper()
	var parts []*genai.Part
	for _, e := range events(sse) {
		r = genai.GenerateContentResponse{}
		if err := json.Unmarshal([]byte(e.data), &r); err != nil {
			t.Fatalf("%s: %v", e.data, err)
		}
		parts = append(parts, r.Candidates[0].Content.Parts...)
	}
	if r.Candidates == nil || r.Candidates[0].FinishReason == "" {
		t.Fatalf("the last chunk has no reason to stop: %s", sse)
	}
	r.Candidates[0].Content.Parts = parts
	return r
}
