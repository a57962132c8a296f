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
	root := commands(stdout, stderr)
	root.SetArgs(args)
	c, err := root.ExecuteContextC(ctx)
	return misuse(c, err)
}

// commands is the tree of commands.
func commands(stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "signalbox",
		Short: "An AI gateway that you extend without forking it",
		Long: "An AI gateway that you extend without forking it.\n" +
			"Providers are processes, routing is WebAssembly, governance is Rego.",
		SilenceErrors: true, SilenceUsage: true,
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.CompletionOptions.HiddenDefaultCmd = true
	var src sources
	root.PersistentFlags().StringVarP(&src.file, "config", "c", "", "configuration file (default: "+defaultFile+" if it is there, else the embedded one)")
	root.PersistentFlags().StringArrayVar(&src.set, "set", nil, "set a field, as in --set limits.attempts=5 (repeatable); secrets are better in variables, as in SIGNALBOX_ADMIN_TOKEN, others can see flags")
	root.AddCommand(initCommand(), versionCommand())
	for _, command := range []func(*sources) *cobra.Command{serveCommand, checkCommand, keyCommand, credentialCommand, usageCommand, ledgerCommand,
		limitCommand, pricesCommand, pluginCommand, routeCommand, filterCommand, explainCommand, policyCommand, auditCommand, budgetCommand, nodeCommand,
		secretsCommand, alertCommand, cacheCommand, pipelineCommand, batchCommand, mcpCommand} {
		root.AddCommand(command(&src))
	}
	root.AddCommand(append(directoryCommands(&src), adminCommand(&src))...)
	root.AddCommand(handCommands(&src)...)
	arrange(root)
	completeNames(root, &src)
	return root
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

// coded is an error with an exit code of its own.
type coded struct {
	error
	code int
}

func (c coded) Unwrap() error { return c.error }

// exitCode is the program's where it ends with err.
func exitCode(err error) int {
	var c coded
	if errors.As(err, &c) {
		return c.code
	}
	return 1
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
