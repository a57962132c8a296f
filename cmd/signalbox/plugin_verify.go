package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/signalbox-ai/signalbox/sdk/provider/conform"
)

func pluginVerifyCommand() *cobra.Command {
	var file string
	var asJSON bool
	c := &cobra.Command{
		Use:   "verify PATH",
		Short: "Run the conformance kit on an adapter",
		Long: "Run the conformance kit on an adapter: an executable file in any language. It is started as the gateway\n" +
			"starts it, with a mock upstream; every case that fails is explained. The status is 1 when one does.\n\n" +
			"--config names a YAML or JSON file with what the kit is to know:\n" +
			"  config:      the adapter's configuration; {upstream} in a text is the mock upstream's address\n" +
			"  credential:  its form, with {secret} in it, when it is not just any text\n" +
			"  model:       what to ask for; models: {speech: …} by operation\n" +
			"  answers:     what the mock upstream answers: [{path: regexp, stream, status, content_type, body}]\n" +
			"  leave:       cases to leave out, with the reason: {cancel: …}",
		Example: "  signalbox plugin verify bin/plugins/providers/acme",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return hint(fmt.Errorf("plugin verify needs the path of an adapter"), "such as bin/plugins/providers/demo")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			var o conform.Options
			if err := kitOptions(file, &o); err != nil {
				return err
			}
			r, err := conform.Verify(c.Context(), args[0], o)
			if err != nil {
				return err
			}
			return printReport(c.OutOrStdout(), r, asJSON)
		},
	}
	c.Flags().StringVar(&file, "config", "", "YAML or JSON file for the kit")
	c.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	return c
}

// kitOptions reads the kit's configuration; YAML goes through JSON, whose
// names the options have.
func kitOptions(file string, o *conform.Options) error {
	if file == "" {
		return nil
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("cannot read the kit's configuration: %w", err)
	}
	var v map[string]any
	if err := yaml.Unmarshal(raw, &v); err != nil {
		return fmt.Errorf("cannot read the kit's configuration %q: %w", file, err)
	}
	if raw, err = json.Marshal(v); err != nil {
		return fmt.Errorf("cannot read the kit's configuration %q: %w", file, err)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(o); err != nil {
		return hint(fmt.Errorf("cannot read the kit's configuration %q: %w", file, err), "it has config, credential, model, models, answers, leave")
	}
	return nil
}

func printReport(w io.Writer, r *conform.Report, asJSON bool) error {
	if asJSON {
		if err := printJSON(w, r); err != nil {
			return err
		}
	} else {
		r.Print(w)
	}
	if n := r.Count(conform.Failed); n > 0 {
		return fmt.Errorf("%s does not conform: %d of %d cases fail", r.Path, n, len(r.Cases))
	}
	return nil
}
