package main

import "testing"

func TestDashboardPage(t *testing.T) { open(t, "../../docs/dashboard.md").play(t, 1) }
