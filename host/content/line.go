package content

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire/text"
)

// writer makes lines of entries. It belongs to one goroutine.
type writer struct {
	redactor *Redactor
	parts    []text.Part
}

// piece is a text of one voice.
type piece struct {
	Role   string `json:"role"`
	Choice int32  `json:"choice,omitempty"`
	Text   string `json:"text"`
}

// line is what is written of a request.
type line struct {
	Time      time.Time `json:"time"`
	RequestID string    `json:"request_id"`
	TraceID   string    `json:"trace_id,omitempty"`
	Parent    string    `json:"parent,omitempty"`
	Origin    string    `json:"origin,omitempty"`
	KeyID     string    `json:"key_id,omitempty"`
	Team      string    `json:"team,omitempty"`
	Op        string    `json:"op"`
	Model     string    `json:"model,omitempty"`
	Target    string    `json:"target,omitempty"`
	Status    int       `json:"status"`
	Code      string    `json:"code,omitempty"`
	Input     []piece   `json:"input,omitempty"`
	Output    []piece   `json:"output,omitempty"`
	BytesIn   int       `json:"bytes_in"`
	BytesOut  int       `json:"bytes_out"`
	Left      string    `json:"left_out,omitempty"` // why texts are missing: policy, form, size, room
	Redacted  int       `json:"redacted"`
}

// roles are the names of channels.
var roles = [text.NumChannels]string{"other", "system", "user", "assistant", "tool", "assistant", "reasoning", "tool_call"}

func (w *writer) line(e *Entry) []byte {
	r := &e.record
	l := line{Time: e.time.UTC(), RequestID: r.ID.String(), Origin: r.Origin, KeyID: r.KeyID, Team: r.Team, Op: r.Op.String(), Model: r.Asked, Target: r.Target,
		Status: r.Status, Code: r.Code, BytesIn: e.asked, BytesOut: e.given}
	if e.trace.On() {
		l.TraceID = e.trace.ID.String()
	}
	if r.Parent != 0 {
		l.Parent = call.ID(r.Parent).String()
	}
	switch {
	case e.bare:
		l.Left = "policy"
	case !readable(r.Op):
		l.Left = "form"
	default:
		switch {
		case e.asked > e.most || e.given > e.most:
			l.Left = "size"
		case e.full:
			l.Left = "room"
		}
		w.texts(&l, e)
	}
	out, err := json.Marshal(&l)
	if err != nil {
		panic("BUG: cannot marshal a line; got " + err.Error())
	}
	return out
}

// texts fills in what was said. What cannot be read is left out: half a text
// could not be redacted for sure.
func (w *writer) texts(l *line, e *Entry) {
	r := &e.record
	var ok bool
	if w.parts, ok = text.Request(w.parts[:0], r.Op, r.Dialect, e.request); ok {
		for _, p := range w.parts {
			l.Input = w.add(l.Input, p, e.request, false, &l.Redacted)
		}
	}
	if !e.streamed {
		if w.parts, ok = text.Answer(w.parts[:0], r.Dialect, e.answer); ok {
			for _, p := range w.parts {
				l.Output = w.add(l.Output, p, e.answer, false, &l.Redacted)
			}
		}
		return
	}
	from := 0
	for _, to := range e.ends {
		data := e.answer[from:to]
		from = to
		if w.parts, ok = text.Event(w.parts[:0], r.Dialect, data); !ok {
			continue
		}
		for _, p := range w.parts {
			if p.Delta { // texts that come again as a whole are not told twice
				l.Output = w.add(l.Output, p, data, true, nil)
			}
		}
	}
	for i := range l.Output { // pieces are redacted once they are joined
		l.Output[i].Text = w.redactor.Apply(l.Output[i].Text, &l.Redacted)
	}
}

// add appends a part; pieces of one voice are joined.
func (w *writer) add(list []piece, p text.Part, body []byte, join bool, redacted *int) []piece {
	var said string
	switch p.Kind {
	case text.KindText:
		said = string(text.Unescape(nil, body[p.From:p.To]))
	case text.KindJSON:
		said = string(body[p.From:p.To])
	case text.KindOpaque:
		said = "[tokens]"
	default:
		return list
	}
	one := piece{Role: roles[p.Channel], Choice: p.Choice, Text: strings.ToValidUTF8(said, "\uFFFD")}
	if join {
		for i := len(list) - 1; i >= 0; i-- {
			if list[i].Role == one.Role && list[i].Choice == one.Choice {
				list[i].Text += one.Text
				return list
			}
		}
		return append(list, one)
	}
	one.Text = w.redactor.Apply(one.Text, redacted)
	return append(list, one)
}
