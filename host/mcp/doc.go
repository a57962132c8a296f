// Package mcp puts tool servers of the Model Context Protocol behind the
// gateway. Servers keeps a connection to each one that is configured, a process
// or a URL, and makes one catalogue of what they offer; Door serves that
// catalogue to callers, each of whom sees and uses what a Gate lets it.
//
// Both sides speak through the protocol's own SDK. Callers' requests are served
// without state, so that any of several gateways takes any of them.
package mcp

import sdk "github.com/modelcontextprotocol/go-sdk/mcp"

// separator is between a server's name and its tool's: servers' names do not
// hold it.
const separator = "__"

// implementation is how the gateway calls itself to both sides.
func implementation(version string) *sdk.Implementation {
	return &sdk.Implementation{Name: "signalbox", Title: "Signalbox", Version: version}
}
