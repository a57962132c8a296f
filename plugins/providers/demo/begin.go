package main

import (
	"slices"
	"strings"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/valyala/fastjson"
)

// begin reads a JSON request for one of models, and waits and fails as it asks
// for. name is the model with its controls.
func (d *demo) begin(r *provider.Request, models ...string) (body *fastjson.Value, c controls, name string, err error) {
	body, err = fastjson.ParseBytes(r.Body())
	if err != nil || body.Type() != fastjson.TypeObject {
		return nil, c, "", wire.Errorf(400, "invalid_json", "the body is not a JSON object")
	}
	if name = r.Model(); name == "" {
		name = string(body.GetStringBytes("model"))
	}
	c, err = d.obey(r, name, body, models)
	return body, c, name, err
}

// obey reads the controls of a request and does what they ask for before an answer.
func (d *demo) obey(r *provider.Request, name string, body *fastjson.Value, models []string) (controls, error) {
	c := *d.defaults.Load()
	model, err := c.read(name, body)
	if err != nil {
		return c, err
	}
	if len(models) > 0 && !slices.Contains(models, model) {
		e := faults["model_not_found"]
		e.Message = "the demo provider has no model \"" + model + "\" for " + r.Op.String() + "; it has " + strings.Join(models, ", ")
		return c, &e
	}
	return c, misbehave(r, &c)
}

// reply answers with a whole JSON body, unless garbage was asked for.
func reply(w *provider.Writer, c *controls, body []byte) error {
	if c.Fault == "garbage" {
		return w.JSON([]byte(`<html>{"choices": [{"mess`))
	}
	return w.JSON(body)
}

func invalid(param, want string) error {
	return &wire.Error{Status: 400, Class: wire.ClassInvalid, Code: "invalid_" + param, Message: param + ": want " + want, Param: param}
}
