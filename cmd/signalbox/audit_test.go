package main

import "testing"

func TestAuditPage(t *testing.T) { open(t, "../../docs/audit.md").play(t, 1) }

func TestAlertsPage(t *testing.T) { open(t, "../../docs/alerts.md").play(t, 1) }
