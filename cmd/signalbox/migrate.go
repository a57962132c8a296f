package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/signalbox-ai/signalbox/cmd/signalbox/migrate"
)

// exitLost is the exit code of a conversion that could not carry all.
const exitLost = 3

func migrateCommand(*sources) *cobra.Command {
	c := &cobra.Command{Use: "migrate", Short: "Convert the configuration of another gateway"}
	c.AddCommand(migrateFrom(&foreign{convert: migrate.LiteLLM, use: "litellm", of: "LiteLLM", file: "config.yaml",
		not: "Keys, teams and spend lie in LiteLLM's database, which is not read.", which: "give the file that litellm --config was started with"}),
		migrateFrom(&foreign{convert: migrate.Bifrost, use: "bifrost", of: "Bifrost", file: "config.json",
			not: "What was changed in its web pages lies in Bifrost's database, which is not read.", which: "give the file config.json of Bifrost's app directory"}))
	return c
}

// foreign is a gateway that configurations come from.
type foreign struct {
	convert                   func([]byte) (*migrate.Result, error)
	use, of, file, not, which string
}

func migrateFrom(g *foreign) *cobra.Command {
	var to string
	var force, asJSON bool
	c := &cobra.Command{
		Use:   g.use + " CONFIG",
		Short: fmt.Sprintf("Convert a %s of %s's, and report what could not be carried", g.file, g.of),
		Long: fmt.Sprintf("Convert a %s of %s's, and report what could not be carried, each with the reason and what to do.\n"+
			"The exit code is 3 where something has no effect any more. %s", g.file, g.of, g.not),
		Example: fmt.Sprintf("  signalbox migrate %[1]s %[2]s\n  signalbox migrate %[1]s %[2]s -o - --json", g.use, g.file),
		Args:    exactly(1, fmt.Sprintf("%s's %s", g.of, g.file)),
		RunE: func(c *cobra.Command, args []string) error {
			raw, err := os.ReadFile(args[0])
			if err != nil {
				return fmt.Errorf("cannot read the configuration: %w", err)
			}
			r, err := g.convert(raw)
			if err != nil {
				return hint(err, "%s", g.which)
			}
			report := c.OutOrStdout()
			switch to {
			case "-":
				report = c.ErrOrStderr()
				_, err = c.OutOrStdout().Write(r.Config)
			default:
				err = writeNew(to, r.Config, force)
			}
			if err == nil {
				err = reportMigration(report, r, args[0], to, asJSON)
			}
			if n := r.Lost(); err == nil && n > 0 {
				return coded{hint(fmt.Errorf("%d settings of %s have no effect any more", n, args[0]), "the report says of each what to do"), exitLost}
			}
			return err
		},
	}
	f := c.Flags()
	f.StringVarP(&to, "output", "o", defaultFile, "where to write the configuration; - is the standard output, and the report goes to the standard error then")
	f.BoolVar(&force, "force", false, "write over a file that is there")
	f.BoolVar(&asJSON, "json", false, "report as JSON")
	return c
}

// writeNew writes a file that is not there yet.
func writeNew(path string, text []byte, force bool) error {
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if force {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return hint(fmt.Errorf("cannot write %s: it exists", path), "choose another name with --output, or --force")
	}
	if err != nil {
		return fmt.Errorf("cannot write configuration: %w", err)
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

var variableRef = regexp.MustCompile(`\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}`)

// variablesOf are those that a configuration needs.
func variablesOf(text []byte) (list []string) {
	for _, m := range variableRef.FindAllSubmatch(text, -1) {
		list = append(list, string(m[1]))
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func reportMigration(w io.Writer, r *migrate.Result, from, to string, asJSON bool) error {
	needed := variablesOf(r.Config)
	if asJSON {
		return printLine(w, map[string]any{"from": from, "to": to, "models": r.Models, "providers": r.Providers, "lost": r.Lost(),
			"variables": append([]string{}, needed...), "notes": append([]migrate.Note{}, r.Notes...)})
	}
	l := lookOf(w)
	fmt.Fprintf(w, "%d models at %d providers\n", r.Models, r.Providers)
	for _, lost := range []bool{true, false} {
		title, with := "carried in another way", yellow
		if lost {
			title, with = "not carried", red
		}
		first := true
		for _, n := range r.Notes {
			if n.Lost != lost {
				continue
			}
			if first {
				fmt.Fprintf(w, "\n%s:\n", l.paint(with, title))
				first = false
			}
			fmt.Fprintf(w, "  %s\n    %s\n    %s %s\n", l.paint(bold, harmless(n.Where)), harmless(n.Why), l.paint(dim, "→"), harmless(n.Remedy))
		}
	}
	if len(needed) > 0 {
		fmt.Fprintf(w, "\nset in the environment: %s\n", strings.Join(needed, " "))
	}
	if to == "-" {
		return nil
	}
	fmt.Fprintln(w)
	return writtenConfig(to).print(w)
}
