package main

import "testing"

func TestPolicyTrials(t *testing.T) { open(t, "../../docs/policy-trials.md").play(t, 1) }
