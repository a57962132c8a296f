package host

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	bundles "github.com/open-policy-agent/opa/v1/plugins/bundle"

	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/policy"
	"github.com/signalbox-ai/signalbox/host/policy/control"
	"github.com/signalbox-ai/signalbox/host/policy/trail"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// served is the policy feed of a bundle service.
type served struct {
	cfg config.Policy
	log *slog.Logger

	mu      sync.Mutex
	to      policy.Receiver
	control *control.Control
}

// Start implements policy.Feed.
func (s *served) Start(to policy.Receiver) error {
	opt := control.Options{Service: serviceOf(s.cfg.Service), Accept: to.Offer, Discovered: s.discovered, Changed: s.expect,
		Status: statusOf(s.cfg.Status), Labels: s.cfg.Labels, Log: s.log, Console: os.Stdout}
	s.to = to
	if d := s.cfg.Discovery; d.Resource != "" {
		b := bundleOf(control.Discovery, config.PolicyBundle{Resource: d.Resource, Polling: d.Polling, Signing: d.Signing})
		opt.Discovery = &b
	} else {
		opt.Bundles = map[string]control.Bundle{}
		for name, b := range s.cfg.Bundles {
			opt.Bundles[name] = bundleOf(name, b)
		}
		s.expect(sortedNames(s.cfg.Bundles))
	}
	c, err := control.Start(opt)
	s.mu.Lock()
	s.control = c
	s.mu.Unlock()
	return err
}

// expect tells the receiver which bundles decide, and what each may own.
func (s *served) expect(names []string) {
	roots := map[string][]string{}
	for _, name := range names {
		roots[name] = s.limits(name).Roots
	}
	s.to.Expect(roots)
}

// limits are what the configuration says of a bundle, whoever names it.
func (s *served) limits(name string) config.PolicyBundle {
	if b, ok := s.cfg.Bundles[name]; ok {
		return b
	}
	return s.cfg.Discovery.Bundles[name]
}

// Tried implements policy.Feed.
func (s *served) Tried(ctx context.Context) { s.get().Tried(ctx) }

// Stop implements policy.Feed.
func (s *served) Stop() {
	if c := s.get(); c != nil {
		c.Stop()
	}
}

func (s *served) get() *control.Control {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.control
}

// status is how the bundles fare, by name.
func (s *served) status() map[string]*bundles.Status {
	if c := s.get(); c != nil {
		return c.Bundles()
	}
	return nil
}

// discovered reads what a discovery bundle names. Where the configuration lists
// bundles, it must name just these.
func (s *served) discovered(tarball []byte) (map[string]control.Bundle, error) {
	found, ignored, err := policy.Discover(tarball, s.cfg.Discovery.Decision)
	if err != nil {
		return nil, err
	}
	if len(ignored) > 0 {
		s.log.Warn("policy: discovery configures more than bundles, the rest is the gateway's own", "ignored", slices.Sorted(slices.Values(ignored)))
	}
	listed := s.cfg.Discovery.Bundles
	for _, name := range sortedNames(listed) {
		if _, ok := found[name]; !ok {
			return nil, fmt.Errorf("discovery does not name bundle %q, which policy.discovery.bundles lists", name)
		}
	}
	out := map[string]control.Bundle{}
	from := map[string]string{strings.Trim(s.cfg.Discovery.Resource, "/"): control.Discovery}
	for _, name := range sortedNames(found) {
		d := found[name]
		own, ok := listed[name]
		if own.Signing == (config.PolicySigning{}) {
			own.Signing = s.cfg.Discovery.Signing // what a signed bundle names is signed too
		}
		own.Resource = cmp.Or(d.Resource, own.Resource)
		resource := own.ResourceOf(name)
		switch {
		case name == control.Discovery:
			return nil, fmt.Errorf("discovery names a bundle %q: that is its own name", name)
		case !ok && len(listed) > 0:
			return nil, fmt.Errorf("discovery names bundle %q, which policy.discovery.bundles does not list", name)
		case d.Signing != nil && own.Signing.KeyID != d.Signing.KeyID:
			return nil, fmt.Errorf("discovery wants bundle %q signed by %q: give the key under policy.discovery.bundles.%s.signing", name, d.Signing.KeyID, name)
		case !plainResource.MatchString(resource) || strings.Contains(resource, ".."):
			return nil, fmt.Errorf("discovery names %q as the resource of bundle %q: a path has letters, digits, '.', '_', '-' and '/', and no '..'", resource, name)
		case from[resource] != "":
			return nil, fmt.Errorf("discovery names %q as the resource of bundle %q, and it is that of %q", resource, name, from[resource])
		}
		from[resource] = name
		own.Polling = config.Polling{Min: cmp.Or(secs(d.Polling.Min), own.Polling.Min), Max: cmp.Or(secs(d.Polling.Max), own.Polling.Max),
			Long: cmp.Or(secs(d.Polling.Long), own.Polling.Long)}
		out[name] = bundleOf(name, own)
	}
	return out, nil
}

// plainResource leaves no two ways to write one path: bundles are told apart by
// where they come from.
var plainResource = regexp.MustCompile(`^[A-Za-z0-9._/-]+$`)

func secs(n int64) time.Duration { return time.Duration(max(n, 0)) * time.Second }

func bundleOf(name string, b config.PolicyBundle) control.Bundle {
	out := control.Bundle{Resource: b.ResourceOf(name), Min: b.Polling.Min, Max: b.Polling.Max, Long: b.Polling.Long}
	if s := b.Signing; s.KeyID != "" {
		out.Signing = &control.Signing{KeyID: s.KeyID, Algorithm: s.Algorithm, PublicKey: strings.TrimSpace(s.PublicKey), Scope: s.Scope}
	}
	return out
}

func serviceOf(s config.PolicyService) control.Service {
	out := control.Service{URL: s.URL, Bearer: s.Bearer.Reveal(), CA: s.CA, Cert: s.Cert, Key: s.Key, Timeout: s.Timeout, Headers: map[string]string{}}
	for name, v := range s.Headers {
		out.Headers[name] = v.Reveal()
	}
	return out
}

func statusOf(s config.PolicyStatus) *control.Status {
	if !s.Console && s.Service.URL == "" {
		return nil
	}
	return &control.Status{Console: s.Console, Service: serviceOf(s.Service)}
}

// reporter tells how the bundle of a folder, a tarball or the store fares. Of
// the bundles of a service OPA's plugin tells.
type reporter struct {
	control *control.Control
	mu      sync.Mutex
	status  bundles.Status
}

func newReporter(cfg config.Policy, log *slog.Logger) (*reporter, error) {
	c, err := control.Start(control.Options{Status: statusOf(cfg.Status), Labels: cfg.Labels, Log: log, Console: os.Stdout})
	if err != nil {
		return nil, err
	}
	return &reporter{control: c, status: bundles.Status{Name: policy.SoleBundle, Type: "snapshot"}}, nil
}

// Noted implements policy.Reporter.
func (r *reporter) Noted(a *policy.Active, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status.SetRequest()
	if r.status.SetError(err); err == nil {
		r.status.LastSuccessfulRequest, r.status.LastSuccessfulDownload = r.status.LastRequest, r.status.LastRequest
	}
	if a != nil {
		r.status.ActiveRevision, r.status.LastSuccessfulActivation = a.Revision, a.Since.UTC()
	}
	st := r.status
	r.control.Report(map[string]*bundles.Status{policy.SoleBundle: &st})
}

// Stop implements policy.Reporter.
func (r *reporter) Stop() { r.control.Stop() }

// policyOptions says where g's policy comes from, and who is told of it.
func (h *Host) policyOptions(g *generation) (policy.Options, error) {
	cfg := g.cfg.Policy
	o := policy.Options{Path: cfg.Path, Watch: cfg.Watch, Log: h.log, Catalogue: g.catalogue, Filters: sortedNames(g.cfg.Filters),
		DryRun: cfg.DryRun, Keep: filepath.Join(h.dir, keptPolicy)}
	switch cfg.Tests {
	case "warn":
		o.Tests = policy.TestsWarn
	case "off":
		o.Tests = policy.TestsOff
	}
	switch {
	case cfg.Served():
		g.served = &served{cfg: cfg, log: h.log}
		o.Path, o.Watch, o.Feed, o.Terms = cfg.Service.URL, false, g.served, termsOf(cfg)
		return o, nil
	case cfg.Bundle == config.BundleStore:
		o.Path, o.Watch, o.Stored = "", false, h.storedPolicy
	}
	if statusOf(cfg.Status) == nil {
		return o, nil
	}
	r, err := newReporter(cfg, h.log)
	if err != nil {
		return o, err
	}
	o.Reporter = r
	return o, nil
}

// termsOf names what the bundles of a service must be: which they are, what they
// may own, and by whom they are signed.
func termsOf(cfg config.Policy) string {
	terms := []any{cfg.Discovery.Resource, cfg.Discovery.Decision, cfg.Discovery.Signing}
	for _, bundles := range []map[string]config.PolicyBundle{cfg.Bundles, cfg.Discovery.Bundles} {
		for _, name := range sortedNames(bundles) {
			b := bundles[name]
			terms = append(terms, name, b.ResourceOf(name), b.Roots, b.Signing)
		}
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", terms))
	return hex.EncodeToString(sum[:8])
}

// openTrail opens the log of policy's decisions, nil if there is none.
func (h *Host) openTrail(cfg config.Policy) (err error) {
	d := &cfg.Decisions
	if !d.On() {
		return nil
	}
	opt := trail.Options{Sample: d.Sample, Buffer: d.Buffer, Labels: cfg.Labels, Log: h.log}
	if d.Console {
		opt.Console = os.Stdout
	}
	if d.File.Path != "" {
		opt.File = &trail.File{Path: d.File.Path, Max: int64(d.File.Max), Keep: d.File.Keep}
	}
	if d.Service.URL != "" {
		client, done, err := control.NewClient(serviceOf(d.Service), maxLogReply)
		if err != nil {
			return fmt.Errorf("cannot use policy.decisions.service: %w", err)
		}
		opt.Upload = &trail.Upload{Client: client, URL: d.Service.URL, Done: done}
	}
	h.trail, err = trail.Open(opt)
	return err
}

// maxLogReply bounds what a server of logs answers.
const maxLogReply = 64 << 10

// logged writes the decision on f down. Where it must be and cannot, the
// request is refused, as it is where there is no log.
func (h *Host) logged(f *flight, took time.Duration) *wire.Error {
	d := f.Decision
	e := wire.Errorf(503, "decision_not_logged", "the decision on this request cannot be logged, and must be: try again later")
	if h.trail == nil {
		e.Message = "the decision on this request must be logged, and the gateway has no log of decisions: its operator is to give policy.decisions one"
	} else if h.trail.Record(f.gen.policy, &f.Call, d, took) || !d.LogRequired && !f.gen.cfg.Policy.Decisions.Required {
		return nil
	}
	e.Class, e.RetryAfter = wire.ClassPolicy, time.Second
	return e
}
