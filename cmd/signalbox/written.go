package main

import (
	"fmt"
	"io"
)

// written is what a command has written to start from, and what to do next.
type written struct {
	Wrote string   `json:"wrote"`           // a file, or a folder
	Files []string `json:"files,omitempty"` // of the folder
	Next  []string `json:"next"`            // command lines
}

func (x *written) print(w io.Writer) error {
	_, err := fmt.Fprintf(w, "wrote %s; next:\n", x.Wrote)
	for _, line := range x.Next {
		if err == nil {
			_, err = fmt.Fprintf(w, "  %s\n", line)
		}
	}
	return err
}

// writtenConfig is a configuration.
func writtenConfig(file string) *written {
	return &written{Wrote: file, Next: []string{"signalbox check --config " + file, "signalbox serve --config " + file,
		"signalbox key create me --budget 5/day --config " + file}}
}
