package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// moduleUpload is what a push sends.
type moduleUpload struct {
	Code      []byte          `json:"code"`
	Manifest  []byte          `json:"manifest,omitempty"`
	Signature []byte          `json:"signature,omitempty"`
	Config    json.RawMessage `json:"config,omitempty"`
	Why       string          `json:"why,omitempty"`
}

func modulePushCommand(src *sources, kind string) *cobra.Command {
	a := &access{src: src}
	var manifest, config, why string
	c := &cobra.Command{
		Use: "push NAME FILE.wasm", Short: "Push a new version of a " + kind + " to the running gateway",
		Long: "Push a new version of a " + kind + " that the configuration names. It is checked, metered, compiled and configured on trial;\n" +
			"nothing of it is in use yet. The manifest FILE.json and its signature FILE.json.minisig are taken along where they lie beside it.",
		Args: exactly(2, "a name and a file"), Example: "  signalbox " + kind + " push " + sampleModule(kind) + " new.wasm --why 'cheaper nights'",
		RunE: func(c *cobra.Command, args []string) error {
			up, err := readUpload(args[1], manifest, config)
			if err != nil {
				return err
			}
			up.Why = why
			var got moduleVersion
			return a.ask(c, asked{http.MethodPost, modulePath(kind, args[0], "/versions"), up}, &got, func(w io.Writer) error {
				said := "pushed"
				if got.Known {
					said = "known already:"
				}
				_, err := fmt.Fprintf(w, "%s %s, state %s, sha256 %s\n", said, got.Label, got.State, got.SHA256)
				return err
			})
		},
	}
	c.Flags().StringVar(&manifest, "manifest", "", "manifest (default: FILE.json, if it is there)")
	c.Flags().StringVar(&config, "settings", "", "JSON file with the module's configuration (default: that of the active version)")
	c.Flags().StringVar(&why, "why", "", "reason, for the history")
	a.flags(c)
	return shown(c)
}

// readUpload reads a module and what lies beside it.
func readUpload(path, manifest, config string) (up moduleUpload, err error) {
	if up.Code, err = os.ReadFile(path); err != nil {
		return up, fmt.Errorf("cannot read the module: %w", err)
	}
	beside := manifest == ""
	if beside {
		manifest = strings.TrimSuffix(path, ".wasm") + ".json"
	}
	if up.Manifest, err = os.ReadFile(manifest); err != nil && !(beside && errors.Is(err, fs.ErrNotExist)) {
		return up, fmt.Errorf("cannot read the manifest: %w", err)
	}
	if up.Signature, err = os.ReadFile(manifest + ".minisig"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return up, fmt.Errorf("cannot read the signature: %w", err)
	}
	if config == "" {
		return up, nil
	}
	if up.Config, err = os.ReadFile(config); err != nil {
		return up, fmt.Errorf("cannot read the module's configuration: %w", err)
	}
	if !json.Valid(up.Config) {
		return up, fmt.Errorf("cannot read the module's configuration: %s is not JSON", config)
	}
	return up, nil
}
