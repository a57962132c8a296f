package pipeline

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// maxAnswerText bounds the text of an answer that later steps see.
const maxAnswerText = 4 << 20

func readChat(s *step, r *Reply) (map[string]any, error) {
	var a struct {
		Choices []struct {
			Message struct {
				Content *string `json:"content"`
				Refusal *string `json:"refusal"`
			} `json:"message"`
			Finish string `json:"finish_reason"`
		} `json:"choices"`
	}
	if err := json.Unmarshal(r.Body, &a); err != nil || len(a.Choices) == 0 {
		return nil, errors.New("the answer is no chat completion")
	}
	c := &a.Choices[0]
	text := ""
	if c.Message.Content != nil {
		text = *c.Message.Content
	}
	if c.Message.Refusal != nil && *c.Message.Refusal != "" && text == "" {
		return nil, fmt.Errorf("the model refused: %.200s", *c.Message.Refusal)
	}
	return s.said(text, c.Finish)
}

func readCompletion(s *step, r *Reply) (map[string]any, error) {
	var a struct {
		Choices []struct {
			Text   string `json:"text"`
			Finish string `json:"finish_reason"`
		} `json:"choices"`
	}
	if err := json.Unmarshal(r.Body, &a); err != nil || len(a.Choices) == 0 {
		return nil, errors.New("the answer is no completion")
	}
	return s.said(a.Choices[0].Text, a.Choices[0].Finish)
}

// said is what a chat gives that has said text.
func (s *step) said(text, finish string) (map[string]any, error) {
	if len(text) > maxAnswerText {
		return nil, fmt.Errorf("the answer is longer than %d bytes", maxAnswerText)
	}
	out := map[string]any{"text": text, "finish_reason": finish}
	if s.json == nil {
		return out, nil
	}
	v, err := decode([]byte(unfenced(text)))
	if err == nil {
		err = fits(v, s.json, "the JSON of the answer")
	}
	if err == nil {
		err = s.complete(v)
	}
	if err != nil {
		return nil, fmt.Errorf("the answer is not the JSON that was asked for: %w", err)
	}
	out["json"] = v
	return out, nil
}

// unfenced is text without the fence that models put around code.
func unfenced(text string) string {
	text = strings.TrimSpace(text)
	if inner, ok := strings.CutPrefix(text, "```"); ok && strings.HasSuffix(inner, "```") {
		inner = strings.TrimPrefix(strings.TrimSuffix(inner, "```"), "json")
		return strings.TrimSpace(inner)
	}
	return text
}

// complete looks for what the schema requires, and gives what it does not the
// value that stands for none, so that expressions find every field.
func (s *step) complete(v any) error { return complete(v, s.json, s.required, "") }

func complete(v any, t *Type, required map[string]bool, at string) error {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range sorted(t.Fields) {
			path := at + "." + name
			if e, has := v[name]; !has || e == nil {
				if required[path] {
					return fmt.Errorf("%s is missing", path[1:])
				}
				v[name] = t.Fields[name].zero()
			} else if err := complete(e, t.Fields[name], required, path); err != nil {
				return err
			}
		}
	case []any:
		if t.Kind == List {
			for _, e := range v {
				if err := complete(e, t.Elem, required, at+"[]"); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// requirements are the paths that a schema requires.
func requirements(schema map[string]any, at string, out map[string]bool, depth int) {
	if depth > 2*maxNesting {
		return
	}
	list, _ := schema["required"].([]any)
	for _, name := range list {
		if name, ok := name.(string); ok {
			out[at+"."+name] = true
		}
	}
	props, _ := schema["properties"].(map[string]any)
	for name, p := range props {
		if p, ok := p.(map[string]any); ok {
			requirements(p, at+"."+name, out, depth+1)
		}
	}
	if items, ok := schema["items"].(map[string]any); ok {
		requirements(items, at+"[]", out, depth+1)
	}
}

// maxVector bounds an embedding.
const maxVector = 16 << 10

func readEmbeddings(_ *step, r *Reply) (map[string]any, error) {
	var a struct {
		Data []struct {
			Index     int       `json:"index"`
			Embedding []float64 `json:"embedding"`
		} `json:"data"`
	}
	if err := json.Unmarshal(r.Body, &a); err != nil || len(a.Data) == 0 || len(a.Data) > maxList {
		return nil, errors.New("the answer holds no embeddings in numbers")
	}
	vectors := make([]any, len(a.Data))
	for i := range a.Data {
		d := &a.Data[i]
		if d.Index < 0 || d.Index >= len(vectors) || len(d.Embedding) > maxVector || vectors[d.Index] != nil {
			return nil, errors.New("the answer holds embeddings out of order, or too long ones")
		}
		v := make([]any, len(d.Embedding))
		for k, x := range d.Embedding {
			v[k] = x
		}
		vectors[d.Index] = v
	}
	return map[string]any{"vector": vectors[0], "vectors": vectors}, nil
}

func readSpeech(_ *step, r *Reply) (map[string]any, error) {
	if len(r.Body) == 0 {
		return nil, errors.New("the answer holds no sound")
	}
	m := NewMedia(r.Type, "", r.Body)
	if !m.is(Audio) {
		m.Type = "audio/mpeg"
	}
	return map[string]any{"audio": m}, nil
}

func readHeard(_ *step, r *Reply) (map[string]any, error) {
	var a struct {
		Text *string `json:"text"`
	}
	if err := json.Unmarshal(r.Body, &a); err != nil || a.Text == nil {
		return nil, errors.New("the answer holds no text")
	}
	if len(*a.Text) > maxAnswerText {
		return nil, fmt.Errorf("the answer is longer than %d bytes", maxAnswerText)
	}
	return map[string]any{"text": *a.Text}, nil
}

func readImages(_ *step, r *Reply) (map[string]any, error) {
	var a struct {
		Data []struct {
			B64 string `json:"b64_json"`
			URL string `json:"url"`
		} `json:"data"`
	}
	if err := json.Unmarshal(r.Body, &a); err != nil || len(a.Data) == 0 || len(a.Data) > maxList {
		return nil, errors.New("the answer holds no pictures")
	}
	images := make([]any, len(a.Data))
	for i, d := range a.Data {
		if d.B64 == "" {
			return nil, errors.New("the answer holds addresses in place of pictures: set params: {response_format: b64_json}")
		}
		b, err := base64.StdEncoding.DecodeString(d.B64)
		if err != nil {
			return nil, errors.New("the answer's base64 cannot be decoded")
		}
		images[i] = NewMedia(http.DetectContentType(b), "", b)
	}
	return map[string]any{"image": images[0], "images": images}, nil
}

func readModeration(_ *step, r *Reply) (map[string]any, error) {
	var a struct {
		Results []struct {
			Flagged    bool            `json:"flagged"`
			Categories map[string]bool `json:"categories"`
		} `json:"results"`
	}
	if err := json.Unmarshal(r.Body, &a); err != nil || len(a.Results) == 0 {
		return nil, errors.New("the answer holds no verdict")
	}
	found := map[string]bool{}
	flagged := false
	for _, v := range a.Results {
		flagged = flagged || v.Flagged
		for name, is := range v.Categories {
			if is {
				found[name] = true
			}
		}
	}
	names := []any{}
	for _, name := range sorted(found) {
		names = append(names, name)
	}
	return map[string]any{"flagged": flagged, "categories": names}, nil
}

func readRerank(_ *step, r *Reply) (map[string]any, error) {
	var a struct {
		Results []struct {
			Index float64 `json:"index"`
			Score float64 `json:"relevance_score"`
		} `json:"results"`
	}
	if err := json.Unmarshal(r.Body, &a); err != nil || len(a.Results) > maxList || !bytes.Contains(r.Body, []byte(`"results"`)) {
		return nil, errors.New("the answer holds no ranking")
	}
	list := make([]any, len(a.Results))
	for i, v := range a.Results {
		list[i] = map[string]any{"index": v.Index, "score": v.Score}
	}
	return map[string]any{"results": list}, nil
}
