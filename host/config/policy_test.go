package config

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPolicySourcesPage takes the configurations of the page.
func TestPolicySourcesPage(t *testing.T) {
	text, err := os.ReadFile("../../docs/policy-sources.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(text, -1)
	if len(blocks) != 3 {
		t.Fatalf("the page shows %d configurations", len(blocks))
	}
	for _, b := range blocks {
		if c := mustLoad(t, string(b[1])); len(c.Warnings) != 0 {
			t.Errorf("warnings: %q", c.Warnings)
		}
	}
}

func TestPolicyIsChecked(t *testing.T) {
	f := func(policy, want string) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "signalbox.yaml")
		if err := os.WriteFile(file, []byte("providers: {demo: {adapter: demo}}\npolicy: "+policy+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(Sources{File: file, Home: t.TempDir()})
		if got := errString(err); want == "" && err != nil || !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", policy, got, want)
		}
	}
	const service = `service: {url: "https://b.example.com"}, `
	const key = `"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"`
	f(`{`+service+`bundles: {org: {}}}`, "")
	f(`{`+service+`discovery: {resource: d}}`, "")
	f(`{`+service+`bundles: {org: {signing: {keyid: k, algorithm: ES256, public_key: `+key+`, scope: write}}}}`, "")
	f(`{tests: maybe}`, `policy.tests: is "maybe": give one of require, warn, off`)
	f(`{bundels: {}}`, `policy.bundels: unknown key`)
	f(`{bundles: {org: {}}}`, `policy.service.url: is missing`)
	f(`{`+service+`}`, `policy.service: is asked for nothing`)
	f(`{`+service+`bundle: "store:", bundles: {org: {}}}`, `policy.bundle: cannot be combined`)
	f(`{`+service+`discovery: {resource: d}, bundles: {org: {}}}`, `policy.discovery: cannot be combined`)
	f(`{`+service+`bundles: {discovery: {}}}`, `policy.bundles.discovery: a bundle's name`)
	f(`{`+service+`bundles: {a: {resource: x}, b: {resource: /x}}}`, `policy.bundles.b.resource: "x" is that of a too`)
	f(`{`+service+`bundles: {a: {polling: {min: 90ms}}}}`, `policy.bundles.a.polling.min: is 90ms: give whole seconds`)
	f(`{`+service+`bundles: {a: {polling: {min: 9s, max: 8s}}}}`, `policy.bundles.a.polling.max: is less than min`)
	f(`{`+service+`bundles: {a: {signing: {public_key: `+key+`}}}}`, `policy.bundles.a.signing.keyid: is missing`)
	f(`{`+service+`bundles: {a: {signing: {keyid: k, algorithm: HS256, public_key: `+key+`}}}}`, `policy.bundles.a.signing.algorithm: is "HS256"`)
	f(`{`+service+`bundles: {a: {signing: {keyid: k, public_key: secret}}}}`, `policy.bundles.a.signing.public_key: is not a key in PEM`)
	f(`{`+service+`bundles: {a: {signing: {keyid: k, public_key: "-----BEGIN EC PRIVATE KEY-----"}}}}`, `is a private key`)
	f(`{`+service+`bundles: {a: {roots: ["", x]}}}`, `policy.bundles.a.roots: "" is all of data`)
	f(`{service: {url: "ftp://x"}, bundles: {a: {}}}`, `policy.service.url: "ftp://x" is not the address`)
	f(`{service: {url: "https://u:p@x"}, bundles: {a: {}}}`, `credentials go under bearer or headers`)
	f(`{service: {bearer: x}}`, `policy.service.url: is missing`)
	f(`{service: {url: "https://x", cert: a.pem}, bundles: {a: {}}}`, `policy.service: needs both cert and key`)
	f(`{decisions: {sample: 2}}`, `policy.decisions.sample: is 2`)
	f(`{decisions: {buffer: 3}}`, `policy.decisions.buffer: is 3`)
	f(`{decisions: {required: true}}`, `policy.decisions.required: asks for a log that goes nowhere`)
	f(`{status: {service: {url: x}}}`, `policy.status.service.url: "x" is not the address`)
}

func errString(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
