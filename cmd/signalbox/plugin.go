package main

import "github.com/spf13/cobra"

// pluginCommand holds what there is to do with provider adapters.
func pluginCommand(src *sources) *cobra.Command {
	c := &cobra.Command{
		Use:   "plugin",
		Short: "Write, verify and run provider adapters",
		Args:  cobra.NoArgs,
	}
	c.AddCommand(pluginCommands(src)...)
	return c
}

// pluginCommands are its subcommands, those that write an adapter first.
func pluginCommands(src *sources) []*cobra.Command {
	return []*cobra.Command{pluginNewCommand(), pluginVerifyCommand(), pluginListCommand(src), pluginInstallCommand(src), pluginUpgradeCommand(src), pluginRestartCommand(src), pluginLogsCommand(src)}
}
