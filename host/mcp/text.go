package mcp

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// Text is something that is said to a server or by one, and can be replaced
// where it stands: either words or JSON.
type Text struct {
	Words *string
	JSON  *json.RawMessage
}

// Said is what it says.
func (t Text) Said() []byte {
	if t.JSON != nil {
		return *t.JSON
	}
	return []byte(*t.Words)
}

// Put replaces it.
func (t Text) Put(said []byte) {
	if t.JSON != nil {
		*t.JSON = said
		return
	}
	*t.Words = string(said)
}

func words(list ...*string) (texts []Text) {
	for _, w := range list {
		texts = append(texts, Text{Words: w})
	}
	return texts
}

// asJSON makes value JSON that can be replaced.
func asJSON(texts []Text, value *any) []Text {
	if *value == nil {
		return texts
	}
	b, err := json.Marshal(*value)
	if err != nil {
		panic("BUG: cannot marshal what has come as JSON; got " + err.Error())
	}
	raw := json.RawMessage(b)
	*value = &raw
	return append(texts, Text{JSON: &raw})
}

// Talk is one use of a server by a caller.
type Talk struct {
	Said []Text // to the server
	// Do carries it out. Quiet: no words of what the server says meanwhile reach
	// the caller.
	Do func(ctx context.Context, quiet bool) error
	// Heard is what the server has said, once it is done.
	Heard func() []Text
}

func resultTexts(r *sdk.CallToolResult) []Text {
	return asJSON(contentTexts(r.Content...), &r.StructuredContent)
}

func contentTexts(list ...sdk.Content) (texts []Text) {
	for _, one := range list {
		switch c := one.(type) {
		case *sdk.TextContent:
			texts = append(texts, words(&c.Text)...)
		case *sdk.EmbeddedResource:
			texts = append(texts, resourceTexts(c.Resource)...)
		case *sdk.ResourceLink:
			texts = append(texts, words(&c.Name, &c.Title, &c.Description)...)
		case *sdk.ImageContent, *sdk.AudioContent:
		default:
			panic(fmt.Sprintf("BUG: unknown content of a tool server; got %T", one))
		}
	}
	return texts
}

func resourceTexts(list ...*sdk.ResourceContents) (texts []Text) {
	for _, r := range list {
		if r != nil {
			texts = append(texts, words(&r.Text)...)
		}
	}
	return texts
}

func promptTexts(r *sdk.GetPromptResult) []Text {
	texts := words(&r.Description)
	for _, m := range r.Messages {
		texts = append(texts, contentTexts(m.Content)...)
	}
	return texts
}

// What lists say of an item. It is the item's own from then on: what is shown to
// others stays.

func aboutTool(t *sdk.Tool) []Text {
	texts := words(&t.Title, &t.Description)
	if t.Annotations != nil {
		own := *t.Annotations
		t.Annotations = &own
		texts = append(texts, words(&own.Title)...)
	}
	return asJSON(asJSON(texts, &t.InputSchema), &t.OutputSchema)
}

func aboutPrompt(p *sdk.Prompt) []Text {
	texts := words(&p.Title, &p.Description)
	p.Arguments = slices.Clone(p.Arguments)
	for i, a := range p.Arguments {
		own := *a
		p.Arguments[i] = &own
		texts = append(texts, words(&own.Title, &own.Description)...)
	}
	return texts
}

func aboutResource(r *sdk.Resource) []Text { return words(&r.Title, &r.Description) }

func aboutTemplate(r *sdk.ResourceTemplate) []Text { return words(&r.Title, &r.Description) }
