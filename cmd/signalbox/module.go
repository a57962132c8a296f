package main

import "github.com/spf13/cobra"

// routeCommand holds what there is to do with routing modules.
func routeCommand(src *sources) *cobra.Command {
	c := &cobra.Command{
		Use:   "route",
		Short: "Write, verify and swap routing modules",
		Args:  cobra.NoArgs,
	}
	c.AddCommand(moduleCommands(src, "route")...)
	return c
}

// filterCommand holds what there is to do with filters.
func filterCommand(src *sources) *cobra.Command {
	c := &cobra.Command{
		Use:   "filter",
		Short: "Write, verify and swap filters",
		Args:  cobra.NoArgs,
	}
	c.AddCommand(moduleCommands(src, "filter")...)
	return c
}

// moduleCommands are the subcommands for one kind of module, those that write
// one first.
func moduleCommands(src *sources, kind string) []*cobra.Command {
	return append([]*cobra.Command{moduleNewCommand(kind), moduleVerifyCommand(kind)}, releaseCommands(src, kind)...)
}
