package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/signalbox-ai/signalbox/host/config"
)

// defaultFile is the configuration that is read when none is named and it exists.
const defaultFile = "signalbox.yaml"

// run is the program.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	root := &cobra.Command{
		Use:   "signalbox",
		Short: "An AI gateway that you extend without forking it",
		Long: "An AI gateway that you extend without forking it.\n" +
			"Providers are processes, routing is WebAssembly, governance is Rego.",
		SilenceErrors: true, SilenceUsage: true,
	}
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return hint(err, "see %s --help", c.CommandPath()) })
	var src sources
	root.PersistentFlags().StringVarP(&src.file, "config", "c", "", "configuration file (default: "+defaultFile+" if it is there, else the embedded one)")
	root.PersistentFlags().StringArrayVar(&src.set, "set", nil, "set a field, as in --set limits.attempts=5 (repeatable)")
	root.AddCommand(serveCommand(&src), checkCommand(&src), initCommand(), keyCommand(&src), credentialCommand(&src), usageCommand(&src), pricesCommand(&src), pluginCommand(&src), versionCommand())
	err := root.ExecuteContext(ctx)
	if err != nil && strings.HasPrefix(err.Error(), "unknown command") {
		err = hint(err, "see signalbox --help")
	}
	return err
}

// sources says where the configuration comes from.
type sources struct {
	file  string
	set   []string
	flags map[string]string // of a command, by the path of the field that it sets
}

// resolve turns the flags into sources. Ollama is looked for with the embedded default alone.
func (s *sources) resolve() (config.Sources, error) {
	out := config.Sources{File: s.file, Env: os.Environ(), Flags: map[string]any{}, Ollama: config.OllamaAddr}
	if out.File == "" {
		out.File = os.Getenv(config.ConfigVar)
	}
	if out.File == "" {
		if _, err := os.Stat(defaultFile); err == nil {
			out.File = defaultFile
		}
	}
	for _, kv := range s.set {
		path, value, ok := strings.Cut(kv, "=")
		if !ok || path == "" {
			return out, hint(fmt.Errorf("cannot read --set %q", kv), "write --set path=value, such as --set limits.attempts=5")
		}
		out.Flags[path] = value
	}
	for path, value := range s.flags {
		if value != "" {
			out.Flags[path] = value
		}
	}
	return out, nil
}

// hinted is an error with a line on what to do about it.
type hinted struct {
	error
	hint string
}

func (h *hinted) Unwrap() error { return h.error }

func hint(err error, format string, args ...any) error {
	return &hinted{error: err, hint: fmt.Sprintf(format, args...)}
}

// explain renders an error for people.
func explain(err error) string {
	text := "signalbox: " + err.Error()
	var h *hinted
	if errors.As(err, &h) {
		text += "\nhint: " + h.hint
	}
	return text
}
