package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/signalbox-ai/signalbox/host/policy"
)

func policyTestCommand(src *sources) *cobra.Command {
	f := &bundleFlags{src: src}
	var aloud bool
	c := f.command("test", "Run a bundle's tests", "Run a bundle's tests: rules test_* in files *_test.rego.",
		func(c *cobra.Command, path string, o policy.Options) error {
			results, err := policy.RunTests(path, o)
			if err != nil {
				return err
			}
			return printTests(c.OutOrStdout(), results, aloud, f.json)
		})
	c.Flags().BoolVarP(&aloud, "verbose", "v", false, "name the tests that pass too")
	return c
}

func printTests(w io.Writer, results []policy.TestResult, aloud, asJSON bool) error {
	type test struct {
		File   string `json:"file"`
		Line   int    `json:"line"`
		Name   string `json:"name"`
		Passed bool   `json:"passed"`
		Why    string `json:"why,omitempty"`
		Nanos  int64  `json:"duration_ns"`
	}
	out, failed := []test{}, 0
	for _, r := range results {
		out = append(out, test{r.File, r.Line, r.Name, r.Why == "", r.Why, r.Duration.Nanoseconds()})
		if r.Why != "" {
			failed++
		}
	}
	var err error
	if failed > 0 {
		err = fmt.Errorf("%d of %d tests fail", failed, len(results))
	}
	if asJSON {
		return errors.Join(err, printJSON(w, out))
	}
	for _, t := range out {
		switch {
		case !t.Passed:
			fmt.Fprintf(w, "%s:%d: %s: FAIL: %s\n", t.File, t.Line, t.Name, t.Why)
		case aloud:
			fmt.Fprintf(w, "%s:%d: %s: PASS\n", t.File, t.Line, t.Name)
		}
	}
	if err == nil {
		fmt.Fprintf(w, "%d tests pass\n", len(results))
	}
	return err
}

func policyCoverCommand(src *sources) *cobra.Command {
	f := &bundleFlags{src: src}
	var threshold float64
	c := f.command("cover", "Tell which rules no test of a bundle reaches", "Tell which rules no test of a bundle reaches.",
		func(c *cobra.Command, path string, o policy.Options) error {
			rep, err := policy.Cover(path, o)
			if err != nil {
				return err
			}
			if rep.Coverage < threshold {
				err = fmt.Errorf("%.1f %% of the rules are covered, less than %g %%", rep.Coverage, threshold)
			}
			w := c.OutOrStdout()
			if f.json {
				return errors.Join(err, printJSON(w, map[string]any{"coverage": rep.Coverage, "tests": rep.Tests, "uncovered": findingsJSON(rep.Uncovered)}))
			}
			for _, n := range rep.Uncovered {
				fmt.Fprintln(w, n)
			}
			fmt.Fprintf(w, "%.1f %% of the rules are covered by %d tests\n", rep.Coverage, rep.Tests)
			return err
		})
	c.Flags().Float64Var(&threshold, "threshold", 0, "per cent that must be covered")
	return c
}

func policyFmtCommand() *cobra.Command {
	var write, fail, asJSON bool
	c := &cobra.Command{
		Use: "fmt PATH", Short: "List the Rego files that are not written as OPA would",
		Long:    "List the Rego files in a folder, or the one file, that are not written as OPA would. With --write they are.",
		Example: "  signalbox policy fmt ./policies --write",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return hint(errors.New("policy fmt needs a folder or a file"), "such as signalbox policy fmt ./policies")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			found, err := policy.Format(args[0])
			if err != nil {
				return err
			}
			names := []string{}
			for _, u := range found {
				names = append(names, u.File)
				if write {
					if err := os.WriteFile(u.File, u.Want, 0o644); err != nil {
						return fmt.Errorf("cannot write %q: %w", u.File, err)
					}
				}
			}
			if fail && len(found) > 0 {
				err = hint(fmt.Errorf("%d files are not formatted", len(found)), "signalbox policy fmt --write %s", args[0])
			}
			if asJSON {
				return errors.Join(err, printJSON(c.OutOrStdout(), names))
			}
			for _, name := range names {
				fmt.Fprintln(c.OutOrStdout(), name)
			}
			return err
		},
	}
	c.Flags().BoolVarP(&write, "write", "w", false, "write the files as OPA would")
	c.Flags().BoolVar(&fail, "fail", false, "a file that is not formatted is an error")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
