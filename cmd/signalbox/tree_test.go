package main

import (
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// TestCommandsAreAlike says of every command what it has to have.
func TestCommandsAreAlike(t *testing.T) {
	count := 0
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		path := c.CommandPath()
		for _, sub := range c.Commands() {
			if sub.Name() != "help" && sub.Name() != "completion" {
				walk(sub)
			}
		}
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: Short is %q: say in a line what it does, without a full stop", path, c.Short)
		}
		if c.Parent() != nil && c.Parent().Parent() == nil && c.GroupID == "" {
			t.Errorf("%s is under no heading: see headings", path)
		}
		if c.HasSubCommands() {
			return
		}
		count++
		for line := range strings.Lines(c.Example) {
			if !strings.HasPrefix(line, "  "+path) {
				t.Errorf("%s: an example is %q: begin it with two spaces and the command", path, line)
			}
		}
		if c.Example == "" {
			t.Errorf("%s has no example", path)
		}
	}
	walk(commands(t.Output(), t.Output()))
	if count < 60 {
		t.Errorf("%d commands: the walk has missed some", count)
	}
}

func TestExamplesParse(t *testing.T) {
	root := commands(t.Output(), t.Output())
	f := func(example string) {
		t.Helper()
		command, _, _ := strings.Cut(example, " < ")
		command, _, _ = strings.Cut(command, " > ")
		command, _, _ = strings.Cut(command, " | ")
		command, _, _ = strings.Cut(command, "   #")
		args := split(command)[1:]
		c, rest, err := root.Find(args)
		if err == nil {
			err = c.ParseFlags(rest)
		}
		if err == nil && c.Args != nil {
			err = c.ValidateArgs(c.Flags().Args())
		}
		if err != nil {
			t.Errorf("%s: %v", example, err)
		}
	}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for line := range strings.Lines(c.Example) {
			root = commands(t.Output(), t.Output())
			f(strings.TrimSpace(line))
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(commands(t.Output(), t.Output()))
}

// split cuts a line as a shell does, as far as examples need it.
func split(line string) (words []string) {
	quote := ' '
	word, some := "", false
	for _, r := range line + " " {
		switch {
		case r == quote && quote == ' ':
			if some {
				words = append(words, word)
			}
			word, some = "", false
		case r == quote:
			quote = ' '
		case quote == ' ' && (r == '\'' || r == '"'):
			quote, some = r, true
		default:
			word, some = word+string(r), true
		}
	}
	return words
}

func TestSpan(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		var s span
		if err := s.Set(text); err != nil || s.String() != want {
			t.Errorf("Set(%q) is %s, %v; want %s", text, s.String(), err, want)
		}
	}
	f("7d", "7d")
	f("24h", "1d")
	f("90m", "1h30m")
	f("12h", "12h")
	f("90s", "1m30s")
	f("0", "0s")
	for _, bad := range []string{"", "7", "7days", "-3h", "-3d", "d", "99999999999d"} {
		if err := new(span).Set(bad); err == nil {
			t.Errorf("Set(%q) must fail", bad)
		}
	}
}

func TestParseTimes(t *testing.T) {
	now := time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)
	f := func(got time.Time, err error, want string) {
		t.Helper()
		if text := got.Format(time.RFC3339); err != nil || text != want {
			t.Errorf("got %s, %v; want %s", text, err, want)
		}
	}
	since := func(text, want string) {
		t.Helper()
		got, err := parseSince("since", text, now)
		f(got, err, want)
	}
	since("24h", "2026-05-19T12:00:00Z")
	since("7d", "2026-05-13T12:00:00Z")
	since("2026-05-01", "2026-05-01T00:00:00Z")
	since("2026-05-01T10:00:00+02:00", "2026-05-01T10:00:00+02:00")
	for _, bad := range []string{"", "d", "7", "-7d", "yesterday", "2026-05-21"} {
		if _, err := parseSince("since", bad, now); err == nil {
			t.Errorf("parseSince(%q) must fail", bad)
		}
	}
	expiry := func(text, want string) {
		t.Helper()
		got, err := parseExpiry(text, now)
		f(got, err, want)
	}
	expiry("90d", "2026-08-18T12:00:00Z")
	expiry("12h", "2026-05-21T00:00:00Z")
	expiry("never", "0001-01-01T00:00:00Z")
	if _, err := parseExpiry("90", now); err == nil {
		t.Error("an expiry without a unit must fail")
	}
}
