package host

import (
	"context"
	"fmt"

	"github.com/signalbox-ai/signalbox/host/access"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/content"
	"github.com/signalbox-ai/signalbox/host/logfile"
	"github.com/signalbox-ai/signalbox/host/telemetry"
)

// openAccess begins to log requests, where that is asked for.
func (h *Host) openAccess(_ context.Context, cfg *config.Config, t *telling) (err error) {
	c := &cfg.Telemetry.AccessLog
	if c.Path == "" {
		return nil
	}
	t.access, err = access.Open(access.Options{File: logfile.Options{Path: c.Path, Max: int64(c.Max), Keep: c.Keep, Age: c.Age},
		Sample: c.Sample, Fields: c.Fields, Buffer: c.Buffer, Counts: &h.told.access, Log: h.log})
	if err != nil {
		return fmt.Errorf("telemetry.access_log: %w", err)
	}
	return nil
}

// logAccess logs what came of f.
func (f *flight) logAccess(r *call.Record) {
	if t := f.gen.telling; t != nil && t.access.Wants(f.ID, f.Err != nil) {
		t.access.Request(&f.Call, r)
	}
}

// openContent begins to write down prompts and answers, where that is asked for.
func (h *Host) openContent(_ context.Context, cfg *config.Config, t *telling) error {
	c := &cfg.Telemetry.Content
	if c.Path == "" {
		return nil
	}
	redactor, err := content.NewRedactor(c.Redact, c.Patterns)
	if err == nil {
		t.content, err = content.Open(content.Options{File: logfile.Options{Path: c.Path, Max: int64(c.Max), Keep: c.Keep, Age: c.Age}, Models: c.Models, Teams: c.Teams, Keys: c.Keys,
			Max: int(c.MaxBody), Redactor: redactor, Buffer: c.Buffer, Counts: &h.told.content, Log: h.log})
	}
	if err != nil {
		return fmt.Errorf("telemetry.content: %w", err)
	}
	return nil
}

// taps are both of those that hear a stream.
type taps [2]call.Tap

// Event implements call.Tap.
func (t *taps) Event(data []byte) {
	t[0].Event(data)
	t[1].Event(data)
}

// listen has what f asks and is answered told to those who want to know.
func (f *flight) listen() {
	f.attend()
	t := f.gen.telling
	if t == nil {
		return
	}
	if f.heard = t.content.Begin(&f.Call); f.heard == nil {
		return
	}
	if f.Tap == nil {
		f.Tap = f.heard
	} else {
		f.Tap = &taps{f.Tap, f.heard}
	}
}

// answeredWith tells of a whole answer to those who want to know.
func (f *flight) answeredWith(body []byte) {
	if f.heard != nil {
		f.heard.Answer(body)
	}
	if f.span != nil {
		f.span.Said.Answer(body)
	}
}

// logContent writes down what f has asked and was answered.
func (f *flight) logContent(r *call.Record) {
	if e := f.heard; e != nil {
		f.heard, f.Tap = nil, nil
		f.gen.telling.content.Send(e, &f.Call, r)
	}
}

// logFamilies are the figures of logs of requests.
func (h *Host) logFamilies() []telemetry.Family {
	one := func(name, of string, counts *logfile.Counts, on func(*telling) bool) telemetry.Family {
		return telemetry.Family{Name: name, Help: "Requests for " + of + ": written, dropped as the queue was full, lost as the file could not be written.", Labels: []string{"result"},
			Collect: func(emit telemetry.Emit) {
				if t := h.telling(); t != nil && on(t) {
					s := counts.Stats()
					emit(float64(s.Written), "written")
					emit(float64(s.Dropped), "dropped")
					emit(float64(s.Lost), "lost")
				}
			}}
	}
	return []telemetry.Family{
		one("access_log_lines_total", "the access log", &h.told.access, func(t *telling) bool { return t.access != nil }),
		one("content_log_lines_total", "the log of prompts and answers", &h.told.content, func(t *telling) bool { return t.content != nil }),
	}
}
