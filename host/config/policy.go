package config

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Policy says which bundles govern requests, and where it is written down what
// they decide.
type Policy struct {
	// Bundle is a folder or .tar.gz, "builtin:default" for the shipped one, or
	// "store:" for what was pushed.
	Bundle string `koanf:"bundle"`
	Watch  bool   `koanf:"watch"` // reload when its files change
	// Tests says what the bundle's own tests mean before it comes into use:
	// "require", they must pass; "warn", "off".
	Tests string `koanf:"tests"`

	// DryRun names units whose verdicts are told and do not count, "*": all.
	DryRun []string     `koanf:"dry_run"`
	Shadow PolicyShadow `koanf:"shadow"`

	// Service is a server of OPA bundles; Bundles those to ask it for, in place
	// of Bundle, and Discovery the one that names them.
	Service   PolicyService           `koanf:"service"`
	Bundles   map[string]PolicyBundle `koanf:"bundles"`
	Discovery PolicyDiscovery         `koanf:"discovery"`

	Decisions PolicyDecisions   `koanf:"decisions"`
	Status    PolicyStatus      `koanf:"status"`
	Labels    map[string]string `koanf:"labels"` // in the logs of decisions and of status

	Path string `koanf:"-"` // where Bundle lies
}

// PolicyService is a server that speaks OPA's protocols, and how it is spoken to.
type PolicyService struct {
	URL     string            `koanf:"url"`
	Headers map[string]Secret `koanf:"headers"`
	Bearer  Secret            `koanf:"bearer"`
	CA      string            `koanf:"ca"`      // file of certificates to trust, "": the system's
	Cert    string            `koanf:"cert"`    // file of the certificate to show
	Key     string            `koanf:"key"`     // file of its key
	Timeout time.Duration     `koanf:"timeout"` // until an answer begins, 0: 10s
}

// PolicyBundle is one bundle of the service.
type PolicyBundle struct {
	Resource string        `koanf:"resource"` // path below the service's URL, "": bundles/<name>
	Polling  Polling       `koanf:"polling"`
	Signing  PolicySigning `koanf:"signing"`
	// Roots are the paths of data that the bundle may own at most; none: all
	// that its manifest claims.
	Roots []string `koanf:"roots"`
}

// Polling says how often a bundle is asked for.
type Polling struct {
	Min  time.Duration `koanf:"min"`  // 0: 30s
	Max  time.Duration `koanf:"max"`  // 0: 60s
	Long time.Duration `koanf:"long"` // for how long the server may wait for a change, 0: it answers at once
}

// PolicySigning is what a bundle must be signed by; none: it need not be.
type PolicySigning struct {
	KeyID     string `koanf:"keyid"`
	Algorithm string `koanf:"algorithm"` // "": RS256
	PublicKey string `koanf:"public_key"`
	Scope     string `koanf:"scope"`
}

// PolicyDiscovery is the bundle that names the other bundles.
type PolicyDiscovery struct {
	Resource string        `koanf:"resource"`
	Decision string        `koanf:"decision"` // path of what it decides, "": all of its data
	Polling  Polling       `koanf:"polling"`
	Signing  PolicySigning `koanf:"signing"`
	// Bundles limit what it may name, by name: their signing and roots hold
	// whatever it says. None: any.
	Bundles map[string]PolicyBundle `koanf:"bundles"`
}

// PolicyDecisions is the log of decisions, in OPA's format.
type PolicyDecisions struct {
	Console bool          `koanf:"console"`
	File    PolicyLogFile `koanf:"file"`
	Service PolicyService `koanf:"service"` // to upload to, below /logs
	Sample  float64       `koanf:"sample"`  // share of what is allowed; denials are all kept
	Buffer  int           `koanf:"buffer"`  // decisions
	// Required refuses requests whose decision cannot be logged.
	Required bool `koanf:"required"`
}

// On reports whether decisions are logged at all.
func (d *PolicyDecisions) On() bool { return d.Console || d.File.Path != "" || d.Service.URL != "" }

// PolicyLogFile is a file that is put aside when it has grown.
type PolicyLogFile struct {
	Path string `koanf:"path"`
	Max  Size   `koanf:"max"`  // 0: 64MiB
	Keep int    `koanf:"keep"` // older ones, 0: 4
}

// PolicyStatus is the report on bundles, in OPA's format.
type PolicyStatus struct {
	Console bool          `koanf:"console"`
	Service PolicyService `koanf:"service"` // to report to, at /status
}

const (
	// BundleStore names the bundle that was pushed into the store.
	BundleStore    = "store:"
	builtinDefault = "builtin:default"
	maxBuffer      = 1 << 20
)

// locate finds where Bundle lies.
func (c *Policy) locate(home string) {
	c.Shadow.locate(home)
	c.Path = c.Bundle
	switch {
	case c.Bundle == BundleStore:
	case c.Bundle == builtinDefault:
		c.Path = filepath.Join(home, "policies")
	case !filepath.IsAbs(c.Bundle) && !exists(c.Bundle) && exists(filepath.Join(home, c.Bundle)):
		// A configuration that names the shipped bundle works from any folder.
		c.Path = filepath.Join(home, c.Bundle)
	}
}

// Served reports whether the bundles come from a service.
func (c *Policy) Served() bool { return len(c.Bundles) > 0 || c.Discovery.Resource != "" }

func (c *Policy) check(p *problems) {
	if c.Bundle == "" {
		p.addf("policy.bundle", "is empty: name a folder or .tar.gz, store: for what was pushed, or builtin:default for the shipped bundle")
	} else if name, ok := strings.CutPrefix(c.Bundle, "builtin:"); ok && name != "default" {
		p.addf("policy.bundle", "there is no shipped bundle %q: write builtin:default", name)
	}
	checkOneOf(p, "policy.tests", c.Tests, "require", "warn", "off")
	c.checkServed(p)
	c.checkTrial(p)
	d := &c.Decisions
	if !(d.Sample >= 0 && d.Sample <= 1) {
		p.addf("policy.decisions.sample", "is %v: give a share from 0 to 1", d.Sample)
	}
	if d.Buffer < 64 || d.Buffer > maxBuffer {
		p.addf("policy.decisions.buffer", "is %d: give a number of decisions from 64 to %d", d.Buffer, maxBuffer)
	}
	if d.Required && !d.On() {
		p.addf("policy.decisions.required", "asks for a log that goes nowhere: give console, file or service")
	}
	if d.File.Keep < 0 || d.File.Max < 0 {
		p.addf("policy.decisions.file", "max and keep must not be negative")
	}
	d.Service.check(p, "policy.decisions.service")
	c.Status.Service.check(p, "policy.status.service")
}

func (c *Policy) checkServed(p *problems) {
	c.Service.check(p, "policy.service")
	if !c.Served() {
		if c.Service.URL != "" {
			p.addf("policy.service", "is asked for nothing: name bundles under policy.bundles, or policy.discovery")
		}
		return
	}
	switch {
	case c.Service.URL == "":
		p.addf("policy.service.url", "is missing: policy.bundles and policy.discovery are asked of it")
	case c.Bundle != builtinDefault:
		p.addf("policy.bundle", "cannot be combined with policy.bundles: the bundle of a folder or the store decides alone")
	case len(c.Bundles) > 0 && c.Discovery.Resource != "":
		p.addf("policy.discovery", "cannot be combined with policy.bundles: list them under policy.discovery.bundles to limit what it may name")
	}
	checkBundles(p, "policy.bundles", c.Bundles)
	checkBundles(p, "policy.discovery.bundles", c.Discovery.Bundles)
	c.Discovery.Polling.check(p, "policy.discovery.polling")
	c.Discovery.Signing.check(p, "policy.discovery.signing")
}

var bundleName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func checkBundles(p *problems, path string, bundles map[string]PolicyBundle) {
	seen := map[string]string{}
	for _, name := range sortedKeys(bundles) {
		at, b := join(path, name), bundles[name]
		if !bundleName.MatchString(name) || name == "discovery" {
			p.addf(at, "a bundle's name has letters, digits, '.', '_' and '-', at most 64, and is not discovery")
		}
		resource := b.ResourceOf(name)
		if other := seen[resource]; other != "" {
			p.addf(at+".resource", "%q is that of %s too", resource, other)
		}
		seen[resource] = name
		b.Polling.check(p, at+".polling")
		b.Signing.check(p, at+".signing")
		if slices.Contains(b.Roots, "") && len(b.Roots) > 1 {
			p.addf(at+".roots", `"" is all of data: leave the others out`)
		}
	}
}

// ResourceOf is the path that the bundle of that name is asked for by.
func (b *PolicyBundle) ResourceOf(name string) string {
	if b.Resource == "" {
		return "bundles/" + name
	}
	return strings.Trim(b.Resource, "/")
}

func (s *PolicyService) check(p *problems, path string) {
	if s.URL == "" {
		if s.Bearer != "" || s.Cert != "" || s.CA != "" || len(s.Headers) > 0 {
			p.addf(path+".url", "is missing")
		}
		return
	}
	u, err := url.Parse(s.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" {
		p.addf(path+".url", "%q is not the address of a server: write https://bundles.example.com, credentials go under bearer or headers", s.URL)
	}
	if s.Bearer != "" {
		checkSecret(p, path+".bearer", s.Bearer, maxSecret)
	}
	for _, name := range sortedKeys(s.Headers) {
		if v := s.Headers[name]; name == "" || !printable(name) || strings.ContainsFunc(v.Reveal(), func(r rune) bool { return r < ' ' || r > '~' }) {
			p.addf(join(path+".headers", name), "is not a header")
		}
	}
	if (s.Cert == "") != (s.Key == "") {
		p.addf(path, "needs both cert and key, or neither")
	}
	for field, file := range map[string]string{"ca": s.CA, "cert": s.Cert, "key": s.Key} {
		if _, err := os.Stat(file); file != "" && err != nil {
			p.addf(path+"."+field, "cannot read it: %v", err)
		}
	}
	if s.Timeout < 0 {
		p.addf(path+".timeout", "is negative")
	}
}

func (s *Polling) check(p *problems, path string) {
	for name, d := range map[string]time.Duration{"min": s.Min, "max": s.Max, "long": s.Long} {
		if d != d.Truncate(time.Second) || d < 0 || d > 24*time.Hour {
			p.addf(path+"."+name, "is %s: give whole seconds, 24h at most", d)
		}
	}
	if s.Max < s.Min && s.Max > 0 {
		p.addf(path+".max", "is less than min")
	}
}

// signAlgorithms are those whose public key gives nobody the power to sign.
var signAlgorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"}

func (s *PolicySigning) check(p *problems, path string) {
	if *s == (PolicySigning{}) {
		return
	}
	if s.KeyID == "" {
		p.addf(path+".keyid", "is missing: it is the name that opa sign gives the key, with --signing-key-id or in the claims")
	}
	if s.Algorithm != "" {
		checkOneOf(p, path+".algorithm", s.Algorithm, signAlgorithms...)
	}
	if !strings.HasPrefix(strings.TrimSpace(s.PublicKey), "-----BEGIN ") {
		p.addf(path+".public_key", "is not a key in PEM: write \"${file:bundle.pub.pem}\"")
	} else if strings.Contains(s.PublicKey, "PRIVATE KEY") {
		p.addf(path+".public_key", "is a private key: keep it where bundles are signed, and give its public part")
	}
}

// String names the service without its secrets.
func (s PolicyService) String() string { return fmt.Sprintf("service %s", s.URL) }
