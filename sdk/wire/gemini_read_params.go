package wire

import (
	"bytes"
	"slices"
	"strings"
)

const geminiConfig = "generationConfig."

// geminiConfigMembers reads the members of generationConfig.
var geminiConfigMembers = map[string]func(*geminiRequest){
	"maxOutputTokens":    func(g *geminiRequest) { g.q.maxTokens = g.whole() },
	"temperature":        func(g *geminiRequest) { g.q.temperature = g.number() },
	"topP":               func(g *geminiRequest) { g.q.topP = g.number() },
	"topK":               func(g *geminiRequest) { g.q.topK = wholeNumber(g.number()) },
	"stopSequences":      func(g *geminiRequest) { g.q.stop = g.raws() },
	"seed":               func(g *geminiRequest) { g.q.give(seedParam, geminiConfig+"seed", g.number()) },
	"presencePenalty":    func(g *geminiRequest) { g.q.give(presencePenaltyParam, geminiConfig+"presencePenalty", g.number()) },
	"frequencyPenalty":   func(g *geminiRequest) { g.q.give(frequencyPenaltyParam, geminiConfig+"frequencyPenalty", g.number()) },
	"responseLogprobs":   func(g *geminiRequest) { g.q.give(logprobsParam, geminiConfig+"responseLogprobs", g.boolean()) },
	"logprobs":           func(g *geminiRequest) { g.q.give(topLogprobsParam, geminiConfig+"logprobs", g.number()) },
	"candidateCount":     (*geminiRequest).candidateCount,
	"responseMimeType":   (*geminiRequest).responseMimeType,
	"responseSchema":     func(g *geminiRequest) { g.format().schema = jsonSchema(g.skipObject()) },
	"responseJsonSchema": func(g *geminiRequest) { g.format().schema = g.skipObject() },
	"responseFormat":     (*geminiRequest).responseFormat,
	"responseModalities": (*geminiRequest).responseModalities,
	"thinkingConfig":     (*geminiRequest).thinkingConfig,
}

func (g *geminiRequest) generationConfig() {
	m, ok := g.object()
	for ok && g.key(m) {
		name := camel(g.Name())
		if read := geminiConfigMembers[name]; read != nil {
			read(g)
		} else if !g.idle() {
			g.q.drop(geminiConfig + name)
		}
	}
	if f := g.q.format; ok && f != nil && f.asked == "" { // a schema without its type has no effect
		f.asked = geminiConfig + "responseSchema"
	}
}

// wholeNumber is n without a fraction of zeros, which clients send that hold it as a float.
func wholeNumber(n []byte) []byte {
	if head, tail, ok := bytes.Cut(n, []byte(".")); ok && len(bytes.Trim(tail, "0")) == 0 {
		return head
	}
	return n
}

func (g *geminiRequest) candidateCount() {
	if n := g.whole(); n > 1 {
		g.q.give(answersParam, geminiConfig+"candidateCount", appendInt(nil, n))
	}
}

// format is the output format, made when it is first spoken of.
func (g *geminiRequest) format() *outputFormat {
	if g.q.format == nil {
		g.q.format = &outputFormat{name: raw("output")}
	}
	return g.q.format
}

func (g *geminiRequest) responseMimeType() {
	switch w := g.word(); w {
	case "", "text/plain":
	case "application/json":
		g.format().asked = geminiConfig + "responseMimeType"
	default: // text/x.enum
		g.q.drop(geminiConfig + "responseMimeType")
	}
}

// responseFormat takes the list that replaces the members above.
func (g *geminiRequest) responseFormat() {
	m, ok := g.array()
	for i := 0; ok && g.elem(m, i); i++ {
		for fm, ok := g.object(); ok && g.key(fm); {
			name := camel(g.Name())
			if name != "text" {
				if !g.idle() {
					g.q.drop(geminiConfig + "responseFormat." + name)
				}
				continue
			}
			for tm, ok := g.object(); ok && g.key(tm); {
				switch camel(g.Name()) {
				case "mimeType":
					if w := strings.ToLower(g.word()); w == "application/json" || w == "application_json" {
						g.format().asked = geminiConfig + "responseFormat"
					}
				case "schema":
					if s := g.skipObject(); s != nil {
						g.format().schema = s
					}
				}
			}
		}
	}
}

func (g *geminiRequest) responseModalities() {
	for _, m := range g.raws() {
		if w := strings.ToUpper(string(m)); w != "TEXT" && w != "MODALITY_UNSPECIFIED" {
			g.q.drop(geminiConfig + "responseModalities." + w)
		}
	}
}

func (g *geminiRequest) thinkingConfig() {
	t := &g.q.thinking
	t.asked = geminiConfig + "thinkingConfig"
	m, ok := g.object()
	for ok && g.key(m) {
		switch name := camel(g.Name()); name {
		case "thinkingBudget":
			n, whole := g.Int()
			switch {
			case !whole:
				g.wrongType("a whole number")
			case n == 0:
				t.off = true
			case n < 0:
				t.on = true
			default:
				t.budget = min(n, maxCount)
			}
		case "thinkingLevel":
			w := strings.ToLower(g.word())
			if _, known := geminiLevels[w]; known {
				t.effort = w
			} else if w != "" && w != "thinking_level_unspecified" {
				g.q.drop(geminiNames.effort)
			}
		case "includeThoughts":
			if t.show = hidden; g.flag() {
				t.show = shown
			}
		default:
			if !g.idle() {
				g.q.drop(geminiConfig + "thinkingConfig." + name)
			}
		}
	}
	if t.show == shown && !t.set() {
		t.on = true
	}
}

func (g *geminiRequest) tool() {
	m, ok := g.object()
	for ok && g.key(m) {
		if name := camel(g.Name()); name != "functionDeclarations" {
			g.Skip() // googleSearch, codeExecution: Google's own, {} asks for them
			g.q.drop("tools." + name)
			continue
		}
		g.each(g.function)
	}
}

func (g *geminiRequest) function() {
	var t tool
	m, ok := g.object()
	for ok && g.key(m) {
		switch name := camel(g.Name()); name {
		case "name":
			t.name = g.raw()
		case "description":
			t.description = g.raw()
		case "parameters":
			if s := g.skipObject(); s != nil {
				t.schema = jsonSchema(s)
			}
		case "parametersJsonSchema":
			if s := g.skipObject(); s != nil {
				t.schema = s
			}
		default: // response, behavior
			if !g.idle() {
				g.q.drop("tools.functionDeclarations." + name)
			}
		}
	}
	g.path = g.path[:m]
	g.need(t.name, "name")
	g.q.tools = append(g.q.tools, t)
}

func (g *geminiRequest) toolConfig() {
	m, ok := g.object()
	for ok && g.key(m) {
		name := camel(g.Name())
		if name != "functionCallingConfig" {
			if !g.idle() {
				g.q.drop("toolConfig." + name)
			}
			continue
		}
		for fm, ok := g.object(); ok && g.key(fm); {
			switch name := camel(g.Name()); name {
			case "mode":
				g.mode()
			case "allowedFunctionNames":
				g.allowed = g.raws()
			default:
				if !g.idle() {
					g.q.drop("toolConfig.functionCallingConfig." + name)
				}
			}
		}
	}
}

func (g *geminiRequest) mode() {
	switch w := strings.ToUpper(g.word()); w {
	case "", "MODE_UNSPECIFIED":
	case "AUTO":
		g.q.choice.mode = chooseAuto
	case "VALIDATED":
		g.q.choice.mode, g.checked = chooseAuto, true
	case "ANY":
		g.q.choice.mode = chooseAny
	case "NONE":
		g.q.choice.mode = chooseNone
	default:
		g.fault("invalid_value", `is %q; want "AUTO", "ANY", "NONE" or "VALIDATED"`, w)
	}
}

// choose brings modes and allowed names together once all is read: one name is
// a choice, several leave the model those functions alone.
func (g *geminiRequest) choose() {
	q := g.q
	for i := range q.tools {
		q.tools[i].strict = g.checked
	}
	if len(g.allowed) == 0 || q.choice.mode != chooseAny && !g.checked {
		return
	}
	if len(g.allowed) == 1 && q.choice.mode == chooseAny {
		q.choice = toolChoice{chooseOne, g.allowed[0]}
		return
	}
	q.tools = slices.DeleteFunc(q.tools, func(t tool) bool {
		return !slices.ContainsFunc(g.allowed, func(n raw) bool { return bytes.Equal(n, t.name) })
	})
}
