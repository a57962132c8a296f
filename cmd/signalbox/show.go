package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
)

// asked is what a command asks of the admin API.
type asked struct {
	method, path string
	body         any
}

// shown gives c the flag by which show prints the gateway's answer as it is.
func shown(c *cobra.Command) *cobra.Command {
	c.Flags().Bool("json", false, "print the gateway's answer as it is, as JSON")
	return c
}

// show asks for what is at path and prints it: by print, which finds it in
// answer, or with --json as it came.
func (a *access) show(c *cobra.Command, path string, answer any, print func(io.Writer) error) error {
	return a.ask(c, asked{http.MethodGet, path, nil}, answer, print)
}

// ask does the same for what takes more than a path.
func (a *access) ask(c *cobra.Command, q asked, answer any, print func(io.Writer) error) error {
	api, err := a.open()
	if err != nil {
		return err
	}
	var raw json.RawMessage
	work := progressOf(c.ErrOrStderr(), strings.TrimPrefix(c.CommandPath(), "signalbox ")+": the gateway works on it", 0, plainly)
	err = api.do(c.Context(), q.method, q.path, q.body, &raw)
	work.end()
	if err != nil {
		return err
	}
	if asJSON, _ := c.Flags().GetBool("json"); asJSON { // an error: it has no such flag
		_, err := fmt.Fprintf(c.OutOrStdout(), "%s\n", raw)
		return err
	}
	if err := json.Unmarshal(raw, answer); err != nil {
		return fmt.Errorf("cannot read the gateway's answer: %w", err)
	}
	return print(c.OutOrStdout())
}

// tell asks for a change and says what was done.
func (a *access) tell(c *cobra.Command, q asked, answer any) error {
	api, err := a.open()
	if err != nil {
		return err
	}
	return api.do(c.Context(), q.method, q.path, q.body, answer)
}
