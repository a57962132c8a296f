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

// shown gives c the flag by which ask prints the gateway's answer as it is.
func shown(c *cobra.Command) *cobra.Command {
	c.Flags().Bool("json", false, "print the gateway's answer as it is, as JSON")
	return c
}

// told gives c the flag by which say prints JSON.
func told(c *cobra.Command) *cobra.Command {
	c.Flags().Bool("json", false, "print it as JSON")
	return c
}

// always gives c, which prints nothing but JSON, the flag that others have.
func always(c *cobra.Command) *cobra.Command {
	c.Flags().Bool("json", true, "as JSON, which it always is")
	return c
}

func wantsJSON(c *cobra.Command) bool {
	is, _ := c.Flags().GetBool("json") // an error: it has no such flag
	return is
}

// say prints what a command has done or found: with --json v, else by print.
func say(c *cobra.Command, v any, print func(io.Writer) error) error {
	if wantsJSON(c) {
		return printJSON(c.OutOrStdout(), v)
	}
	return print(c.OutOrStdout())
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// printLine prints v as JSON in one line, as commands do whose output is read
// line by line.
func printLine(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) }

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
	return printAnswer(c, raw, answer, print)
}

// printAnswer prints an answer of the gateway's: by print, which finds it in
// answer, or with --json as it came.
func printAnswer(c *cobra.Command, raw []byte, answer any, print func(io.Writer) error) error {
	if wantsJSON(c) {
		_, err := fmt.Fprintf(c.OutOrStdout(), "%s\n", raw)
		return err
	}
	if err := json.Unmarshal(raw, answer); err != nil {
		return fmt.Errorf("cannot read the gateway's answer: %w", err)
	}
	return print(c.OutOrStdout())
}

// tell asks for a change of which the caller says what was done.
func (a *access) tell(c *cobra.Command, q asked, answer any) error {
	api, err := a.open()
	if err != nil {
		return err
	}
	return api.do(c.Context(), q.method, q.path, q.body, answer)
}
