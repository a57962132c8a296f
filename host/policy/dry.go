package policy

import (
	"fmt"
	"slices"

	"github.com/signalbox-ai/signalbox/host/call"
)

// allUnits stands for every unit where units in a dry run are named.
const allUnits = "*"

// dryRun notes whether the unit is in a dry run, as the operator names them.
func (u *unit) dryRun(names []string) {
	u.decode.dry = slices.Contains(names, u.name) || slices.Contains(names, allUnits)
	u.dryFailure = &verdict{id: verdictIDs.Add(1), dry: true, denied: true, reasons: []call.Reason{{Unit: u.name, Code: CodePolicyError}}}
}

// knownUnits refuses a dry run of units that the bundle does not have: misspelt,
// what was to be tried out would hold.
func (s *snapshot) knownUnits(names []string) error {
	for _, name := range names {
		if name != allUnits && !slices.ContainsFunc(s.units, func(u *unit) bool { return u.name == name }) {
			return fmt.Errorf("policy.dry_run names unit %q, which the bundle does not have", name)
		}
	}
	return nil
}

// permitStays refuses a dry run of every unit that has a permit: nothing would
// be left that must say yes.
func (s *snapshot) permitStays(names []string) error {
	if len(names) == 0 || slices.Contains(names, allUnits) || slices.ContainsFunc(s.units, func(u *unit) bool { return u.permit && !u.decode.dry }) {
		return nil
	}
	return fmt.Errorf("policy.dry_run names every unit that has a permit, and all that no other unit denies would be allowed: write %q if that is meant", allUnits)
}

// inEarnest is v as if its unit were in no dry run.
func (v *verdict) inEarnest() *verdict {
	if !v.dry {
		return v
	}
	own := *v
	own.dry = false
	return &own
}
