package main

import "github.com/spf13/cobra"

func policyCommand(src *sources) *cobra.Command {
	a := &access{src: src}
	c := &cobra.Command{Use: "policy", Short: "Check, try out and explain policy bundles"}
	c.AddCommand(policyCheckCommand(src), policyFmtCommand(), policyTestCommand(src), policyCoverCommand(src), policyBenchCommand(src),
		policyDepsCommand(src), policyEvalCommand(src), policyBuildCommand(), policySignCommand())
	a.flags(c)
	c.AddCommand(policyPushCommand(a), policyListCommand(a), policyHistoryCommand(a), policyRollbackCommand(a), policyStatusCommand(a), policyImpactCommand(a), policyShadowCommand(a), policyExplainCommand(a))
	return c
}
