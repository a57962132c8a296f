package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/signalbox-ai/signalbox/host/policy"
)

func policyExplainCommand(a *access) *cobra.Command {
	var bundle, trace string
	c := &cobra.Command{
		Use:   "explain REQUEST-ID",
		Short: "Show how policy decides on a request that was kept: each unit's reasons, and what did not hold",
		Long: "Show how policy decides on a request that was kept: each unit's reasons, and what did not hold.\n" +
			"The id is in the header x-signalbox-request-id of the answer, also of one that was refused.",
		Example: "  signalbox policy explain req_0a1b2c3d4e5f6 --trace fails",
		Args:    exactly(1, "the id of a request"),
		RunE: func(c *cobra.Command, args []string) (err error) {
			var q struct {
				Bundle []byte `json:"bundle,omitempty"`
				Trace  string `json:"trace"`
			}
			q.Trace = trace
			if bundle != "" {
				if q.Bundle, err = policy.Pack(bundle); err != nil {
					return err
				}
			}
			var x policyExplanation
			return a.ask(c, asked{http.MethodPost, "/admin/policy/explain/" + url.PathEscape(args[0]), q}, &x, x.print)
		},
	}
	c.Flags().StringVar(&bundle, "bundle", "", "decide by this folder or .tar.gz in place of the bundle that is in use")
	c.Flags().StringVar(&trace, "trace", "off", "what to show of the evaluation: off, fails, full")
	return shown(c)
}

// policyExplanation is what POST /admin/policy/explain/{id} answers.
type policyExplanation struct {
	Request, Revision string
	Then              struct {
		Revision, Code string
		Allow          bool
	}
	Now   policyChange
	Units []struct {
		Unit, Verdict, Obligations, Error string
		Reasons                           []struct{ Code, Value, Message string }
		Trace                             []string
	}
	Input json.RawMessage
}

func (x *policyExplanation) print(out io.Writer) error {
	p := &printer{w: out}
	then := "allowed"
	if !x.Then.Allow {
		then = "refused with " + x.Then.Code
	}
	p.line("%s", x.Request)
	p.line("decided   %s, by %s", then, x.Then.Revision)
	p.line("now       %s, by %s", strings.Join(append(append([]string{strings.ReplaceAll(x.Now.Change, "_", " ")}, x.Now.Codes...), x.Now.Terms...), ", "), x.Revision)
	for _, u := range x.Units {
		p.line("unit      %s %s", u.Unit, u.Verdict)
		for _, r := range u.Reasons {
			p.line("          %s: %s", words(r.Code, r.Value), r.Message)
		}
		if u.Obligations != "" {
			p.line("          obligations %s", u.Obligations)
		}
		if u.Error != "" {
			p.line("          %s", u.Error)
		}
		for _, t := range u.Trace {
			p.line("          | %s", t)
		}
	}
	p.line("input     %s", x.Input)
	return p.err
}
