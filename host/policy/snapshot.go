package policy

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"

	"github.com/signalbox-ai/signalbox/host/call"
)

// snapshot is one accepted bundle with everything that is made of it, what it
// remembers included. It never changes; a new bundle is a new snapshot.
type snapshot struct {
	revision string
	units    []*unit
	env      environment
	whole    *memo[call.Decision] // by all fields that units read; nil: some unit is not remembered
	fields   []field              // of all units
	answered atomic.Uint64        // from whole: a hit of every unit
	merged   *memo[call.Decision] // by the ids of the units' verdicts
	failed   []*call.Decision     // by unit: what a request gets when it decided nothing
	messages map[string]string    // denial code → text, of the bundle
	log      *LogRules            // of the bundle, nil: it has none
	active   *Active
}

// build compiles and checks a bundle. It returns a snapshot that has passed
// every check but the probes.
func build(src *source, o *Options) (*snapshot, error) {
	b, err := compile(src)
	if err != nil {
		return nil, err
	}
	rules, err := findUnits(src.modules)
	if err != nil {
		return nil, err
	}
	s := &snapshot{revision: src.revision}
	share := o.MemoBytes / int64(len(rules)+2)
	for _, r := range rules {
		u, err := newUnit(r, b, analyse(b.compiler, r.entries()))
		if err != nil {
			return nil, err
		}
		u.decode.filters = o.Filters
		u.dryRun(o.DryRun)
		if len(u.reads.uncached) == 0 {
			u.memo = newMemo[verdict](memoSets, share)
		}
		s.units = append(s.units, u)
		s.failed = append(s.failed, &call.Decision{Revision: src.revision,
			Reasons: []call.Reason{{Unit: u.name, Code: CodePolicyError}}})
	}
	s.merged = newMemo[call.Decision](memoSets, share)
	s.rememberWhole(share)
	s.env.limit = o.Deadline
	s.env.sections.principals = newMemo[ast.Term](sectionSets, sectionBytes)
	if err := s.env.read(src, s.units); err != nil {
		return nil, err
	}
	if s.messages, err = messagesOf(src); err != nil {
		return nil, err
	}
	if s.log, err = newLogRules(src, b); err != nil {
		return nil, err
	}
	return s, errors.Join(s.unusedRules(b), s.missingData(b), s.knownUnits(o.DryRun), s.permitStays(o.DryRun))
}

// read takes from the bundle's data what goes into the input.
func (env *environment) read(src *source, units []*unit) (err error) {
	if env.zones, err = newZoneTable(signalboxData(src)["zones"]); err != nil {
		return err
	}
	if env.classes, err = newClasses(signalboxData(src)["classes"]); err != nil {
		return err
	}
	tz, ok := signalboxData(src)["tz"].(string)
	if !ok && signalboxData(src)["tz"] != nil || tz == "Local" {
		return fmt.Errorf("data.signalbox.tz must be the name of a time zone")
	}
	if env.location, err = time.LoadLocation(tz); err != nil {
		return fmt.Errorf("cannot load data.signalbox.tz: %w", err)
	}
	env.headers, err = headersRead(units)
	return err
}

func signalboxData(src *source) map[string]any {
	m, _ := src.data["signalbox"].(map[string]any)
	return m
}

// hiddenHeaders may hold the caller's secrets.
var hiddenHeaders = []string{"api-key", "authorization", "cookie", "proxy-authorization", "x-api-key", "x-goog-api-key"}

// headersRead lists the request headers that units name.
func headersRead(units []*unit) ([]string, error) {
	var out []string
	for _, u := range units {
		if len(u.reads.refused) > 0 {
			return nil, errors.New(u.reads.refused[0].String())
		}
		for _, f := range u.reads.fields {
			switch {
			case f.id != fieldHeaders || f.name == "":
			case f.name != strings.ToLower(f.name):
				return nil, fmt.Errorf("unit %q: header %q must be written in lower case", u.name, f.name)
			case slices.Contains(hiddenHeaders, f.name):
				return nil, fmt.Errorf("unit %q: header %q may hold a secret: policies do not see it", u.name, f.name)
			default:
				out = append(out, f.name)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// unusedRules refuses a rule of a unit that neither deny, permit nor
// obligations leads to: misspelt, it would deny nothing and nobody would know.
func (s *snapshot) unusedRules(b *compiled) error {
	used := map[*ast.Rule]bool{}
	for _, u := range s.units {
		for r := range u.reads.rules {
			used[r] = true
		}
	}
	var errs []error
	for _, m := range b.compiler.Modules {
		if !m.Package.Path.HasPrefix(unitsRef) {
			continue
		}
		for _, r := range m.Rules {
			if !used[r] {
				errs = append(errs, fmt.Errorf("%s: rule %s has no part in deny, permit or obligations of its unit: "+
					"remove it, or is its name misspelt?", r.Location, ruleName(r)))
			}
		}
	}
	return errors.Join(errs...)
}

// missingData refuses references to data that is neither there nor made by a
// rule: misspelt, they are undefined, and so is whatever denial they are part of.
func (s *snapshot) missingData(b *compiled) error {
	index := indexRules(b.compiler)
	var errs []error
	for _, u := range s.units {
		for _, ref := range u.reads.data {
			if !isThere(b, index, ref) {
				errs = append(errs, fmt.Errorf("unit %q reads %s, which is neither in the bundle's data nor a rule", u.name, ref))
			}
		}
	}
	return errors.Join(errs...)
}

func isThere(b *compiled, index []indexedRule, ref ast.Ref) bool {
	for _, ir := range index {
		if ir.prefix.HasPrefix(ref) || ref.HasPrefix(ir.prefix) {
			return true
		}
	}
	if ref.HasPrefix(modelsRef) || ref.HasPrefix(aliasesRef) { // what a model has is a matter of types, which ones there are is the host's
		return true
	}
	path, err := storage.NewPathForRef(ref)
	if err != nil { // data alone
		return true
	}
	_, err = b.store.Read(context.Background(), b.txn, path)
	return err == nil
}

// decide asks every unit and merges what they say. When all answers are
// remembered it allocates nothing.
func (s *snapshot) decide(r *reader) (*call.Decision, error) {
	if s.whole != nil {
		r.whole = r.appendKey(r.whole[:0], s.fields)
		if d := s.whole.get(r.whole, r.by); d != nil {
			s.answered.Add(1)
			return d, nil
		}
	}
	keep := s.whole != nil && len(r.whole) <= maxKey
	for i, u := range s.units {
		v, err := u.ask(r)
		switch {
		case err != nil && u.decode.dry:
			v, keep = u.dryFailure, false
		case err != nil:
			return s.failed[i], err
		}
		r.verdicts = append(r.verdicts, v)
	}
	d := s.merge(r)
	if keep {
		s.whole.put(r.whole, d, decisionSize(d), r.by)
	}
	return d, nil
}

// merge makes one decision of the verdicts, or finds it.
func (s *snapshot) merge(r *reader) *call.Decision {
	r.key = r.key[:0]
	for _, v := range r.verdicts {
		r.key = binary.LittleEndian.AppendUint64(r.key, v.id)
	}
	if d := s.merged.get(r.key, r.by); d != nil {
		return d
	}
	d := merge(r.verdicts, s.revision)
	s.merged.put(r.key, d, decisionSize(d), r.by)
	return d
}

// rememberWhole has whole decisions remembered where every unit is: one key is
// made in place of one a unit.
func (s *snapshot) rememberWhole(share int64) {
	for _, u := range s.units {
		if u.memo == nil {
			return
		}
		s.fields = append(s.fields, u.reads.fields...)
	}
	slices.SortFunc(s.fields, compareFields)
	s.fields = slices.Compact(s.fields)
	s.whole = newMemo[call.Decision](memoSets, share)
}
