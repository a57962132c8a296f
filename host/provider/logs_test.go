package provider

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

func TestLogs(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	l := newLogs(log, new(ring), []SpecCredential{{Name: "main", Value: "sk-top/secret"}})
	l.follow(strings.NewReader(`{"time":"2026-01-01T00:00:00Z","level":"WARN","msg":"slow sk-top/secret","n":3,"key":"sk-top/secret","deep":{"a":["sk-top/secret"]}}
{"level":"ERROR","msg":"broken"}
{"no":"record"}
panic: using sk-top/secret or sk-top%2Fsecret
` + strings.Repeat("x", 3*maxLine) + "\nafter"))
	text := out.String()
	for _, want := range []string{`level=WARN msg="slow [redacted]"`, "n=3", "key=[redacted]", `level=ERROR msg=broken`, "panic: using [redacted] or [redacted]", "msg=after"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if strings.Contains(text, "secret") {
		t.Errorf("the credential is logged:\n%s", text)
	}
	if words := l.words(); !strings.Contains(words, "after") || strings.Contains(words, "secret") {
		t.Errorf("last words are %q", words)
	}
}

func TestLogsAreLimited(t *testing.T) {
	var out bytes.Buffer
	l := newLogs(slog.New(slog.NewTextHandler(&out, nil)), new(ring), nil)
	l.follow(strings.NewReader(strings.Repeat("noise\n", 10*logBurst)))
	if n := strings.Count(out.String(), "noise"); n < logBurst || n > 2*logBurst {
		t.Errorf("%d of %d lines got through", n, 10*logBurst)
	}
	if l.dropped == 0 {
		t.Error("nothing was counted as dropped")
	}
}

func FuzzLogs(f *testing.F) {
	f.Add(`{"level":"INFO","msg":"m","a":"topsecret"}`)
	f.Add("plain topsecret")
	f.Fuzz(func(t *testing.T, line string) {
		var out bytes.Buffer
		l := newLogs(slog.New(slog.NewJSONHandler(&out, nil)), new(ring), []SpecCredential{{Name: "c", Value: "topsecret"}})
		l.follow(strings.NewReader(line + "\n"))
		if strings.Contains(out.String(), "topsecret") {
			t.Errorf("%q logged %s", line, out.String())
		}
	})
}
