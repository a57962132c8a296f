package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// version is set by the linker when a release is built.
var version = "dev"

func versionCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  signalbox version",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			platform := runtime.GOOS + "/" + runtime.GOARCH
			if asJSON {
				return printLine(c.OutOrStdout(), map[string]string{"version": version, "revision": strings.Trim(revision(), " ()"), "go": runtime.Version(), "platform": platform})
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), "signalbox %s%s %s %s\n", version, revision(), runtime.Version(), platform)
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	return c
}

// revision is the commit that was built, where the build knows it.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return " (" + s.Value[:12] + ")"
		}
	}
	return ""
}
