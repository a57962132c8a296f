package main

import "testing"

func TestCachePage(t *testing.T) { open(t, "../../docs/cache.md").play(t, 1) }
