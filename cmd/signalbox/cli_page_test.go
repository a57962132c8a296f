package main

import "testing"

func TestCommandLinePage(t *testing.T) { open(t, "../../docs/cli.md").play(t, 1) }

func TestMigrationPage(t *testing.T) { open(t, "../../docs/migrate.md").play(t, 1) }
