package pipeline

import (
	"fmt"
	"slices"
	"strings"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// says reports whether what o gives is text that a model makes.
func (o *operation) says() bool { return o.op == wire.OpChat || o.op == wire.OpCompletions }

// request compiles a step that asks a model, which sees s.
func (c *compiler) request(st *step, s scope) {
	spec, name := st.spec, st.spec.Name
	opName := spec.Op
	if opName == "" {
		opName = "chat"
	}
	st.op = operations[opName]
	if st.op == nil {
		c.addf(st.path+".op", name, "there is no operation %q for steps%s: use one of %s", spec.Op, near(spec.Op, sorted(operations)), strings.Join(sorted(operations), ", "))
		st.typ = anyType // what reads it is not wrong for that
		return
	}
	c.asked(st)
	c.schema(st)
	st.result = st.op.resultType(st.json)
	if st.typ = st.result; spec.Each != "" {
		st.typ = listOf(st.result)
	}
	c.fields(st, s)
	c.failing(st)
}

// asked checks whom a step asks.
func (c *compiler) asked(st *step) {
	spec, name := st.spec, st.spec.Name
	st.budget = c.money(st.path+".budget", name, spec.Budget)
	if spec.Model == "" {
		c.addf(st.path+".model", name, "is missing: name a model, as callers do (an alias, or provider/model)")
	} else {
		c.served(st, st.path+".model", spec.Model)
	}
	for i, m := range spec.Fallback {
		c.served(st, fmt.Sprintf("%s.fallback[%d]", st.path, i), m)
	}
	if spec.MaxTokens < 0 || spec.MaxTokens > 0 && !st.op.says() {
		c.addf(st.path+".max_tokens", name, "is of chat steps and completions, and above 0")
	}
}

func (c *compiler) served(st *step, path, model string) {
	st.models = append(st.models, model)
	if strings.HasPrefix(model, "pipeline/") {
		c.addf(path, st.spec.Name, "is a pipeline, and steps ask models: copy its steps")
		return
	}
	if c.models == nil || model == "" {
		return
	}
	if err := c.models.Serves(model, st.op.op, st.op.dialect); err != nil {
		c.addf(path, st.spec.Name, "%v", err)
	}
}

// schema takes what a step's JSON looks like.
func (c *compiler) schema(st *step) {
	js := st.spec.JSON
	if js == nil {
		return
	}
	if st.op.op != wire.OpChat {
		c.addf(st.path+".json", st.spec.Name, "is of chat steps")
		return
	}
	st.required = map[string]bool{}
	if js.Schema == nil {
		st.json, st.format = &Type{Kind: Object}, map[string]any{"type": "json_object"}
		return
	}
	st.json = fromSchema(js.Schema, 0)
	if st.json.Kind == Any {
		c.addf(st.path+".json.schema.type", st.spec.Name, "is missing or none that is known: write type: object and its properties")
	}
	requirements(js.Schema, "", st.required, 0)
	st.format = map[string]any{"type": "json_schema", "json_schema": map[string]any{"name": st.spec.Name, "schema": map[string]any(js.Schema)}}
}

// mapped checks a step that is done for each element of a list, and returns
// what it sees.
func (c *compiler) mapped(st *step, s scope) scope {
	spec, name := st.spec, st.spec.Name
	elem := anyType
	if st.each = c.expression(st.path+".each", name, spec.Each, s, listOf(anyType)); st.each != nil && st.each.typ.Kind == List {
		elem = st.each.typ.Elem
	}
	if spec.Concurrency < 0 || spec.Concurrency > maxConcurrency {
		c.addf(st.path+".concurrency", name, "is %d: give 1 to %d, or leave it out for %d", spec.Concurrency, maxConcurrency, usualWidth)
	}
	if spec.MaxItems < 0 || spec.MaxItems > maxList {
		c.addf(st.path+".max_items", name, "is %d: give 1 to %d", spec.MaxItems, maxList)
	}
	if spec.MinSuccess != nil && *spec.MinSuccess < 0 {
		c.addf(st.path+".min_success", name, "is %d: give how many items must succeed, 0 for any number", *spec.MinSuccess)
	}
	times, width := st.most(), st.width()
	for a := st.around; a != nil; a = a.around {
		times, width = times*max(a.most(), 1), width*max(a.width(), 1)
	}
	if st.around != nil && (times > maxTimes || width > maxConcurrency) {
		c.addf(st.path+".each", name, "stands in another: it is done up to %d times, %d at a time: have the max_items of both come to %d at most, and the concurrency to %d", times, width, maxTimes, maxConcurrency)
	}
	return s.with("item", elem).with("index", numberType)
}

// fields checks what an operation is asked.
func (c *compiler) fields(st *step, s scope) {
	name := st.spec.Name
	st.with = map[string]*value{}
	for _, f := range sorted(st.spec.With) {
		path := st.path + ".with." + f
		want, known := st.op.fields[f]
		if !known {
			c.addf(path, name, "%s takes no %q%s: it takes %s, and what else the API knows under params", opOf(st), f, near(f, sorted(st.op.fields)), strings.Join(sorted(st.op.fields), ", "))
			continue
		}
		v, err := parseValue(st.spec.With[f], s)
		if err != nil {
			c.addf(path, name, "%v", c.explain(err, st))
			continue
		}
		if !slices.ContainsFunc(want.types, func(t *Type) bool { return t.takes(v.typ) }) {
			c.addf(path, name, "is %s, and must be %s", v.typ, oneOf(want.types))
		}
		st.with[f] = v
	}
	for _, f := range sorted(st.op.fields) {
		if _, has := st.spec.With[f]; !has && st.op.fields[f].required {
			c.addf(st.path+".with."+f, name, "is missing: %s needs it, %s", opOf(st), oneOf(st.op.fields[f].types))
		}
	}
	if st.op.op == wire.OpChat && st.spec.With["prompt"] == nil && st.spec.With["messages"] == nil && st.spec.With["audio"] == nil {
		c.addf(st.path+".with.prompt", name, "is missing: a chat needs a prompt, messages or audio")
	}
	if st.spec.Params != nil {
		v, err := parseValue(map[string]any(st.spec.Params), s)
		if err != nil {
			c.addf(st.path+".params", name, "%v", c.explain(err, st))
		}
		st.params = v
		for _, own := range []string{"model", "stream", "messages", "n"} {
			if _, has := st.spec.Params[own]; has {
				c.addf(st.path+".params."+own, name, "is set by the step itself: leave it out")
			}
		}
		for _, f := range sorted(st.spec.Params) {
			if want := st.op.fields[f].types; len(want) > 0 && want[0].media() {
				c.addf(st.path+".params."+f, name, "is %s: write it under with", want[0])
			}
		}
	}
}

func opOf(st *step) string { return st.op.op.String() }

func oneOf(types []*Type) string {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = t.String()
	}
	return strings.Join(names, " or ")
}

// failing checks what becomes of a step that fails.
func (c *compiler) failing(st *step) {
	spec, name := st.spec, st.spec.Name
	switch spec.OnError {
	case "", "fail", "skip":
		if spec.Default != nil {
			c.addf(st.path+".default", name, "is for on_error: default, and on_error is %q", spec.OnError)
		}
	case "default":
		main := st.op.result[st.op.main]
		if st.json != nil {
			main = st.json
		}
		v, err := parseValue(spec.Default, scope{})
		switch {
		case err != nil:
			c.addf(st.path+".default", name, "%v", err)
		case spec.Default == nil:
			c.addf(st.path+".default", name, "is missing: on_error: default needs what stands in for the step")
		case main.media():
			c.addf(st.path+".on_error", name, "cannot be default: there is no way to write %s here, use skip", main)
		case !main.takes(v.typ):
			c.addf(st.path+".default", name, "is %s, and must be %s, as the step gives", v.typ, main)
		default:
			st.def, _ = v.eval(nil) // it holds no expression that could fail
		}
	default:
		c.addf(st.path+".on_error", name, "is %q: give fail, skip or default", spec.OnError)
	}
}
