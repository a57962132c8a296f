package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

func pluginUpgradeCommand(src *sources) *cobra.Command {
	a := &access{src: src}
	c := shown(&cobra.Command{
		Use: "upgrade NAME[@VERSION]", Short: "Put an installed version of an adapter to use",
		Long: "Put an installed version of an adapter to use, the one installed last if none is named: it is started,\n" +
			"asked whether it is well, swapped in, and the old one finishes what it serves. To go back, name the old version.",
		Args:    exactly(1, "the name of an adapter"),
		Example: "  signalbox plugin upgrade acme@1.3.0",
		RunE: func(c *cobra.Command, args []string) error {
			name, version, _ := strings.Cut(args[0], "@")
			path := "/admin/plugins/" + url.PathEscape(name) + "/upgrade?version=" + url.QueryEscape(version)
			var got installed
			return a.ask(c, asked{http.MethodPost, path, nil}, &got, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "%s@%s is in use\n", got.Name, got.Version)
				return err
			})
		},
	})
	a.flags(c)
	return c
}
