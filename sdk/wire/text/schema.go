package text

import (
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"
)

// schemaPaths are where requests say what form their answers are to have.
var schemaPaths = [wire.NumDialects][][]string{
	wire.OpenAIChat:        {{"responseformat", "jsonschema", "schema"}},
	wire.OpenAIResponses:   {{"text", "format", "schema"}},
	wire.AnthropicMessages: {{"outputconfig", "format", "schema"}, {"outputformat", "schema"}},
	wire.GeminiGenerate:    {{"generationconfig", "responsejsonschema"}, {"generationconfig", "responseschema"}},
}

// Schema is the JSON schema that a request asks its answer to follow, nil if it
// asks for none. Google's own schemas write types in capitals, and nullable.
func Schema(d wire.Dialect, body []byte) []byte {
	if d >= wire.NumDialects {
		return nil
	}
	for _, path := range schemaPaths[d] {
		r := lex.New(body)
		if found := descend(&r, path); found != nil {
			return found
		}
	}
	return nil
}

// descend takes the object at path, nil when there is none.
func descend(r *lex.Reader, path []string) []byte {
	if r.Kind() != '{' {
		return nil
	}
	if len(path) == 0 {
		return r.Skip()
	}
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		if is(r.Name(), path[0]) {
			if found := descend(r, path[1:]); found != nil {
				return found
			}
		}
	}
	return nil
}
