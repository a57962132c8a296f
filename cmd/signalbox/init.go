package main

import (
	_ "embed" // the template
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"
)

//go:embed init.yaml
var initYAML []byte

func initCommand() *cobra.Command {
	var file string
	c := told(&cobra.Command{
		Use:     "init",
		Short:   "Write a configuration to start from",
		Example: "  signalbox init --file gateway.yaml",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := initialise(file); err != nil {
				return err
			}
			x := writtenConfig(file)
			return say(c, x, x.print)
		},
	})
	c.Flags().StringVarP(&file, "file", "f", defaultFile, "where to write it")
	return c
}

func initialise(file string) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return hint(fmt.Errorf("cannot write %s: it exists", file), "choose another name with --file, or remove it first")
	}
	if err != nil {
		return fmt.Errorf("cannot write configuration: %w", err)
	}
	_, err = f.Write(initYAML)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("cannot write configuration: %w", err)
	}
	return nil
}
