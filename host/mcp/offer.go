package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// What one server may offer at most: what is beyond is left out.
const (
	mostOffered = 512
	mostPages   = 64
	maxOffered  = 64 << 10 // bytes of the description of one
	maxName     = 64       // what models' APIs take as the name of a tool
	maxProblems = 16
)

// offer is what a server has said that it offers, as far as it can be used.
type offer struct {
	tools     []*sdk.Tool // by the server's own names
	names     []string    // theirs, as callers see them
	prompts   []*sdk.Prompt
	resources []*sdk.Resource
	templates []*sdk.ResourceTemplate
	problems  []string
}

func (o *offer) same(p *offer) bool { return p != nil && reflect.DeepEqual(o, p) }

func (o *offer) problem(format string, args ...any) {
	if len(o.problems) < maxProblems {
		o.problems = append(o.problems, fmt.Sprintf(format, args...))
	}
}

// list asks the server for all that it offers.
func (s *server) list(ctx context.Context, session *sdk.ClientSession) (*offer, error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	o := &offer{}
	caps := session.InitializeResult().Capabilities
	if caps == nil {
		return o, nil
	}
	var errs []error
	if caps.Tools != nil {
		errs = append(errs, pages(o, "tools", func(at string) ([]*sdk.Tool, string, error) {
			r, err := session.ListTools(ctx, &sdk.ListToolsParams{Cursor: at})
			if err != nil {
				return nil, "", err
			}
			return r.Tools, r.NextCursor, nil
		}, s.tool))
	}
	if caps.Prompts != nil {
		errs = append(errs, pages(o, "prompts", func(at string) ([]*sdk.Prompt, string, error) {
			r, err := session.ListPrompts(ctx, &sdk.ListPromptsParams{Cursor: at})
			if err != nil {
				return nil, "", err
			}
			return r.Prompts, r.NextCursor, nil
		}, func(o *offer, p *sdk.Prompt) { o.prompts = append(o.prompts, p) }))
	}
	if caps.Resources != nil {
		errs = append(errs, s.listResources(ctx, session, o)...)
	}
	return o, errors.Join(errs...)
}

func (s *server) listResources(ctx context.Context, session *sdk.ClientSession, o *offer) []error {
	err := pages(o, "resources", func(at string) ([]*sdk.Resource, string, error) {
		r, err := session.ListResources(ctx, &sdk.ListResourcesParams{Cursor: at})
		if err != nil {
			return nil, "", err
		}
		return r.Resources, r.NextCursor, nil
	}, func(o *offer, r *sdk.Resource) { o.resources = append(o.resources, r) })
	terr := pages(o, "resource templates", func(at string) ([]*sdk.ResourceTemplate, string, error) {
		r, err := session.ListResourceTemplates(ctx, &sdk.ListResourceTemplatesParams{Cursor: at})
		if err != nil {
			return nil, "", err
		}
		return r.ResourceTemplates, r.NextCursor, nil
	}, func(o *offer, r *sdk.ResourceTemplate) { o.templates = append(o.templates, r) })
	var own *jsonrpc.Error
	if errors.As(terr, &own) && own.Code == jsonrpc.CodeMethodNotFound { // who has resources need not have templates
		terr = nil
	}
	return []error{err, terr}
}

// pages takes what a server lists, page by page, within bounds.
func pages[T any](o *offer, what string, next func(cursor string) ([]*T, string, error), take func(*offer, *T)) error {
	cursor, n := "", 0
	for range mostPages {
		list, at, err := next(cursor)
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		for _, one := range list {
			if one == nil {
				continue
			}
			if n++; n > mostOffered {
				o.problem("it lists more than %d %s: those beyond are left out", mostOffered, what)
				return nil
			}
			if b, err := json.Marshal(one); err != nil || len(b) > maxOffered {
				o.problem("one of its %s takes more than %d bytes to describe: it is left out", what, maxOffered)
				continue
			}
			take(o, one)
		}
		if cursor = at; cursor == "" {
			return nil
		}
	}
	o.problem("it lists its %s on more than %d pages: those beyond are left out", what, mostPages)
	return nil
}

// tool takes a tool if callers can be offered it.
func (s *server) tool(o *offer, t *sdk.Tool) {
	if !s.spec.offers(t.Name) {
		return
	}
	name := s.spec.Name + separator + plain(t.Name)
	switch {
	case t.Name == "":
		o.problem("one of its tools has no name: it is left out")
	case t.Name == prompts || t.Name == resources: // keys and policy know those by this name
		o.problem("a tool is called %q, which is the name of all of its %s here: it is left out", t.Name, t.Name)
	case len(name) > maxName:
		o.problem("tool %q would be called %q, more than %d characters: it is left out, give the server a shorter name", clip(t.Name, maxName), clip(name, 2*maxName), maxName)
	case slices.Contains(o.names, name):
		o.problem("two of its tools would be called %q: the second, %q, is left out", name, t.Name)
	default:
		o.tools, o.names = append(o.tools, t), append(o.names, name)
	}
}

// plain is name in the characters that all models' APIs take.
func plain(name string) string {
	b := []byte(name)
	for i, c := range b {
		if c != '_' && c != '-' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			b[i] = '_'
		}
	}
	return string(b)
}
