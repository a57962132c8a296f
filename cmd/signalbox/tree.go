package main

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// headings are those under which the program lists its commands.
var headings = []struct {
	title    string
	commands []string
}{
	{"Run a gateway", []string{"init", "migrate", "check", "serve", "chat", "bench", "version"}},
	{"Who may use it", []string{"org", "team", "project", "user", "service", "key", "admin"}},
	{"What they may do and spend", []string{"policy", "filter", "limit", "budget"}},
	{"Where requests go", []string{"plugin", "credential", "route", "pipeline", "batch", "mcp", "explain"}},
	{"What it was and what it cost", []string{"usage", "ledger", "prices", "audit"}},
	{"Look after it", []string{"doctor", "status", "top", "tail", "reload", "api", "cache", "node", "alert", "secrets"}},
}

// arrange puts the commands under their headings and gives all of them what
// they have in common: how they explain themselves, and what they say to what
// they do not know.
func arrange(root *cobra.Command) {
	for _, h := range headings {
		root.AddGroup(&cobra.Group{ID: h.title, Title: h.title + ":"})
		for _, c := range root.Commands() {
			if slices.Contains(h.commands, c.Name()) {
				c.GroupID = h.title
			}
		}
	}
	root.SetUsageFunc(usageText)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return hint(err, "see %s --help", c.CommandPath()) })
	for _, c := range root.Commands() {
		if c.HasSubCommands() {
			c.Args, c.RunE = nil, family
		}
	}
}

// family runs a command that only holds others.
func family(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return c.Help()
	}
	err := fmt.Errorf("unknown command %q for %q", args[0], c.CommandPath())
	c.SuggestionsMinimumDistance = 2
	if like := c.SuggestionsFor(args[0]); len(like) > 0 {
		return hint(err, "did you mean %s %s?", c.CommandPath(), like[0])
	}
	return hint(err, "see %s --help", c.CommandPath())
}

var exclusive = regexp.MustCompile(`^if any flags in the group .*; \[(\S+) ([^\s\]]+)`)

// misuse says what to do about a mistake in the words of a command that the
// library has found.
func misuse(c *cobra.Command, err error) error {
	var h *hinted
	if err == nil || errors.As(err, &h) {
		return err
	}
	text := err.Error()
	if m := exclusive.FindStringSubmatch(text); m != nil {
		err = fmt.Errorf("--%s and --%s exclude each other", m[1], m[2])
		return hint(err, "see %s --help", c.CommandPath())
	}
	if first, rest, ok := strings.Cut(text, "\n\nDid you mean this?\n"); ok {
		return hint(errors.New(first), "did you mean %s %s?", c.CommandPath(), strings.Fields(rest)[0])
	}
	for _, start := range []string{"unknown command", "accepts ", "required flag"} {
		if strings.HasPrefix(text, start) {
			return hint(err, "see %s --help", c.CommandPath())
		}
	}
	return err
}

// usageText prints how c is used.
func usageText(c *cobra.Command) error {
	w := c.OutOrStderr()
	fmt.Fprintln(w, "Usage:")
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(w, "  %s COMMAND\n", c.CommandPath())
	} else {
		fmt.Fprintf(w, "  %s\n", c.UseLine())
	}
	if c.Example != "" {
		fmt.Fprintf(w, "\nExamples:\n%s\n", c.Example)
	}
	titles := []string{""}
	for _, g := range c.Groups() {
		titles = append(titles, g.Title)
	}
	for _, title := range titles {
		printCommands(w, c, title)
	}
	printFlags(w, "Flags", c.LocalFlags())
	printFlags(w, "Flags of all its kind", c.InheritedFlags())
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(w, "\n%s COMMAND --help tells more of a command.\n", c.CommandPath())
	}
	return nil
}

// printCommands lists those of c's commands that are under a heading, "" for none.
func printCommands(w io.Writer, c *cobra.Command, title string) {
	heading := title
	if title == "" {
		heading = "Commands:"
	}
	for _, sub := range c.Commands() {
		if !sub.IsAvailableCommand() || strings.TrimSuffix(title, ":") != sub.GroupID || sub.Name() == "help" {
			continue
		}
		if heading != "" {
			fmt.Fprintf(w, "\n%s\n", heading)
			heading = ""
		}
		fmt.Fprintf(w, "  %-*s  %s\n", c.Commands()[0].NamePadding(), sub.Name(), sub.Short)
	}
}

func printFlags(w io.Writer, title string, set *pflag.FlagSet) {
	if !set.HasAvailableFlags() {
		return
	}
	fmt.Fprintf(w, "\n%s:\n", title)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		short := "    "
		if f.Shorthand != "" {
			short = "-" + f.Shorthand + ", "
		}
		kind, text := pflag.UnquoteUsage(f)
		switch kind {
		case "strings", "stringArray", "stringToString":
			kind = "string"
		}
		if !slices.Contains([]string{"", "0", "0s", "false", "[]"}, f.DefValue) {
			text += " (default " + f.DefValue + ")"
		}
		fmt.Fprintf(t, "  %s\t%s\n", strings.TrimSpace(fmt.Sprintf("%s--%s %s", short, f.Name, kind)), text)
	})
	_ = t.Flush() // w is the terminal: there is nobody else to tell
}
