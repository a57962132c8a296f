package main

import (
	"context"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"
)

type echoed struct {
	Text string `json:"text" jsonschema:"what is to be said again"`
}

// mcpDemoCommand is a tool server, for trying a gateway without another program.
func mcpDemoCommand() *cobra.Command {
	return &cobra.Command{
		Use: "demo", Short: "Be a tool server over standard input and output, with one tool that echoes", Args: cobra.NoArgs,
		Long:    "Be a tool server over standard input and output, with one tool that echoes: the command of a server under mcp.servers.",
		Example: "  signalbox mcp demo",
		RunE: func(c *cobra.Command, _ []string) error {
			s := mcp.NewServer(&mcp.Implementation{Name: "demo", Version: "1.0.0"}, nil)
			mcp.AddTool(s, &mcp.Tool{Name: "echo", Description: "Says again what it is told."},
				func(_ context.Context, _ *mcp.CallToolRequest, in echoed) (*mcp.CallToolResult, any, error) {
					return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: in.Text}}}, nil, nil
				})
			return s.Run(c.Context(), &mcp.StdioTransport{})
		},
	}
}
