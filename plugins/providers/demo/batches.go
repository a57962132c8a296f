package main

import (
	"bytes"
	"net/http"
	"strconv"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/valyala/fastjson"
)

// batch is validating when it is made and completed when it is next looked at.
type batch struct {
	id, endpoint, window string
	input                *file
	output               string // id of a file
	status               string
	total, failed        int
}

const batchID = "batch_demo"

func (b *batch) json(dst []byte) []byte {
	dst = quote(append(dst, `{"id":`...), b.id)
	dst = quote(append(dst, `,"object":"batch","endpoint":`...), b.endpoint)
	dst = quote(append(dst, `,"errors":null,"input_file_id":`...), b.input.id)
	dst = quote(append(dst, `,"completion_window":`...), b.window)
	dst = quote(append(dst, `,"status":`...), b.status)
	if b.output != "" {
		dst = quote(append(dst, `,"output_file_id":`...), b.output)
	}
	dst = strconv.AppendInt(append(dst, `,"created_at":`+created+`,"request_counts":{"total":`...), int64(b.total), 10)
	dst = strconv.AppendInt(append(dst, `,"completed":`...), int64(b.total-b.failed), 10)
	return append(strconv.AppendInt(append(dst, `,"failed":`...), int64(b.failed), 10), "}}"...)
}

func (d *demo) runBatches(r *provider.Request, w *provider.Writer) error {
	at := addressOf(r.Path())
	s, asked := &d.shelf, r.Body() // which may arrive slowly
	s.mu.Lock()
	defer s.mu.Unlock()
	if at.id == "" {
		switch r.Method() {
		case http.MethodPost:
			return d.newBatch(asked, w)
		case http.MethodGet:
			out := []byte(`{"object":"list","data":[`)
			for i, b := range s.batches {
				if i > 0 {
					out = append(out, ',')
				}
				out = b.json(out)
			}
			return w.JSON(append(out, `],"has_more":false}`...))
		}
		return badMethod(r)
	}
	b := s.batch(at.id)
	switch {
	case b == nil:
		return notFound("batch", at.id)
	case at.action == "" && r.Method() == http.MethodGet:
		d.run(b)
	case at.action == "cancel" && r.Method() == http.MethodPost:
		if b.status != "completed" {
			b.status = "cancelled"
		}
	default:
		return badMethod(r)
	}
	return w.JSON(b.json(nil))
}

// batch finds one by its id, nil if it is not there. s.mu must be held.
func (s *shelf) batch(id string) *batch {
	for _, b := range s.batches {
		if b.id == id {
			return b
		}
	}
	return nil
}

func (d *demo) newBatch(asked []byte, w *provider.Writer) error {
	body, err := fastjson.ParseBytes(asked)
	if err != nil || body.Type() != fastjson.TypeObject {
		return wire.Errorf(400, "invalid_json", "the body is not a JSON object")
	}
	s := &d.shelf
	id := string(body.GetStringBytes("input_file_id"))
	b := &batch{endpoint: string(body.GetStringBytes("endpoint")), window: string(body.GetStringBytes("completion_window")),
		input: s.file(id), status: "validating"}
	switch {
	case b.input == nil:
		return invalid("input_file_id", "a file of purpose batch; there is no file \""+id+"\"")
	case b.endpoint != "/v1/chat/completions":
		return invalid("endpoint", "/v1/chat/completions, the one that the demo provider batches")
	case b.window == "":
		return invalid("completion_window", `"24h"`)
	}
	s.last++
	b.id = batchID + strconv.Itoa(s.last)
	if s.batches = append(s.batches, b); len(s.batches) > maxKept {
		s.batches = s.batches[1:]
	}
	return w.JSON(b.json(nil))
}

// run answers the lines of a new batch. s.mu must be held.
func (d *demo) run(b *batch) {
	if b.status != "validating" {
		return
	}
	b.status = "completed"
	var out []byte
	for line := range bytes.Lines(b.input.content) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		b.total++
		status, id, answer := d.line(line)
		if status != http.StatusOK {
			b.failed++
		}
		request := b.id + "_" + strconv.Itoa(b.total)
		out = quote(append(out, `{"id":`...), request)
		out = quote(append(out, `,"custom_id":`...), id)
		out = strconv.AppendInt(append(out, `,"response":{"status_code":`...), int64(status), 10)
		out = append(append(out, `,"request_id":"req_`...), request...)
		out = append(append(append(out, `","body":`...), answer...), "},\"error\":null}\n"...)
	}
	b.output = d.shelf.add("output.jsonl", "batch_output", out).id
}

// line answers one line of a batch: a chat completion.
func (d *demo) line(line []byte) (status int, id string, answer []byte) {
	v, err := fastjson.ParseBytes(line)
	if err != nil {
		e := wire.Errorf(400, "invalid_json", "the line is not a JSON object")
		return e.Status, "", wire.AppendError(nil, wire.OpenAIChat, e, "")
	}
	id = string(v.GetStringBytes("custom_id"))
	var body []byte
	if b := v.Get("body"); b != nil {
		body = b.MarshalTo(nil)
	}
	a, err := d.parse(body, "", openAI{})
	if err == nil {
		return http.StatusOK, id, openAI{}.whole(nil, id, a, a.answer())
	}
	e, ok := err.(*wire.Error)
	if !ok {
		e = wire.Errorf(500, "demo_error", "%s", err.Error())
	}
	return e.Status, id, wire.AppendError(nil, wire.OpenAIChat, e, id)
}
