package main

import "testing"

func TestBatchesPage(t *testing.T) { open(t, "../../docs/batches.md").play(t, 1) }
