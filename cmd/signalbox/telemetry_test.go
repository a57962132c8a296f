package main

import "testing"

func TestTelemetryPage(t *testing.T) { open(t, "../../docs/telemetry.md").play(t, 1) }
