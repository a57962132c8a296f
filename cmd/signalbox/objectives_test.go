package main

import "testing"

func TestObjectivesPage(t *testing.T) { open(t, "../../docs/objectives.md").play(t, 1) }

func TestPlaygroundPage(t *testing.T) { open(t, "../../docs/playground.md").play(t, 1) }
