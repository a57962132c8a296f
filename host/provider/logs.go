package provider

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	maxLine   = 16 << 10
	logRate   = 50  // lines a second
	logBurst  = 200 // lines at once
	lastLines = 5   // kept for the error of a failed start
	redacted  = "[redacted]"
)

// logs turns an adapter's standard error into log records: JSON lines as slog
// writes them, anything else as text.
type logs struct {
	log     *slog.Logger
	ring    *ring
	program string // the start of its hash
	limit   *rate.Limiter
	secrets secrets

	mu      sync.Mutex
	last    []string
	dropped int
}

func newLogs(log *slog.Logger, r *ring, credentials []SpecCredential) *logs {
	l := &logs{log: log, ring: r, limit: rate.NewLimiter(logRate, logBurst)}
	for _, c := range credentials {
		l.secrets.hide(c.Value)
	}
	return l
}

// follow reads until the adapter has closed its end.
func (l *logs) follow(r io.Reader) {
	in := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := in.ReadSlice('\n')
		if len(line) > 0 {
			l.line(strings.TrimRight(string(line), "\r\n"))
		}
		for err == bufio.ErrBufferFull { // the rest of a line that is too long
			_, err = in.ReadSlice('\n')
		}
		if err != nil {
			return
		}
	}
}

func (l *logs) line(line string) {
	if line == "" {
		return
	}
	level, msg, attrs := l.parse(line)
	l.mu.Lock()
	if l.last = append(l.last, msg); len(l.last) > lastLines {
		l.last = l.last[1:]
	}
	dropped := l.dropped
	allowed := l.limit.Allow()
	if allowed {
		l.dropped = 0
	} else {
		l.dropped++
	}
	l.mu.Unlock()
	if !allowed {
		return
	}
	rec := Record{Time: time.Now(), Level: level, Msg: msg, Program: l.program}
	if len(attrs) > 0 {
		rec.Attrs = make(map[string]any, len(attrs))
		for _, a := range attrs {
			rec.Attrs[a.Key] = a.Value.Any()
		}
	}
	l.ring.add(rec)
	if dropped > 0 {
		l.log.Warn("adapter logs too much", "dropped_lines", dropped)
	}
	l.log.LogAttrs(context.Background(), level, msg, attrs...)
}

// parse reads a record of slog's JSON handler.
func (l *logs) parse(line string) (level slog.Level, msg string, attrs []slog.Attr) {
	var record map[string]any
	if json.Unmarshal([]byte(line), &record) != nil || record["msg"] == nil {
		return slog.LevelInfo, l.secrets.redact(line), nil
	}
	text, _ := record["level"].(string)
	if level.UnmarshalText([]byte(text)) != nil {
		level = slog.LevelInfo
	}
	msg = l.secrets.redact(fmt.Sprint(record["msg"]))
	for key, v := range record {
		if key != "time" && key != "level" && key != "msg" {
			attrs = append(attrs, slog.Any(l.secrets.redact(key), l.redact(v)))
		}
	}
	return level, msg, attrs
}

func (l *logs) redact(v any) any {
	switch v := v.(type) {
	case string:
		return l.secrets.redact(v)
	case float64, bool, nil:
		return v
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return redacted
	}
	return l.secrets.redact(string(raw))
}

// words are the last lines, for an error message.
func (l *logs) words() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.last, "; ")
}
