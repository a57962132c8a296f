package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/signalbox-ai/signalbox/bench/upstream"
)

// settleBill compares what the service would charge the gateway with what the
// gateway's ledger says of it: a measurement of a gateway that forgets money
// is worth nothing. Differences of several labs add up.
func (s *suite) settleBill() error {
	st, err := upstream.ReadStatement(s.lab.upstream)
	if err != nil {
		return fmt.Errorf("cannot read the bill: %w", err)
	}
	if st.Faults > 0 {
		return fmt.Errorf("the service saw %d requests that it should not have: %s", st.Faults, strings.Join(st.Seen, "; "))
	}
	u, err := s.lab.gateway.usage("")
	if err != nil {
		return fmt.Errorf("cannot read the gateway's ledger: %w", err)
	}
	var own spent
	for _, m := range u.ByModel {
		if !strings.HasPrefix(m.Name, "demo") { // those did not go to the service
			own.Requests += m.Requests
			own.Errors += m.Errors
			own.Tokens.Input += m.Tokens.Input + m.Tokens.CacheRead
			own.Tokens.Output += m.Tokens.Output + m.Tokens.Reasoning
		}
	}
	bill := st.Gateway
	if bill.Requests == 0 {
		return errors.New("the gateway has sent nothing to the service")
	}
	for name, n := range map[string]int64{
		"requests":            bill.Requests,
		"requests_difference": abs(own.Requests - bill.Requests),
		"input_difference":    abs(own.Tokens.Input - bill.Input),
		"output_difference":   abs(own.Tokens.Output - bill.Output),
		"errors":              own.Errors,
		"unreported":          bill.Unreported,
	} {
		s.measures["bill/"+name] += float64(n)
	}
	return nil
}

func abs(n int64) int64 { return max(n, -n) }
