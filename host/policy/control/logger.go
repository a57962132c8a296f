package control

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/logging"
)

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// logger hands what OPA's plugins have to say to the host's log. Of lesser
// weight than a warning they say what the host says itself.
type logger struct{ log *slog.Logger }

func (logger) Debug(string, ...any) {}
func (logger) Info(string, ...any)  {}
func (l logger) Error(f string, a ...any) {
	l.log.Error("policy: control plane", "error", fmt.Sprintf(f, a...))
}
func (l logger) Warn(f string, a ...any) {
	l.log.Warn("policy: control plane", "warning", fmt.Sprintf(f, a...))
}
func (l logger) WithFields(fields map[string]any) logging.Logger {
	if name, ok := fields["name"]; ok {
		return logger{l.log.With("bundle", name)}
	}
	return l
}
func (logger) GetLevel() logging.Level { return logging.Warn }
func (logger) SetLevel(logging.Level)  {}

// consoleLock keeps lines whole.
var consoleLock sync.Mutex

// console writes a line of JSON for each entry, as OPA does.
type console struct {
	w      io.Writer
	fields map[string]any
}

func (console) Debug(string, ...any)    {}
func (console) Error(string, ...any)    {}
func (console) Warn(string, ...any)     {}
func (console) GetLevel() logging.Level { return logging.Info }
func (console) SetLevel(logging.Level)  {}

// WithFields implements logging.Logger.
func (c console) WithFields(fields map[string]any) logging.Logger {
	all := maps.Clone(c.fields)
	if all == nil {
		all = map[string]any{}
	}
	maps.Copy(all, fields)
	return console{c.w, all}
}

// Info implements logging.Logger.
func (c console) Info(format string, a ...any) {
	line := maps.Clone(c.fields)
	if line == nil {
		line = map[string]any{}
	}
	line["level"], line["msg"], line["time"] = "info", fmt.Sprintf(format, a...), time.Now().UTC().Format(time.RFC3339)
	body, err := json.Marshal(line)
	if err != nil || c.w == nil {
		return
	}
	consoleLock.Lock()
	defer consoleLock.Unlock()
	_, _ = c.w.Write(append(body, '\n'))
}
