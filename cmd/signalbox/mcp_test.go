package main

import "testing"

func TestToolsPage(t *testing.T) { open(t, "../../docs/mcp.md").play(t, 1) }
