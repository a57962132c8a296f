package mcp

import (
	"fmt"
	"sync"
	"sync/atomic"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Item is something of a server that callers use: a tool, a prompt, or its
// resources.
type Item struct {
	Server string
	Tool   string // by the name that callers see, without the server's; "": it is no tool
	Name   string // that callers give: SERVER__TOOL
	// Model stands for it where requests name a model: mcp/SERVER/TOOL, and
	// mcp/SERVER/ with "prompts" or "resources" behind it.
	Model *call.Model
	Price int64 // nano-dollars a call

	server *server
	own    string // the server's name for it
	told   atomic.Pointer[string]
}

// Told reports whether text is other than what was told of it last.
func (it *Item) Told(text string) bool {
	was := it.told.Swap(&text)
	return was == nil || *was != text
}

// shelf puts what servers offer on the SDK's server, and takes it off again.
type shelf struct {
	servers *Servers
	sdk     *sdk.Server
	door    *Door

	mu     sync.Mutex
	models map[string]*call.Model // budgets know what they count by these
	shown  map[*server]*offer
	items  map[string]*Item // tools and prompts by kind and name, resources by URI
}

func newShelf(d *Door) *shelf {
	return &shelf{servers: d.servers, sdk: d.sdk, door: d, models: map[string]*call.Model{}, shown: map[*server]*offer{}, items: map[string]*Item{}}
}

// maxModels is how many names are remembered: servers can think of many.
const maxModels = 16 << 10

func (s *shelf) model(name string) *call.Model {
	m := s.models[name]
	if m == nil {
		if len(s.models) >= maxModels {
			clear(s.models)
		}
		m = &call.Model{Name: name}
		s.models[name] = m
	}
	return m
}

// What stands in the place of a tool's name for what a server has beside tools.
const (
	prompts   = "prompts"
	resources = "resources"
)

// What an item is, in the keys of items.
const (
	kindTool     = "tool "
	kindPrompt   = "prompt "
	kindResource = "resource "
	kindTemplate = "template "
)

// stock makes the shelf what servers offer now.
func (s *shelf) stock() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := map[*server]*offer{}
	for _, sv := range s.servers.all() {
		sv.mu.Lock()
		if sv.offer != nil {
			now[sv] = sv.offer
		}
		sv.mu.Unlock()
	}
	for sv, o := range s.shown {
		if now[sv] != o {
			s.clear(sv)
			delete(s.shown, sv)
		}
	}
	for _, sv := range s.servers.all() { // by name: of two that offer one URI the first has it
		if o := now[sv]; o != nil && s.shown[sv] == nil {
			s.fill(sv, o)
			s.shown[sv] = o
		}
	}
}

// clear takes off what sv had.
func (s *shelf) clear(sv *server) {
	for key, it := range s.items {
		if it.server != sv {
			continue
		}
		delete(s.items, key)
		for kind, remove := range map[string]func(...string){kindTool: s.sdk.RemoveTools, kindPrompt: s.sdk.RemovePrompts,
			kindResource: s.sdk.RemoveResources, kindTemplate: s.sdk.RemoveResourceTemplates} {
			if len(key) > len(kind) && key[:len(kind)] == kind {
				remove(key[len(kind):])
			}
		}
	}
}

func (s *shelf) fill(sv *server, o *offer) {
	for i, t := range o.tools {
		it := &Item{Server: sv.spec.Name, Name: o.names[i], Tool: o.names[i][len(sv.spec.Name)+len(separator):], Price: sv.spec.priceOf(t.Name), server: sv, own: t.Name}
		it.Model = s.model("mcp/" + sv.spec.Name + "/" + it.Tool)
		shown := *t
		shown.Name = it.Name
		if shown.InputSchema == nil {
			shown.InputSchema = map[string]any{"type": "object"}
		}
		s.put(kindTool, it, func() { s.sdk.AddTool(&shown, s.door.toolHandler(it)) })
	}
	for _, p := range o.prompts {
		it := &Item{Server: sv.spec.Name, Name: sv.spec.Name + separator + p.Name, Model: s.model("mcp/" + sv.spec.Name + "/" + prompts), server: sv, own: p.Name}
		shown := *p
		shown.Name = it.Name
		s.put(kindPrompt, it, func() { s.sdk.AddPrompt(&shown, s.door.promptHandler(it)) })
	}
	for _, r := range o.resources {
		it := &Item{Server: sv.spec.Name, Name: r.URI, Model: s.model("mcp/" + sv.spec.Name + "/" + resources), server: sv, own: r.URI}
		s.put(kindResource, it, func() { s.sdk.AddResource(r, s.door.resourceHandler(it)) })
	}
	for _, r := range o.templates {
		it := &Item{Server: sv.spec.Name, Name: r.URITemplate, Model: s.model("mcp/" + sv.spec.Name + "/" + resources), server: sv, own: r.URITemplate}
		s.put(kindTemplate, it, func() { s.sdk.AddResourceTemplate(r, s.door.resourceHandler(it)) })
	}
}

// put shows an item. The SDK takes what it cannot use for a mistake of the
// program's and panics, here it is the server's.
func (s *shelf) put(kind string, it *Item, show func()) {
	defer func() {
		if p := recover(); p != nil {
			delete(s.items, kind+it.Name)
			s.refuse(it, fmt.Sprint(p))
		}
	}()
	if other := s.items[kind+it.Name]; other != nil {
		s.refuse(it, fmt.Sprintf("%s%q is offered by server %q already", kind, clip(it.Name, maxText), other.Server))
		return
	}
	s.items[kind+it.Name] = it
	show()
}

func (s *shelf) refuse(it *Item, why string) {
	it.server.log.Warn("tool server offers what cannot be used", "problem", clip(why, maxFailure))
}

// item finds what callers call name.
func (s *shelf) item(kind, name string) *Item {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.items[kind+name]
}
