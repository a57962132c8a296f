package config

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
)

const redacted = "[redacted]"

// Secret is text that shows itself to nobody but callers of Reveal.
type Secret string

// Reveal returns the text.
func (s Secret) Reveal() string { return string(s) }

// String, Format, LogValue and MarshalText hide the text from every way of printing it.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// Format implements fmt.Formatter.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Settings are free-form, so any of them may be a secret: only names are printed.
type Settings map[string]any

// String lists the names.
func (s Settings) String() string {
	names := make([]string, 0, len(s))
	for name := range s {
		names = append(names, name)
	}
	slices.Sort(names)
	return "{" + strings.Join(names, ", ") + "}"
}

// Format implements fmt.Formatter.
func (s Settings) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue implements slog.LogValuer.
func (s Settings) LogValue() slog.Value { return slog.StringValue(s.String()) }

// JSON returns the settings themselves, for whom they are meant.
func (s Settings) JSON() ([]byte, error) {
	if len(s) == 0 {
		return []byte("{}"), nil
	}
	return json.Marshal(map[string]any(s))
}

// MarshalText implements encoding.TextMarshaler.
func (s Settings) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
