package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/policy"
)

// bundleFlags say which bundle a command works on, and what the gateway would
// give it.
type bundleFlags struct {
	src       *sources
	filters   []string
	catalogue string
	json      bool
}

// bundleExamples are the flags in the examples of commands.
var bundleExamples = map[string]string{"check": " --strict", "cover": " --threshold 100", "test": " --verbose",
	"eval": " --model openai/gpt-4o --team core --ip 10.1.2.3", "bench": " --model openai/gpt-4o"}

// command makes the command of a bundle: use PATH, or the one of the configuration.
func (f *bundleFlags) command(use, short, long string, run func(c *cobra.Command, path string, o policy.Options) error) *cobra.Command {
	c := &cobra.Command{
		Use: use + " [BUNDLE]", Short: short, Example: "  signalbox policy " + use + " ./policies" + bundleExamples[use],
		Long: long + "\n\nBUNDLE is a folder or a tarball; without it the configuration's is taken, or the default one. No gateway is asked.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			path, o, err := f.open(args)
			if err != nil {
				return err
			}
			return run(c, path, o)
		},
	}
	c.Flags().StringArrayVar(&f.filters, "filter", nil, "a filter that policies may demand, beside those of the configuration (repeatable)")
	c.Flags().StringVar(&f.catalogue, "catalogue", "", `JSON file that stands in for the gateway's models: {"models": {…}, "aliases": {…}}`)
	c.Flags().BoolVar(&f.json, "json", false, "print JSON")
	return c
}

func (f *bundleFlags) open(args []string) (path string, o policy.Options, err error) {
	s, err := f.src.resolve()
	if err != nil {
		return "", o, err
	}
	cfg, err := config.Load(s)
	switch {
	case len(args) == 1:
		path = args[0] // a configuration that is not good has no say
	case err != nil:
		return "", o, hint(err, "name the bundle, such as signalbox policy check ./policies")
	default:
		path = cfg.Policy.Path
	}
	o.Filters = f.filters
	if err == nil {
		o.Filters = append(o.Filters, sorted(cfg.Filters)...)
	}
	if f.catalogue == "" {
		return path, o, nil
	}
	body, err := os.ReadFile(f.catalogue)
	if err == nil {
		err = json.Unmarshal(body, &o.Catalogue)
	}
	if err != nil {
		return "", o, fmt.Errorf("cannot read catalogue %q: %w", f.catalogue, err)
	}
	return path, o, nil
}

// findingJSON is a remark about a line.
type findingJSON struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	What    string `json:"what"`
	Rewrite bool   `json:"rewrite,omitempty"`
}

func findingsJSON(list []policy.Finding) []findingJSON {
	out := []findingJSON{}
	for _, f := range list {
		out = append(out, findingJSON{File: f.File, Line: f.Line, What: f.What})
	}
	return out
}

// rewritable are the rules of all units that would be indexed if they were
// written otherwise, each once.
func rewritable(units []policy.UnitReport) []findingJSON {
	out, seen := []findingJSON{}, map[policy.Finding]bool{}
	for _, u := range units {
		for _, n := range u.NotIndexed {
			if n.Rewrite && !seen[n.Finding] {
				seen[n.Finding] = true
				out = append(out, findingJSON{n.File, n.Line, n.What, true})
			}
		}
	}
	return out
}

func policyCheckCommand(src *sources) *cobra.Command {
	f := &bundleFlags{src: src}
	var strict bool
	c := f.command("check", "Check a bundle as the gateway would before using it",
		"Check a bundle as the gateway would before using it: syntax, types of input and data by the schemas, builtins that are\n"+
			"allowed, units, denials that could vanish, the bundle's probes and its tests. Rules that OPA's index cannot leave out\n"+
			"although they could be written so are warnings.",
		func(c *cobra.Command, path string, o policy.Options) error {
			rep, err := policy.Check(path, o)
			return printCheck(c.OutOrStdout(), &rep, err, strict, f.json)
		})
	c.Flags().BoolVar(&strict, "strict", false, "warnings are errors")
	return c
}

func printCheck(w io.Writer, rep *policy.Report, err error, strict, asJSON bool) error {
	warnings := rewritable(rep.Units)
	for _, u := range rep.Units {
		for _, n := range u.Uncached {
			warnings = append(warnings, findingJSON{File: n.File, Line: n.Line, What: "unit " + u.Name + " is evaluated in every request: " + n.What})
		}
	}
	if strict && len(warnings) > 0 {
		err = errors.Join(err, fmt.Errorf("there are %d warnings", len(warnings)))
	}
	if asJSON {
		problem := ""
		if err != nil {
			problem = err.Error()
		}
		return errors.Join(err, printJSON(w, map[string]any{"revision": rep.Revision, "units": len(rep.Units), "tests": rep.Tests,
			"probes": rep.Probes, "coverage": rep.Coverage, "warnings": warnings, "failures": findingsJSON(rep.Failures), "error": problem}))
	}
	for _, x := range warnings {
		fmt.Fprintf(w, "%s:%d: warning: %s\n", x.File, x.Line, x.What)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "revision %s: %d units, %d tests and %d probes pass, %.0f %% of the rules are covered\n",
		rep.Revision, len(rep.Units), rep.Tests, rep.Probes, rep.Coverage)
	return nil
}

func policyDepsCommand(src *sources) *cobra.Command {
	f := &bundleFlags{src: src}
	return f.command("deps", "Tell what of a request each unit depends on",
		"Tell what of a request each unit depends on: its verdict is remembered for each combination of these fields' values. The\n"+
			"lines that keep a unit from being remembered are named, and the rules that OPA's index cannot leave out; those marked\n"+
			"with ! could be written so that it can.",
		func(c *cobra.Command, path string, o policy.Options) error {
			rep, err := policy.Check(path, o)
			if len(rep.Units) == 0 && err != nil {
				return err
			}
			return printDeps(c.OutOrStdout(), rep.Units, f.json)
		})
}

func printDeps(w io.Writer, units []policy.UnitReport, asJSON bool) error {
	type unit struct {
		Name       string        `json:"unit"`
		Rules      int           `json:"rules"`
		Reads      []string      `json:"reads"`
		Remembered bool          `json:"remembered"`
		Uncached   []findingJSON `json:"uncached"`
		NotIndexed []findingJSON `json:"not_indexed"`
	}
	out := []unit{}
	for _, u := range units {
		x := unit{u.Name, u.Rules, u.Reads, u.Cached, findingsJSON(u.Uncached), []findingJSON{}}
		for _, n := range u.NotIndexed {
			x.NotIndexed = append(x.NotIndexed, findingJSON{n.File, n.Line, n.What, n.Rewrite})
		}
		out = append(out, x)
	}
	if asJSON {
		return printJSON(w, out)
	}
	for _, u := range out {
		fmt.Fprintf(w, "%s (%d rules)\n", u.Name, u.Rules)
		for _, field := range u.Reads {
			fmt.Fprintf(w, "  reads %s\n", field)
		}
		for _, n := range u.Uncached {
			fmt.Fprintf(w, "  not remembered: %s:%d: %s\n", n.File, n.Line, n.What)
		}
		for _, n := range u.NotIndexed {
			fmt.Fprintf(w, "  %s %s:%d: %s\n", map[bool]string{true: "!", false: "-"}[n.Rewrite], n.File, n.Line, n.What)
		}
	}
	return nil
}
