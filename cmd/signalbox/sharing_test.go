package main

import "testing"

func TestSharingPage(t *testing.T) { open(t, "../../docs/sharing.md").play(t, 1) }
