package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/signalbox-ai/signalbox/host/trust"
	"github.com/signalbox-ai/signalbox/host/wasm"
	"github.com/signalbox-ai/signalbox/host/wasm/verify"
	"github.com/signalbox-ai/signalbox/sdk/module"
)

func moduleVerifyCommand(kind string) *cobra.Command {
	o := verify.Options{Kind: module.Kind(kind)}
	var config string
	var asJSON, aloud bool
	c := &cobra.Command{
		Use: "verify FILE.wasm", Short: "Run the conformance kit on a " + kind,
		Long: "Run the conformance kit on a " + kind + ". It is run as the gateway runs it, on records that are ordinary, extreme, of other\n" +
			"minor versions, and broken; every case that fails is explained. The status is 1 when one does. No gateway is asked.\n\n" +
			"The manifest FILE.json is taken along where it lies beside the module: its grants and limits hold.",
		Example: "  signalbox " + kind + " verify " + sampleModule(kind) + ".wasm",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return hint(fmt.Errorf("%s verify needs a module", kind), "such as %s.wasm", kind)
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) (err error) {
			if aloud {
				o.Log = c.ErrOrStderr()
			}
			if o.Config, err = moduleSettings(config); err != nil {
				return err
			}
			return verifyModule(c.OutOrStdout(), args[0], o, asJSON)
		},
	}
	c.Flags().StringVar(&config, "config", "", "YAML or JSON file with the module's own configuration")
	c.Flags().BoolVar(&o.Quick, "quick", false, "fewer rounds: seconds, for continuous integration")
	c.Flags().IntVar(&o.Calls, "calls", 0, "how often the leak case calls (default 1000000, or 20000 when quick)")
	c.Flags().BoolVar(&o.Unmetered, "allow-unmetered", false, "run a module into which fuel cannot be injected under the slower guard")
	c.Flags().BoolVar(&aloud, "log", false, "print what the module logs")
	c.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	return c
}

func verifyModule(w io.Writer, path string, o verify.Options, asJSON bool) error {
	code, manifest, err := wasm.Open(path, o.Kind, trust.Keys{})
	if err != nil {
		return err
	}
	o.Manifest = manifest
	r, err := verify.Verify(code, o)
	if err != nil {
		return err
	}
	if asJSON {
		err = printJSON(w, r)
	} else {
		r.Print(w)
	}
	if n := r.Count(verify.Failed); err == nil && n > 0 {
		return fmt.Errorf("%s does not conform: %d of %d cases fail", path, n, len(r.Cases))
	}
	return err
}

// moduleSettings reads a module's configuration as JSON.
func moduleSettings(file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read the module's configuration: %w", err)
	}
	var v map[string]any
	if err = yaml.Unmarshal(raw, &v); err == nil && v == nil {
		err = errors.New("it is empty")
	}
	if err == nil {
		raw, err = json.Marshal(v)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the module's configuration %q: %w", file, err)
	}
	return raw, nil
}
