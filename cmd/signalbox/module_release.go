package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// releaseCommands take versions of one kind of module from a push to service
// and back, in the running gateway.
func releaseCommands(src *sources, kind string) []*cobra.Command {
	return []*cobra.Command{modulePushCommand(src, kind), moduleListCommand(src, kind), moduleReplayCommand(src, kind), moduleShadowCommand(src, kind),
		moduleCanaryCommand(src, kind), modulePromoteCommand(src, kind), moduleRollbackCommand(src, kind), moduleHistoryCommand(src, kind)}
}

// moduleVersion is a version as the admin API shows it.
type moduleVersion struct {
	Label, SHA256, Tag, State, Lane, Origin, Pushed string
	SignedBy                                        string `json:"signed_by"`
	Proven, Seed, Known                             bool
}

func (v *moduleVersion) active(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%s is active\n", v.Label)
	return err
}

// moduleStep is what a step is told.
type moduleStep struct {
	Version string             `json:"version,omitempty"`
	Why     string             `json:"why,omitempty"`
	Force   bool               `json:"force,omitempty"`
	Off     bool               `json:"off,omitempty"`
	Most    int                `json:"most,omitempty"`
	Texts   json.RawMessage    `json:"texts,omitempty"`
	Share   float64            `json:"share,omitempty"`
	By      string             `json:"by,omitempty"`
	Guard   map[string]float64 `json:"guard,omitempty"`
}

// flags that most steps have.
func (s *moduleStep) flags(c *cobra.Command, force bool) {
	c.Flags().StringVar(&s.Why, "why", "", "reason, for the history")
	if force {
		c.Flags().BoolVar(&s.Force, "force", false, "without the proof that the step asks for")
	}
}

// sampleModule is a name for examples.
func sampleModule(kind string) string {
	if kind == "route" {
		return "order"
	}
	return "pii"
}

// modulePath is where the admin API has a module.
func modulePath(kind, name, rest string) string {
	return "/admin/" + kind + "s/" + url.PathEscape(name) + rest
}

// asked is the step that takes NAME[@VERSION] on.
func (s *moduleStep) asked(kind, step, arg string) asked {
	name, version, _ := strings.Cut(arg, "@")
	s.Version = version
	return asked{http.MethodPost, modulePath(kind, name, "/"+step), s}
}

// parseShare reads "5%" or "0.05".
func parseShare(text string) (float64, error) {
	number, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	v, err := strconv.ParseFloat(number, 64)
	if percent {
		v /= 100
	}
	if err != nil || !(v > 0 && v <= 1) {
		return 0, hint(errors.New("cannot read --share "+strconv.Quote(text)), "write it as 5%% or 0.05; signalbox route rollback ends a canary")
	}
	return v, nil
}
