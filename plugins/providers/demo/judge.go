package main

import (
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/valyala/fastjson"
)

const (
	moderateModel = "moderate"
	rerankModel   = "rerank"
)

// categories are those of OpenAI's moderation.
var categories = []string{"harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent",
	"self-harm", "self-harm/instructions", "self-harm/intent", "sexual", "sexual/minors", "violence", "violence/graphic"}

// moderate flags a category when the text has its name.
func (d *demo) moderate(r *provider.Request, w *provider.Writer) error {
	body, c, name, err := d.begin(r, moderateModel)
	if err != nil {
		return err
	}
	texts, err := moderated(body.Get("input"))
	if err != nil {
		return err
	}
	out := append(append([]byte(`{"id":"modr-`), r.ID()...), `","model":`...)
	out = append(quote(out, name), `,"results":[`...)
	size := 0
	for i, text := range texts {
		if i > 0 {
			out = append(out, ',')
		}
		out = judged(out, strings.ToLower(text))
		size += len(text)
	}
	w.Usage(wire.Usage{Input: max(tokens(size), 1)})
	return reply(w, &c, append(out, "]}"...))
}

// moderated reads a text, texts, or parts, which are judged as one.
func moderated(v *fastjson.Value) ([]string, error) {
	list := v.GetArray()
	if len(list) == 0 || list[0].Type() != fastjson.TypeObject {
		return inputs(v)
	}
	var all []string
	for _, part := range list {
		all = append(all, string(part.GetStringBytes("text")))
	}
	return []string{strings.Join(all, " ")}, nil
}

func judged(dst []byte, text string) []byte {
	flagged := false
	for _, c := range categories {
		flagged = flagged || strings.Contains(text, c)
	}
	dst = strconv.AppendBool(append(dst, `{"flagged":`...), flagged)
	for _, part := range []struct{ member, yes, no string }{
		{"categories", "true", "false"}, {"category_scores", "0.99", "0.01"}, {"category_applied_input_types", `["text"]`, `["text"]`},
	} {
		dst = append(append(append(dst, `,"`...), part.member...), `":{`...)
		for i, c := range categories {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(quote(dst, c), ':')
			if strings.Contains(text, c) {
				dst = append(dst, part.yes...)
			} else {
				dst = append(dst, part.no...)
			}
		}
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

// rerank scores a document by the share of the query's words that it has.
func (d *demo) rerank(r *provider.Request, w *provider.Writer) error {
	body, c, _, err := d.begin(r, rerankModel)
	if err != nil {
		return err
	}
	query := words(string(body.GetStringBytes("query")))
	if len(query) == 0 {
		return invalid("query", "a text")
	}
	documents := body.GetArray("documents")
	if len(documents) == 0 || len(documents) > 1000 {
		return invalid("documents", "1 to 1000 texts")
	}
	ranked := make([]ranking, len(documents))
	for i, doc := range documents {
		text := string(doc.GetStringBytes())
		if doc.Type() == fastjson.TypeObject {
			text = string(doc.GetStringBytes("text"))
		}
		ranked[i] = ranking{i, overlap(query, words(text)), text}
	}
	slices.SortStableFunc(ranked, func(a, b ranking) int { return b.hits - a.hits })
	if n := body.GetInt("top_n"); n > 0 && n < len(ranked) {
		ranked = ranked[:n]
	}
	out := append(append([]byte(`{"id":"`), r.ID()...), `","results":[`...)
	for i, k := range ranked {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendInt(append(out, `{"index":`...), int64(k.index), 10)
		out = strconv.AppendFloat(append(out, `,"relevance_score":`...), float64(k.hits)/float64(len(query)), 'f', 4, 64)
		if body.GetBool("return_documents") {
			out = append(quote(append(out, `,"document":{"text":`...), k.text), '}')
		}
		out = append(out, '}')
	}
	w.Usage(wire.Usage{Searches: 1})
	return reply(w, &c, append(out, `],"meta":{"api_version":{"version":"2"},"billed_units":{"search_units":1}}}`...))
}

type ranking struct {
	index, hits int
	text        string
}

func words(s string) map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		out[w] = true
	}
	return out
}

func overlap(a, b map[string]bool) (n int) {
	for w := range a {
		if b[w] {
			n++
		}
	}
	return n
}
