package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// entryKind is one kind of entry of the directory, as its command is.
type entryKind struct {
	name, one, what  string
	org, team, teams bool   // what it may belong to
	sample           string // a name of one
	made, changed    string // flags of examples
}

var entryKinds = []entryKind{
	{name: "org", one: "an organisation", what: "organisations", sample: "acme", made: "--title 'Acme Ltd' --attr tier=gold", changed: "--attr tier=silver"},
	{name: "team", one: "a team", what: "teams", org: true, sample: "core", made: "--org acme", changed: "--title 'Core and platform'"},
	{name: "project", one: "a project", what: "projects", org: true, team: true, sample: "web", made: "--team core", changed: "--team research"},
	{name: "user", one: "a user", what: "users", org: true, teams: true, sample: "ann@acme.example", made: "--org acme --team core", changed: "--team core --team research"},
	{name: "service", one: "a service account", what: "service accounts", org: true, teams: true, sample: "ci", made: "--org acme", changed: "--team core"},
}

func directoryCommands(src *sources) (list []*cobra.Command) {
	for _, k := range entryKinds {
		a := &access{src: src}
		c := &cobra.Command{Use: k.name, Short: "Manage the " + k.what + " that keys act for"}
		a.flags(c)
		c.AddCommand(k.create(a), k.list(a), k.show(a), k.update(a), k.able(a, "disable", true), k.able(a, "enable", false), k.remove(a))
		list = append(list, c)
	}
	return list
}

func (k entryKind) path(name string) string {
	p := "/admin/" + k.name + "s"
	if name != "" {
		p += "/" + url.PathEscape(name)
	}
	return p
}

// entryForm are the flags that say what an entry is.
type entryForm struct {
	title, org string
	teams      []string
	attrs      []string
}

func (e *entryForm) flags(c *cobra.Command, k entryKind) {
	f := c.Flags()
	f.StringVar(&e.title, "title", "", "what people call it")
	f.StringArrayVar(&e.attrs, "attr", nil, "name=value that policies see (repeatable)")
	if k.org {
		f.StringVar(&e.org, "org", "", "organisation that it belongs to")
	}
	switch {
	case k.teams:
		f.StringSliceVar(&e.teams, "team", nil, "team that it belongs to (repeatable)")
	case k.team:
		f.StringSliceVar(&e.teams, "team", nil, "team that it belongs to")
	}
}

// body is what the flags that were given say.
func (e *entryForm) body(set *pflag.FlagSet, k entryKind) (map[string]any, error) {
	attrs, err := namedValues("--attr", e.attrs)
	if err != nil {
		return nil, err
	}
	if attrs == nil {
		attrs = map[string]string{}
	}
	out := map[string]any{}
	set.Visit(func(f *pflag.Flag) {
		switch f.Name {
		case "title":
			out["title"] = e.title
		case "org":
			out["org"] = e.org
		case "attr":
			out["attrs"] = attrs
		case "team":
			if k.teams {
				out["teams"] = some(e.teams)
			} else {
				out["team"] = strings.Join(some(e.teams), ",")
			}
		}
	})
	return out, nil
}

// entryRow is an entry as the gateway shows it.
type entryRow struct {
	Name, Title, Org, Team string
	Teams                  []string
	Attrs                  map[string]string
	Disabled               bool
	Changed                time.Time
}

func (e *entryRow) state() string {
	if e.Disabled {
		return "disabled"
	}
	return "live"
}

func (k entryKind) create(a *access) *cobra.Command {
	var form entryForm
	c := shown(&cobra.Command{
		Use: "create NAME", Short: "Make " + k.one, Args: exactly(1, "a name"), Example: "  signalbox " + k.name + " create " + k.sample + " " + k.made,
		RunE: func(c *cobra.Command, args []string) error {
			body, err := form.body(c.Flags(), k)
			if err != nil {
				return err
			}
			body["name"] = args[0]
			return k.send(c, a, asked{http.MethodPost, k.path(""), body}, "created")
		},
	})
	form.flags(c, k)
	return c
}

func (k entryKind) update(a *access) *cobra.Command {
	var form entryForm
	c := shown(&cobra.Command{
		Use: "update NAME", Short: "Change " + k.one + "; what no flag names stays", Args: exactly(1, "its name"), Example: "  signalbox " + k.name + " update " + k.sample + " " + k.changed,
		RunE: func(c *cobra.Command, args []string) error {
			body, err := form.body(c.Flags(), k)
			if err != nil {
				return err
			}
			if len(body) == 0 {
				return hint(fmt.Errorf("nothing is to be changed"), "give what is, see %s --help", c.CommandPath())
			}
			return k.send(c, a, asked{http.MethodPatch, k.path(args[0]), body}, "changed")
		},
	})
	form.flags(c, k)
	return c
}

// able disables or enables.
func (k entryKind) able(a *access, verb string, disabled bool) *cobra.Command {
	short := "Let the keys of " + k.one + " be used again"
	if disabled {
		short = "Refuse all keys of " + k.one + " at once, on every node"
	}
	return shown(&cobra.Command{
		Use: verb + " NAME", Short: short, Args: exactly(1, "its name"), Example: "  signalbox " + k.name + " " + verb + " " + k.sample,
		RunE: func(c *cobra.Command, args []string) error {
			return k.send(c, a, asked{http.MethodPatch, k.path(args[0]), map[string]any{"disabled": disabled}}, verb+"d")
		},
	})
}

func (k entryKind) remove(a *access) *cobra.Command {
	return shown(&cobra.Command{
		Use: "remove NAME", Short: "Remove " + k.one + " that no live key acts for", Args: exactly(1, "its name"), Example: "  signalbox " + k.name + " remove " + k.sample,
		RunE: func(c *cobra.Command, args []string) error {
			return k.send(c, a, asked{http.MethodDelete, k.path(args[0]), nil}, "removed")
		},
	})
}

// send asks for a change and says what was done.
func (k entryKind) send(c *cobra.Command, a *access, q asked, done string) error {
	var answer struct{ Name, Removed string }
	return a.ask(c, q, &answer, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s %s %s\n", done, k.name, answer.Name+answer.Removed)
		return err
	})
}

func (k entryKind) show(a *access) *cobra.Command {
	return shown(&cobra.Command{
		Use: "show NAME", Short: "Show " + k.one, Args: exactly(1, "its name"), Example: "  signalbox " + k.name + " show " + k.sample,
		RunE: func(c *cobra.Command, args []string) error {
			var e entryRow
			return a.show(c, k.path(args[0]), &e, e.print)
		},
	})
}

func (e *entryRow) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, l := range [][2]string{{"name", e.Name}, {"title", e.Title}, {"state", e.state()}, {"org", e.Org}, {"team", e.Team},
		{"teams", strings.Join(e.Teams, " ")}, {"attrs", pairsText(e.Attrs)}, {"changed", clock(e.Changed)}} {
		if l[1] != "" && l[1] != "-" {
			fmt.Fprintf(t, "%s\t%s\n", l[0], l[1])
		}
	}
	return t.Flush()
}

func (k entryKind) list(a *access) *cobra.Command {
	return shown(&cobra.Command{
		Use: "list", Short: "List the " + k.what, Args: cobra.NoArgs, Example: "  signalbox " + k.name + " list",
		RunE: func(c *cobra.Command, _ []string) error {
			var answer map[string][]entryRow
			return a.show(c, k.path(""), &answer, func(w io.Writer) error { return printEntryRows(w, answer[k.name+"s"]) })
		},
	})
}

func printEntryRows(w io.Writer, rows []entryRow) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tTITLE\tORG\tTEAMS\tATTRS\tSTATE")
	for _, e := range rows {
		teams := strings.Join(append(some([]string{e.Team}), e.Teams...), " ")
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", e.Name, dash(e.Title), dash(e.Org), dash(teams), dash(pairsText(e.Attrs)), e.state())
	}
	return t.Flush()
}
