package main

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/policy"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// sample is a request that flags describe.
type sample struct {
	who               call.Principal
	attrs             map[string]string
	op, model, ip, at string
	class, priority   string
	path, method      string
	tools, modalities []string
	stream, tls       bool
	size              int
	maxTokens         int64
}

func (s *sample) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&s.who.KeyName, "key", "dev", "name of the caller's key")
	f.StringVar(&s.who.KeyID, "key-id", "k-sample", "public part of the caller's key")
	f.StringVar(&s.who.Auth, "auth", "key", "key or jwt")
	f.StringVar(&s.who.Org, "org", "", "the caller's organisation")
	f.StringVar(&s.who.Project, "project", "", "the caller's project")
	f.StringVar(&s.who.Team, "team", "", "the caller's team")
	f.StringVar(&s.who.User, "user", "", "the caller's user")
	f.StringVar(&s.who.Env, "env", "", "the caller's environment")
	f.StringArrayVar(&s.who.Roles, "role", nil, "a role of the caller (repeatable)")
	f.StringToStringVar(&s.attrs, "attr", nil, "attributes of the caller's key, as in --attr cost_center=c7")
	f.StringVar(&s.op, "op", "chat", "the operation")
	f.StringVar(&s.model, "model", "openai/gpt-4o-mini", "the model that is asked for")
	f.StringVar(&s.method, "method", "", "of files, batches and pass")
	f.StringVar(&s.path, "path", "", "of files, batches and pass, as in /file-12/content")
	f.StringArrayVar(&s.tools, "tool", nil, "a tool that the request declares (repeatable)")
	f.StringArrayVar(&s.modalities, "in", []string{"text"}, "kinds of content: text, image, audio, file (repeatable)")
	f.BoolVar(&s.stream, "stream", false, "the answer is to be streamed")
	f.Int64Var(&s.maxTokens, "max-tokens", 0, "the cap on the answer that the request names")
	f.IntVar(&s.size, "size", 1000, "bytes of the body")
	f.StringVar(&s.class, "class", "", "the class of data that the request names")
	f.StringVar(&s.priority, "priority", "normal", "high, normal or low")
	f.StringVar(&s.ip, "ip", "192.0.2.1", "address of the client")
	f.BoolVar(&s.tls, "tls", true, "the client comes over TLS")
	f.StringVar(&s.at, "at", "", "time of the request, as in 2026-05-04T22:30:00Z (default: now)")
}

type sampleHeader string

// Peek implements call.Header.
func (h sampleHeader) Peek(name string) []byte {
	if strings.EqualFold(name, "x-signalbox-data-class") {
		return []byte(h)
	}
	return nil
}

// call makes the request that the flags describe.
func (s *sample) call() (*call.Call, error) {
	c := &call.Call{Received: time.Now(), TLS: s.tls, Method: s.method, Path: s.path, Priority: s.priority,
		Principal: &s.who, Model: &call.Model{Name: s.model}, Header: sampleHeader(s.class)}
	c.Facts = scan.Facts{Stream: s.stream, MaxTokens: s.maxTokens, Size: s.size, N: 1}
	s.who.Attrs = s.attrs
	slices.Sort(s.who.Roles)
	var err error
	if c.Remote, err = netip.ParseAddr(s.ip); err != nil {
		return nil, fmt.Errorf("cannot read --ip: %w", err)
	}
	if s.at != "" {
		if c.Received, err = time.Parse(time.RFC3339, s.at); err != nil {
			return nil, fmt.Errorf("cannot read --at: %w", err)
		}
	}
	for c.Op = 0; c.Op.String() != s.op; c.Op++ {
		if c.Op == 255 {
			return nil, fmt.Errorf("cannot read --op: %q is no operation", s.op)
		}
	}
	for _, tool := range s.tools {
		c.Facts.Tools = append(c.Facts.Tools, []byte(tool))
	}
	kinds := map[string]scan.Modality{"text": scan.Text, "image": scan.Image, "audio": scan.Audio, "file": scan.File}
	for _, kind := range s.modalities {
		if kinds[kind] == 0 {
			return nil, fmt.Errorf("cannot read --in: %q is none of text, image, audio and file", kind)
		}
		c.Facts.In |= kinds[kind]
	}
	return c, nil
}

func policyEvalCommand(src *sources) *cobra.Command {
	f, s := &bundleFlags{src: src}, &sample{}
	var input string
	c := f.command("eval", "Tell what a bundle decides on a request",
		"Tell what a bundle decides on a request, unit by unit and all together. Flags describe the request, or --input does: a JSON\n"+
			"object that is laid over a sample of the input.",
		func(c *cobra.Command, path string, o policy.Options) error {
			t, err := policy.Load(path, o)
			if err != nil {
				return err
			}
			x, err := evaluate(t, s, input, c.InOrStdin())
			if err != nil {
				return err
			}
			return printEvaluation(c.OutOrStdout(), x, f.json)
		})
	s.flags(c)
	c.Flags().StringVar(&input, "input", "", "JSON file with the input, - for the standard input")
	return c
}

func evaluate(t *policy.Trial, s *sample, input string, stdin io.Reader) (*policy.Evaluation, error) {
	if input == "" {
		c, err := s.call()
		if err != nil {
			return nil, err
		}
		return t.EvalCall(c), nil
	}
	var over []byte
	var err error
	if input == "-" {
		over, err = io.ReadAll(stdin)
	} else {
		over, err = os.ReadFile(input)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read input: %w", err)
	}
	return t.EvalInput(over)
}

type reasonJSON struct {
	Unit  string `json:"unit,omitempty"`
	Code  string `json:"code"`
	Value string `json:"value,omitempty"`
}

func reasonsJSON(list []call.Reason) []reasonJSON {
	out := []reasonJSON{}
	for _, r := range list {
		out = append(out, reasonJSON(r))
	}
	return out
}

func printEvaluation(w io.Writer, x *policy.Evaluation, asJSON bool) error {
	d := x.Decision
	if asJSON {
		units := []map[string]any{}
		for _, u := range x.Units {
			units = append(units, map[string]any{"unit": u.Unit, "denied": u.Denied, "reasons": reasonsJSON(u.Reasons), "obligations": u.Obligations, "error": u.Error})
		}
		var targets []string // null: any
		if d.Restricted {
			targets = append([]string{}, d.Targets...)
		}
		return printJSON(w, map[string]any{"revision": x.Revision, "allow": d.Allow, "reasons": reasonsJSON(d.Reasons), "message": x.Message, "error": x.Error,
			"obligations": map[string]any{"max_tokens": d.MaxTokens, "targets": targets, "filters": d.Filters, "limits": d.Limits, "log": d.Log, "cache": d.Cache},
			"units":       units})
	}
	if d.Allow {
		fmt.Fprintln(w, "allowed")
	} else {
		fmt.Fprintf(w, "denied: %s\n", x.Message)
	}
	if x.Error != "" {
		fmt.Fprintf(w, "error: %s\n", x.Error)
	}
	for _, u := range x.Units {
		fmt.Fprintf(w, "  %s: %s\n", u.Unit, unitLine(u))
	}
	return nil
}

func unitLine(u policy.UnitExplanation) string {
	if u.Error != "" {
		return "error: " + u.Error
	}
	var parts []string
	for _, r := range u.Reasons {
		parts = append(parts, strings.TrimSuffix(r.Code+" "+r.Value, " "))
	}
	line := "nothing against it"
	if len(parts) > 0 {
		line = "denied: " + strings.Join(parts, ", ")
	}
	if u.Obligations != "" && u.Obligations != "{}" {
		line += "; obliges " + u.Obligations
	}
	return line
}

func policyBenchCommand(src *sources) *cobra.Command {
	f, s := &bundleFlags{src: src}, &sample{}
	c := f.command("bench", "Measure what each unit of a bundle costs",
		"Measure what each unit of a bundle costs on a request that flags describe: cold, which is evaluated, and warm, from memory.\n"+
			"Of several rounds the fastest is told.",
		func(c *cobra.Command, path string, o policy.Options) error {
			t, err := policy.Load(path, o)
			if err != nil {
				return err
			}
			request, err := s.call()
			if err != nil {
				return err
			}
			costs, err := t.Bench(request)
			if err != nil {
				return err
			}
			return printCosts(c.OutOrStdout(), costs, f.json)
		})
	s.flags(c)
	return c
}

func printCosts(w io.Writer, costs []policy.UnitCost, asJSON bool) error {
	type cost struct {
		Unit   string `json:"unit"`
		Cold   int64  `json:"cold_ns"`
		Warm   int64  `json:"warm_ns"`
		Allocs int64  `json:"cold_allocs"`
	}
	out := []cost{}
	for _, c := range costs {
		out = append(out, cost{c.Unit, c.Cold.Nanoseconds(), c.Warm.Nanoseconds(), c.Allocs})
	}
	if asJSON {
		return printJSON(w, out)
	}
	for _, c := range costs {
		warm := "never remembered"
		if c.Warm > 0 {
			warm = c.Warm.String() + " warm"
		}
		fmt.Fprintf(w, "%-12s %10s cold, %5d allocations, %s\n", c.Unit, c.Cold, c.Allocs, warm)
	}
	return nil
}
