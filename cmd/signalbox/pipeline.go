package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/signalbox-ai/signalbox/host"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
)

func pipelineCommand(src *sources) *cobra.Command {
	a := &access{src: src}
	c := &cobra.Command{Use: "pipeline", Short: "Several models as one call: list, check, plan and run pipelines"}
	a.flags(c)
	c.AddCommand(pipelineListCommand(a), pipelineShowCommand(a), pipelineCheckCommand(src), pipelinePlanCommand(a), pipelineRunsCommand(a), pipelineRunCommand(a))
	return c
}

// graph is a pipeline as the admin API shows it.
type graph struct {
	Name, Description, Deadline, Grant string
	Output                             string `json:"output_type"`
	Streams                            bool
	Budget                             *float64 `json:"budget_usd"`
	Inputs                             []struct {
		Name, Type, From, Description string
		Required                      bool
		Default                       any
		Enum                          []any
	}
	Models []string
	Steps  []*stepShown
	Last   *runShown `json:"last_run"`
}

// stepShown is a step of a graph or a plan.
type stepShown struct {
	Name, Kind, Op, Model, When, Each, Unbounded string
	Models, Fallback                             []string
	MaxItems                                     int `json:"max_items"`
	Concurrency, Retries                         int
	Bound                                        *float64 `json:"bound_usd"`
	Worst                                        *float64 `json:"worst_usd"`
	Steps                                        []*stepShown
}

func pipelineListCommand(a *access) *cobra.Command {
	return shown(&cobra.Command{
		Use: "list", Short: "List the pipelines with what they ask for and their last run", Args: cobra.NoArgs, Example: "  signalbox pipeline list",
		RunE: func(c *cobra.Command, _ []string) error {
			var answer struct{ Pipelines []graph }
			return a.show(c, "/admin/pipelines", &answer, func(w io.Writer) error {
				t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
				fmt.Fprintln(t, "NAME\tINPUTS\tGIVES\tMODELS\tLAST RUN")
				for _, g := range answer.Pipelines {
					fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", g.Name, g.inputs(), g.Output, strings.Join(g.Models, ", "), g.last())
				}
				return t.Flush()
			})
		},
	})
}

func (g *graph) inputs() string {
	var out []string
	for _, in := range g.Inputs {
		mark := ""
		if !in.Required {
			mark = "?"
		}
		out = append(out, in.Name+mark)
	}
	return strings.Join(out, ", ")
}

func (g *graph) last() string {
	if g.Last == nil {
		return "-"
	}
	return fmt.Sprintf("%s, %s", second(g.Last.Created), g.Last.Status)
}

func pipelineShowCommand(a *access) *cobra.Command {
	return shown(&cobra.Command{
		Use: "show NAME", Short: "Show the inputs and steps of a pipeline", Args: exactly(1, "the name of a pipeline"), Example: "  signalbox pipeline show voice-note",
		RunE: func(c *cobra.Command, args []string) error {
			var g graph
			return a.show(c, "/admin/pipelines/"+url.PathEscape(args[0]), &g, func(w io.Writer) error { return printGraph(w, &g) })
		},
	})
}

func printGraph(w io.Writer, g *graph) error {
	fmt.Fprintln(w, g.Name)
	if g.Description != "" {
		fmt.Fprintln(w, "  "+harmless(g.Description))
	}
	for _, in := range g.Inputs {
		line := fmt.Sprintf("input %s: %s", in.Name, in.Type)
		if in.Required {
			line += ", required"
		}
		if in.Default != nil {
			line += fmt.Sprintf(", default %v", in.Default)
		}
		if in.From != "" {
			line += ", from " + in.From
		}
		fmt.Fprintln(w, harmless(line))
	}
	printSteps(w, g.Steps, "", func(s *stepShown) string {
		text := s.Op + " by " + s.Model
		if len(s.Fallback) > 0 {
			text += ", else " + strings.Join(s.Fallback, ", ")
		}
		return text
	})
	_, err := fmt.Fprintf(w, "gives %s\n", g.Output)
	return err
}

// printSteps draws steps as a tree.
func printSteps(w io.Writer, steps []*stepShown, indent string, what func(*stepShown) string) {
	for i, s := range steps {
		branch, below := "├─ ", "│  "
		if i == len(steps)-1 {
			branch, below = "└─ ", "   "
		}
		text := s.Kind
		if s.Kind == "request" {
			text = what(s)
		} else if s.MaxItems > 0 {
			text += fmt.Sprintf(", up to %d times", s.MaxItems)
		}
		if s.Each != "" {
			text += ", for each of " + s.Each
		}
		if s.When != "" {
			text += ", when " + s.When
		}
		fmt.Fprintf(w, "%s%s%s: %s\n", indent, branch, s.Name, harmless(text))
		printSteps(w, s.Steps, indent+below, what)
	}
}

func pipelineCheckCommand(src *sources) *cobra.Command {
	return told(&cobra.Command{
		Use: "check [FILE…]", Short: "Check pipelines without serving them: those of the configuration, or of files",
		Long: "Check pipelines without serving them: those of the configuration, or of files, each with one pipeline as pipelines_dir has it.\n" +
			"All that is wrong is said at once, with the pipeline, the step and the field. Which operations a provider serves is known when it runs alone.",
		Example: "  signalbox pipeline check\n  signalbox pipeline check pipelines/digest.yaml",
		RunE: func(c *cobra.Command, files []string) error {
			r := newCheckReport()
			err := checkPipelineFiles(src, files, r)
			return r.end(c, err)
		},
	})
}

func checkPipelineFiles(src *sources, files []string, r *checkReport) error {
	s, err := src.resolve()
	if err != nil {
		return err
	}
	cfg, err := config.Load(s)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return checkPipelines(cfg, r)
	}
	clear(cfg.Pipelines)
	if cfg.Pipelines == nil {
		cfg.Pipelines = map[string]call.Pipeline{}
	}
	var problems []error
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("cannot read pipeline: %w", err)
		}
		name := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
		spec, err := config.ParsePipeline(name, raw)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", file, err))
			continue
		}
		cfg.Pipelines[name] = spec
	}
	return errors.Join(append(problems, checkPipelines(cfg, r))...)
}

// checkPipelines compiles the pipelines of a configuration.
func checkPipelines(cfg *config.Config, r *checkReport) error {
	return host.CheckPipelines(cfg, func(name string) { r.found(checked{Kind: "pipeline", Name: name}, "pipeline %s: good", name) })
}

// planned is what a run may cost.
type planned struct {
	Pipeline  string
	Deadline  string
	Budget    *float64 `json:"budget_usd"`
	Bound     *float64 `json:"bound_usd"`
	Worst     *float64 `json:"worst_usd"`
	Unbounded []string
	Steps     []*stepShown
}

func pipelinePlanCommand(a *access) *cobra.Command {
	return shown(&cobra.Command{
		Use: "plan NAME", Short: "Show what a run of a pipeline would do, and what it may cost at most", Args: exactly(1, "the name of a pipeline"), Example: "  signalbox pipeline plan voice-note",
		RunE: func(c *cobra.Command, args []string) error {
			var p planned
			return a.show(c, "/admin/pipelines/"+url.PathEscape(args[0])+"/plan", &p, func(w io.Writer) error { return printPlan(w, &p) })
		},
	})
}

func printPlan(w io.Writer, p *planned) error {
	fmt.Fprintln(w, p.Pipeline)
	printSteps(w, p.Steps, "", func(s *stepShown) string {
		text := s.Op + " by " + strings.Join(s.Models, ", else ")
		if s.MaxItems > 0 {
			text += fmt.Sprintf(", up to %d times", s.MaxItems)
		}
		return text + ", " + boundOf(s.Bound, s.Unbounded)
	})
	fmt.Fprintf(w, "in all %s", boundOf(p.Bound, strings.Join(p.Unbounded, "; ")))
	if p.Worst != nil {
		fmt.Fprintf(w, "; %s where all tries are charged", inUSD(*p.Worst))
	}
	if p.Budget != nil {
		fmt.Fprintf(w, "; the budget is %s", inUSD(*p.Budget))
	}
	if p.Deadline != "" {
		fmt.Fprintf(w, "; it ends within %s", harmless(p.Deadline))
	}
	_, err := fmt.Fprintln(w)
	return err
}

func boundOf(usd *float64, why string) string {
	if usd == nil {
		return "unbounded: " + why
	}
	return "at most " + inUSD(*usd)
}

func inUSD(usd float64) string {
	return strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.6f", usd), "0"), ".") + " USD"
}

// runShown is a run as the gateway tells of it.
type runShown struct {
	ID, Pipeline, Status, Key string
	Created                   time.Time `json:"created_at"`
	Duration                  float64   `json:"duration_ms"`
	Cost                      float64   `json:"cost_usd"`
	Error                     *struct{ Code, Message string }
	Output                    any
}

func pipelineRunsCommand(a *access) *cobra.Command {
	return shown(&cobra.Command{
		Use: "runs NAME", Short: "List the last runs of a pipeline", Args: exactly(1, "the name of a pipeline"), Example: "  signalbox pipeline runs voice-note",
		RunE: func(c *cobra.Command, args []string) error {
			var answer struct{ Runs []runShown }
			return a.show(c, "/admin/pipelines/"+url.PathEscape(args[0])+"/runs", &answer, func(w io.Writer) error {
				t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
				fmt.Fprintln(t, "RUN\tSTARTED\tTOOK\tCOST\tKEY\tSTATUS")
				for _, r := range answer.Runs {
					status := r.Status
					if r.Error != nil {
						status += ": " + r.Error.Code
					}
					fmt.Fprintf(t, "%s\t%s\t%.0f ms\t%s\t%s\t%s\n", r.ID, second(r.Created), r.Duration, inUSD(r.Cost), r.Key, status)
				}
				return t.Flush()
			})
		},
	})
}
