package main

import "github.com/spf13/cobra"

// handCommands are those by which people look at a gateway and try it.
func handCommands(src *sources) []*cobra.Command {
	return []*cobra.Command{topCommand(src), tailCommand(src), chatCommand(src), doctorCommand(src), migrateCommand(src),
		statusCommand(src), reloadCommand(src), apiCommand(src), benchCommand(src)}
}
