package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// checkReport is what a check of a configuration has found.
type checkReport struct {
	File     string    `json:"config,omitempty"` // that is good as a whole
	Good     bool      `json:"good"`
	Found    []checked `json:"found"`
	Warnings []string  `json:"warnings"`
	Problems []string  `json:"problems"`

	lines []string // the same for people
}

// checked is something that is good.
type checked struct {
	Kind     string `json:"kind"` // provider, route, filter, policy or pipeline
	Name     string `json:"name,omitempty"`
	File     string `json:"file,omitempty"`
	SHA256   string `json:"sha256,omitempty"`
	Revision string `json:"revision,omitempty"`
	Units    int    `json:"units,omitempty"`
	Tests    int    `json:"tests,omitempty"`
	Later    bool   `json:"later,omitempty"` // it cannot be looked at yet
}

func newCheckReport() *checkReport {
	return &checkReport{Found: []checked{}, Warnings: []string{}, Problems: []string{}}
}

func (r *checkReport) found(what checked, format string, args ...any) {
	r.Found = append(r.Found, what)
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

func (r *checkReport) warn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	r.Warnings = append(r.Warnings, text)
	r.lines = append(r.lines, "warning: "+text)
}

// end prints the report of a check that ended with err, and returns it.
func (r *checkReport) end(c *cobra.Command, err error) error {
	r.Good = err == nil
	r.Problems = append(r.Problems, problemsOf(err)...)
	return errors.Join(err, say(c, r, r.print))
}

func (r *checkReport) print(w io.Writer) error {
	if r.Good && r.File != "" {
		r.lines = append(r.lines, r.File+" is good")
	}
	for _, line := range r.lines {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

// problemsOf are the errors that err joins.
func problemsOf(err error) (list []string) {
	joined, ok := err.(interface{ Unwrap() []error })
	switch {
	case err == nil:
		return nil
	case !ok:
		return []string{err.Error()}
	}
	for _, e := range joined.Unwrap() {
		list = append(list, problemsOf(e)...)
	}
	return list
}
