package pipeline

import (
	"fmt"
	"math"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// operation is what a step can ask of a model.
type operation struct {
	op      wire.Op
	dialect wire.Dialect
	fields  map[string]field // of with
	result  map[string]*Type // what it gives, beside what all do
	main    string           // the field of result that stands for the whole
	build   func(*step, map[string]any) (*Request, error)
	read    func(*step, *Reply) (map[string]any, error)
}

// field is one thing that an operation is asked.
type field struct {
	types    []*Type // one of these
	required bool
}

var (
	oneText   = []*Type{stringType}
	oneNumber = []*Type{numberType}
	texts     = []*Type{stringType, listOf(stringType)}
)

// operations are those of steps, by name.
var operations = map[string]*operation{
	"chat": {op: wire.OpChat, dialect: wire.OpenAIChat, main: "text",
		fields: map[string]field{"prompt": {types: oneText}, "system": {types: oneText}, "messages": {types: []*Type{listOf(anyType)}},
			"image": {types: []*Type{imageType}}, "images": {types: []*Type{listOf(imageType)}}, "audio": {types: []*Type{audioType}}, "file": {types: []*Type{fileType}},
			"temperature": {types: oneNumber}},
		result: map[string]*Type{"text": stringType, "json": anyType, "finish_reason": stringType},
		build:  buildChat, read: readChat},
	"completions": {op: wire.OpCompletions, dialect: wire.OpenAICompletions, main: "text",
		fields: map[string]field{"prompt": {oneText, true}, "suffix": {types: oneText}, "temperature": {types: oneNumber}},
		result: map[string]*Type{"text": stringType, "finish_reason": stringType},
		build:  buildCompletion, read: readCompletion},
	"embeddings": {op: wire.OpEmbeddings, dialect: wire.OpenAIEmbeddings, main: "vector",
		fields: map[string]field{"input": {texts, true}, "dimensions": {types: oneNumber}},
		result: map[string]*Type{"vector": listOf(numberType), "vectors": listOf(listOf(numberType))},
		build:  buildPlain, read: readEmbeddings},
	"speech": {op: wire.OpSpeech, dialect: wire.OpenAISpeech, main: "audio",
		fields: map[string]field{"input": {oneText, true}, "voice": {types: oneText}, "format": {types: oneText}, "instructions": {types: oneText}, "speed": {types: oneNumber}},
		result: map[string]*Type{"audio": audioType},
		build:  buildSpeech, read: readSpeech},
	"transcription": {op: wire.OpTranscription, dialect: wire.OpenAITranscription, main: "text",
		fields: heardFields, result: map[string]*Type{"text": stringType}, build: buildHeard, read: readHeard},
	"translation": {op: wire.OpTranslation, dialect: wire.OpenAITranslation, main: "text",
		fields: heardFields, result: map[string]*Type{"text": stringType}, build: buildHeard, read: readHeard},
	"images": {op: wire.OpImages, dialect: wire.OpenAIImages, main: "image",
		fields: map[string]field{"prompt": {oneText, true}, "n": {types: oneNumber}, "size": {types: oneText}, "quality": {types: oneText}},
		result: map[string]*Type{"image": imageType, "images": listOf(imageType)},
		build:  buildImages, read: readImages},
	"image-edits": {op: wire.OpImageEdits, dialect: wire.OpenAIImageEdits, main: "image",
		fields: map[string]field{"image": {[]*Type{imageType, listOf(imageType)}, true}, "prompt": {oneText, true}, "mask": {types: []*Type{imageType}},
			"n": {types: oneNumber}, "size": {types: oneText}, "quality": {types: oneText}},
		result: map[string]*Type{"image": imageType, "images": listOf(imageType)},
		build:  buildEdit, read: readImages},
	"moderation": {op: wire.OpModeration, dialect: wire.OpenAIModeration, main: "flagged",
		fields: map[string]field{"input": {texts, true}},
		result: map[string]*Type{"flagged": boolType, "categories": listOf(stringType)},
		build:  buildPlain, read: readModeration},
	"rerank": {op: wire.OpRerank, dialect: wire.CohereRerank, main: "results",
		fields: map[string]field{"query": {oneText, true}, "documents": {[]*Type{listOf(stringType)}, true}, "top_n": {types: oneNumber}},
		result: map[string]*Type{"results": listOf(&Type{Kind: Object, Fields: map[string]*Type{"index": numberType, "score": numberType}})},
		build:  buildPlain, read: readRerank},
}

var heardFields = map[string]field{"file": {[]*Type{audioType}, true}, "language": {types: oneText}, "prompt": {types: oneText}, "temperature": {types: oneNumber}}

// common is what every step gives beside its operation's result.
var common = map[string]*Type{"ok": boolType, "error": stringType, "model": stringType,
	"usage": {Kind: Object, Fields: map[string]*Type{"input_tokens": numberType, "output_tokens": numberType, "total_tokens": numberType}}}

// resultType is what a step of o gives, with the type of its JSON.
func (o *operation) resultType(js *Type) *Type {
	t := &Type{Kind: Object, Fields: map[string]*Type{}}
	for name, f := range common {
		t.Fields[name] = f
	}
	for name, f := range o.result {
		t.Fields[name] = f
	}
	if js != nil {
		t.Fields["json"] = js
	} else if o.op == wire.OpChat {
		delete(t.Fields, "json")
	}
	return t
}

// request is a JSON request with these members and a step's own params.
func request(members map[string]any, params any) (*Request, error) {
	if more, ok := params.(map[string]any); ok {
		for name, v := range more {
			if v != nil { // nothing: it is left out
				members[name] = v
			}
		}
	}
	return &Request{members: members}, nil
}

// maxRequest bounds the body of a step's request.
const maxRequest = 64 << 20

// paramsKey holds what params come to, beside the fields of with.
const paramsKey = "\x00params"

func buildPlain(_ *step, in map[string]any) (*Request, error) {
	members, params := map[string]any{}, in[paramsKey]
	for name, v := range in {
		if name != paramsKey {
			members[name] = v
		}
	}
	return request(members, params)
}

// maxImages is how many pictures one request may ask for.
const maxImages = 10

// pictures checks how many are asked for.
func pictures(in map[string]any) error {
	n, has := in["n"].(float64)
	if has && (n < 1 || n > maxImages || n != math.Trunc(n)) {
		return fmt.Errorf("n is %v: give a whole number from 1 to %d", n, maxImages)
	}
	return nil
}

func buildImages(s *step, in map[string]any) (*Request, error) {
	if err := pictures(in); err != nil {
		return nil, err
	}
	return buildPlain(s, in)
}

func buildCompletion(s *step, in map[string]any) (*Request, error) {
	if s.spec.MaxTokens > 0 {
		in["max_tokens"] = s.spec.MaxTokens
	}
	return buildPlain(s, in)
}

func buildSpeech(s *step, in map[string]any) (*Request, error) {
	if format, has := in["format"]; has {
		delete(in, "format")
		in["response_format"] = format
	}
	if _, has := in["voice"]; !has {
		in["voice"] = "alloy"
	}
	return buildPlain(s, in)
}

func buildChat(s *step, in map[string]any) (*Request, error) {
	members := map[string]any{}
	var messages []any
	if system, _ := in["system"].(string); system != "" {
		messages = append(messages, map[string]any{"role": "system", "content": system})
	}
	if more, ok := in["messages"].([]any); ok {
		messages = append(messages, more...)
	}
	if content := userContent(in); content != nil {
		messages = append(messages, map[string]any{"role": "user", "content": content})
	}
	if len(messages) == 0 {
		return nil, fmt.Errorf("there is nothing to ask: its prompt and messages are empty")
	}
	members["messages"] = messages
	if t, has := in["temperature"]; has {
		members["temperature"] = t
	}
	if s.spec.MaxTokens > 0 {
		members["max_tokens"] = s.spec.MaxTokens
	}
	if s.format != nil {
		members["response_format"] = s.format
	}
	return request(members, in[paramsKey])
}

// userContent is the last message: a text, or parts where there is more. nil:
// there is none.
func userContent(in map[string]any) any {
	prompt, _ := in["prompt"].(string)
	var parts []any
	add := func(m *Media, f func(*Media) map[string]any) {
		if m != nil {
			parts = append(parts, f(m))
		}
	}
	image, _ := in["image"].(*Media)
	add(image, imagePart)
	if list, ok := in["images"].([]any); ok {
		for _, e := range list {
			m, _ := e.(*Media)
			add(m, imagePart)
		}
	}
	sound, _ := in["audio"].(*Media)
	add(sound, soundPart)
	file, _ := in["file"].(*Media)
	add(file, filePart)
	switch {
	case len(parts) == 0 && prompt == "":
		return nil
	case len(parts) == 0:
		return prompt
	case prompt != "":
		parts = append([]any{map[string]any{"type": "text", "text": prompt}}, parts...)
	}
	return parts
}

func imagePart(m *Media) map[string]any {
	return map[string]any{"type": "image_url", "image_url": map[string]any{"url": dataURL{m}}}
}

func soundPart(m *Media) map[string]any {
	return map[string]any{"type": "input_audio", "input_audio": map[string]any{"data": inBase64{m}, "format": m.extension()}}
}

func filePart(m *Media) map[string]any {
	name := m.Name
	if name == "" {
		name = "file"
	}
	return map[string]any{"type": "file", "file": map[string]any{"filename": name, "file_data": dataURL{m}}}
}
