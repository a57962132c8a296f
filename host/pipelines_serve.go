package host

import (
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/auth"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/pipeline"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

const jsonType = "application/json"

// servePipeline serves /v1/pipelines.
func (h *Host) servePipeline(f *flight) (call.Answer, *wire.Error) {
	path, query, _ := strings.Cut(f.Path, "?")
	name := strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/")
	q, err := url.ParseQuery(query)
	if err != nil {
		return call.Answer{}, wire.Errorf(400, "invalid_query", "the query cannot be read: %v", err)
	}
	switch {
	case f.Method == "GET" && name == "":
		return h.listPipelines(f)
	case f.Method == "GET":
		p := f.gen.pipelines[name]
		if p == nil || auth.PermitModel(f.Principal, p.model.Name) != nil {
			return call.Answer{}, f.gen.noPipeline(f.Principal, name)
		}
		return jsonAnswer(p.Shown())
	case name == "":
		return call.Answer{}, wire.Errorf(404, "unknown_path", "pipelines are run by POST /v1/pipelines/{name}: GET /v1/pipelines lists them")
	}
	return h.postPipeline(f, name, q)
}

func jsonAnswer(v any) (call.Answer, *wire.Error) {
	b, err := json.Marshal(v)
	if err != nil {
		return call.Answer{}, wire.Errorf(500, "internal_error", "the answer cannot be written: %v", err)
	}
	return call.Answer{Status: 200, ContentType: jsonType, Body: b}, nil
}

func (h *Host) listPipelines(f *flight) (call.Answer, *wire.Error) {
	out := struct {
		Object string           `json:"object"`
		Data   []pipeline.Shown `json:"data"`
	}{"list", []pipeline.Shown{}}
	for _, name := range sortedNames(f.gen.pipelines) {
		if p := f.gen.pipelines[name]; auth.PermitModel(f.Principal, p.model.Name) == nil {
			out.Data = append(out.Data, p.Shown())
		}
	}
	return jsonAnswer(out)
}

// postPipeline runs a pipeline, or tells what running it could cost.
func (h *Host) postPipeline(f *flight, name string, q url.Values) (call.Answer, *wire.Error) {
	p, err := h.enterPipeline(f, name)
	if err != nil {
		return call.Answer{}, err
	}
	dry, stream := q.Get("dry_run") == "true", q.Get("stream") == "true"
	body, err := h.bodyOf(f)
	if err != nil {
		return call.Answer{}, err
	}
	if dry && len(bytes.TrimSpace(body)) == 0 {
		return h.planPipeline(f, p)
	}
	inputs, options, err := p.Body(f.ContentType, body)
	if err != nil {
		return call.Answer{}, err
	}
	for name, at := range map[string]*bool{"dry_run": &dry, "stream": &stream} {
		if v, has := options[name]; has {
			is, ok := v.(bool)
			if !ok {
				e := wire.Errorf(400, "invalid_type", "%s must be true or false", name)
				e.Param = name
				return call.Answer{}, e
			}
			*at = is
		}
	}
	switch {
	case dry:
		return h.planPipeline(f, p)
	case stream:
		return h.streamRun(f, p, inputs, &runEvents{})
	}
	rec, err := h.runPipeline(f, p, inputs)
	if err = h.leavePipeline(f, rec, err); err != nil {
		return call.Answer{}, err
	}
	out, err := rec.Append(nil)
	return call.Answer{Status: 200, ContentType: jsonType, Body: out}, err
}

func (h *Host) planPipeline(f *flight, p *pipelineModel) (call.Answer, *wire.Error) {
	f.Model = nil // its record is none of a run
	return jsonAnswer(p.Plan(bounds{f.gen}))
}

// bodyOf is the whole of f's body.
func (h *Host) bodyOf(f *flight) ([]byte, *wire.Error) {
	if f.Upload == nil {
		return f.Body, nil
	}
	n := f.Upload.Size()
	if most := int64(f.gen.cfg.Limits.MaxBody); n > most {
		return nil, wire.Errorf(413, "body_too_large", "what a pipeline is given is held in memory: it is larger than limits.max_body allows (%d bytes)", most)
	}
	var b bytes.Buffer
	b.Grow(int(n))
	if err := f.Upload.Send(&b, 0, n); err != nil {
		return nil, wire.Errorf(500, "internal_error", "the request's body cannot be read again")
	}
	return b.Bytes(), nil
}

// runPipeline runs p to its end, or until the caller leaves.
func (h *Host) runPipeline(f *flight, p *pipelineModel, inputs map[string]any) (*pipeline.Record, *wire.Error) {
	ctx, cancel := f.untilGone(p.Deadline())
	defer cancel()
	return p.Run(ctx, f.ID.String(), inputs, &stepCaller{host: h, f: f, p: p}, pipeline.Watch{Panic: h.stepPanicked(f)})
}

// stepPanicked tells of a panic in a step of f's run.
func (h *Host) stepPanicked(f *flight) func(step string, what any, stack []byte) {
	id := f.ID
	return func(step string, what any, stack []byte) {
		h.log.Error("BUG: a step of a pipeline panicked", "request", id, "step", step, "panic", what, "stack", string(stack))
	}
}

// untilGone ends when f's caller leaves, within the deadline, or when it is
// cancelled, which has to be.
func (f *flight) untilGone(deadline time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	over := make(chan struct{})
	gone := f.Gone.Done()
	go func() {
		defer close(over)
		select {
		case <-gone:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel()
		<-over
	}
}

// servePipelineChat answers a chat by a pipeline, in whatever dialect it came.
func (h *Host) servePipelineChat(f *flight) (call.Answer, *wire.Error) {
	name, body := string(f.Facts.Model[len(pipelinePrefix):]), f.Body
	stream, include := f.Facts.Stream, f.Facts.IncludeUsage
	p, err := h.enterPipeline(f, name)
	if err != nil {
		return call.Answer{}, err
	}
	var t wire.Translation
	if f.Dialect != wire.OpenAIChat {
		var bad error
		t, _ = wire.Translate(f.Dialect, wire.OpenAIChat) // from every dialect of callers there is one
		if body, _, bad = t.Request(nil, body, p.model.Name); bad != nil {
			return call.Answer{}, asWire(bad)
		}
	}
	c, err := pipeline.FromChat(body)
	if err != nil {
		return call.Answer{}, err
	}
	inputs, err := c.Inputs(p.Pipeline)
	if err != nil {
		return call.Answer{}, err
	}
	if stream {
		events := &chatEvents{usage: include || t != nil,
			head: pipeline.Chunk{ID: f.ID.String(), Object: "chat.completion.chunk", Created: f.Received.Unix(), Model: p.model.Name}}
		if t != nil {
			events.translation = t.Stream(p.model.Name, include)
		}
		return h.streamRun(f, p, inputs, events)
	}
	rec, err := h.runPipeline(f, p, inputs)
	if err = h.leavePipeline(f, rec, err); err != nil {
		return call.Answer{}, err
	}
	out, err := rec.AppendChat(nil)
	if err == nil && t != nil {
		var bad error
		if out, _, bad = t.Response(nil, out, p.model.Name); bad != nil {
			err = asWire(bad)
		}
	}
	return call.Answer{Status: 200, ContentType: jsonType, Body: out}, err
}

// asWire is err as translations give it.
func asWire(err error) *wire.Error {
	if e, ok := err.(*wire.Error); ok {
		return e
	}
	return wire.Errorf(400, "invalid_request", "%v", err)
}
