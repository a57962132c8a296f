package main

import (
	"strings"
	"testing"
)

// TestRoutesHaveCommands: the commands that are named for the routes of the
// admin API are there. That no route is left out is a test of theirs.
func TestRoutesHaveCommands(t *testing.T) {
	root, count := commands(t.Output(), t.Output()), 0
	for line := range strings.Lines(open(t, "../../host/admin/testdata/commands.txt").text) {
		count++
		route, command, _ := strings.Cut(strings.TrimSpace(line), ": ")
		c, rest, err := root.Find(strings.Fields(command))
		if err != nil || len(rest) > 0 || c == root || c.HasSubCommands() {
			t.Errorf("%s is said to be asked for by %q, which is no command", route, command)
		}
		if change := !strings.HasPrefix(route, "GET "); change && command == "api" {
			t.Errorf("%s changes something: it takes a command of its own", route)
		}
	}
	if count < 100 {
		t.Errorf("there are %d routes", count)
	}
}
