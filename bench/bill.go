package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/signalbox-ai/signalbox/bench/upstream"
)

// settleBill compares what the service would charge the gateway with what the
// gateway's ledger says of it: a measurement of a gateway that forgets money
// is worth nothing.
func (s *suite) settleBill() {
	if err := s.compareBill(); err != nil {
		s.failures = append(s.failures, "bill: "+err.Error())
		fmt.Fprintf(s.out, "FAILED bill: %v\n", err)
	}
}

func (s *suite) compareBill() error {
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
	s.measures["bill/requests"] = float64(bill.Requests)
	s.measures["bill/requests_difference"] = float64(own.Requests - bill.Requests)
	s.measures["bill/input_difference"] = float64(own.Tokens.Input - bill.Input)
	s.measures["bill/output_difference"] = float64(own.Tokens.Output - bill.Output)
	s.measures["bill/errors"] = float64(own.Errors)
	s.measures["bill/unreported"] = float64(bill.Unreported)
	return nil
}
