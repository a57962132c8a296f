package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"
)

func pluginRestartCommand(src *sources) *cobra.Command {
	a := &access{src: src}
	c := told(&cobra.Command{
		Use: "restart PROVIDER", Short: "Give a provider another process of its adapter; no request is cut", Args: exactly(1, "the name of a provider"),
		Example: "  signalbox plugin restart openai",
		RunE: func(c *cobra.Command, args []string) error {
			var got map[string]any
			if err := a.tell(c, asked{http.MethodPost, "/admin/plugins/" + url.PathEscape(args[0]) + "/restart", nil}, &got); err != nil {
				return err
			}
			got["provider"] = args[0] // the answer does not name it
			return say(c, got, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "%s runs anew\n", args[0])
				return err
			})
		},
	})
	a.flags(c)
	return c
}
