package main

import "testing"

func TestBudgetPage(t *testing.T) {
	p := open(t, "../../docs/budgets.md")
	p.play(t, 1)
	p.names(t, "deny", "clamp", "stream", "warn", "budget_exceeded", "budget_unavailable", "budget_cut", "policy_error", "content_unbounded", "max_tokens_required")
}
