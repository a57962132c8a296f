package main

import (
	"fmt"
	"strings"
)

const notice = "Generated from package abi by go generate; do not edit."

// words of a Go name: RetryAfterMS is retry, after, ms.
func words(name string) []string {
	unit := strings.HasSuffix(name, "MS")
	name = strings.TrimSuffix(name, "MS")
	upper := func(i int) bool { return i < len(name) && name[i] >= 'A' && name[i] <= 'Z' }
	var out []string
	from := 0
	for i := 1; i <= len(name); i++ {
		if i == len(name) || upper(i) && (!upper(i-1) || i+1 < len(name) && !upper(i+1)) {
			out = append(out, strings.ToLower(name[from:i]))
			from = i
		}
	}
	if unit {
		out = append(out, "ms")
	}
	return out
}

// snake is retry_after_ms.
func snake(name string) string { return strings.Join(words(name), "_") }

// camel is retryAfterMs.
func camel(name string) string {
	out := words(name)
	for i := range out[1:] {
		out[i+1] = strings.ToUpper(out[i+1][:1]) + out[i+1][1:]
	}
	return strings.Join(out, "")
}

// screaming is RETRY_AFTER_MS; the version of all is called ABI.
func screaming(name string) string {
	if name == "Version" {
		return "ABI"
	}
	return strings.ToUpper(snake(name))
}

// number is a constant's value as all the languages write it: magics and
// the version in hexadecimal.
func number(c value) string {
	if strings.HasPrefix(c.name, "Magic") || c.name == "Version" {
		return fmt.Sprintf("%#x", c.n)
	}
	return fmt.Sprint(c.n)
}

// comment is text as lines that begin with a mark.
func comment(mark, text string) string {
	var b strings.Builder
	for l := range strings.Lines(strings.TrimSpace(text) + "\n") {
		b.WriteString(strings.TrimRight(mark+" "+l, " \n") + "\n")
	}
	return b.String()
}

// behind is a comment at the end of a line, nothing for no text.
func behind(text string) string {
	if text == "" {
		return ""
	}
	return " // " + text
}
