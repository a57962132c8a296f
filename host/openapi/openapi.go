// Package openapi holds the OpenAPI documents of both addresses: what callers
// with keys can ask for, and what administrators can.
package openapi

import (
	"embed"
	"encoding/json"
	"fmt"
	"maps"
	"sync"

	"go.yaml.in/yaml/v3"
)

//go:embed *.yaml
var files embed.FS

// Data is the document of the data address, as JSON.
var Data = sync.OnceValue(func() []byte { return encode("data.yaml") })

// Admin is the document of the admin address, as JSON. Its paths and schemas
// lie in several files, by what they are about.
var Admin = sync.OnceValue(func() []byte {
	return encode("admin.yaml", "admin-usage.yaml", "admin-keys.yaml", "admin-modules.yaml", "admin-policy.yaml", "admin-node.yaml", "admin-work.yaml")
})

// encode turns a document, which tests have read, into JSON. What files behind
// the first have beside paths and components is nothing of it.
func encode(names ...string) []byte {
	var doc map[string]any
	for i, name := range names {
		part, err := read(name)
		if err != nil {
			panic(fmt.Sprintf("BUG: cannot read an OpenAPI document: %v", err))
		}
		if i == 0 {
			doc = part
			continue
		}
		merge(doc, part, "paths")
		for kind := range object(part, "components") {
			merge(object(doc, "components"), object(part, "components"), kind)
		}
	}
	text, err := json.Marshal(doc)
	if err != nil {
		panic(fmt.Sprintf("BUG: cannot encode an OpenAPI document: %v", err))
	}
	return text
}

func read(name string) (map[string]any, error) {
	text, err := files.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var part map[string]any
	if err := yaml.Unmarshal(text, &part); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return part, nil
}

func object(in map[string]any, name string) map[string]any {
	out, _ := in[name].(map[string]any)
	return out
}

// merge adds what part has under name to doc.
func merge(doc, part map[string]any, name string) {
	all := object(doc, name)
	if all == nil {
		all = map[string]any{}
		doc[name] = all
	}
	maps.Copy(all, object(part, name))
}
