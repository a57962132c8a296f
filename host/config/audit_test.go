package config

import (
	"strings"
	"testing"
)

func TestAuditSecretsAndAlerts(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		_, err := load(Sources{Home: "/opt"}, []byte("providers: {demo: {adapter: demo}}\n"+text))
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", text, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v; want %q", text, err, want)
		case err != nil && strings.Contains(err.Error(), "hidden"):
			t.Errorf("%s: the error tells a secret: %v", text, err)
		}
	}
	f(`audit: {required: false, reads: true, denials: 0.1, keep: 2h, anchor: {every: 1m, file: x, url: "https://example.com/a"}}`, "")
	f(`audit: {denials: 2}`, "audit.denials: is 2: give 0 to 1")
	f(`audit: {per_second: 0}`, "audit.per_second")
	f(`audit: {keep: 5m}`, "audit.keep: is 5m0s: give at least 1h")
	f(`audit: {anchor: {every: 1ms}}`, "audit.anchor.every")
	f(`audit: {anchor: {url: "hidden"}}`, "audit.anchor.url: is not an address")

	f(`secrets: {key: 0123456789abcdef-x, previous: [0123456789abcdef-y]}`, "")
	f(`secrets: {previous: [hidden]}`, "secrets.previous[0]: has 6 characters")
	f(`secrets: {kms: {command: [/bin/kms], env: [A], name: prod, unwrap_only: true}}`, "")
	f(`secrets: {kms: {name: prod}}`, "secrets.kms.command: is missing")
	f(`secrets: {kms: {command: [""]}}`, "names no program")
	f(`secrets: {kms: {command: [/bin/kms], timeout: 0}}`, "secrets.kms.timeout")

	f(`alerts: {thresholds: [10, 120], scopes: ["team/*"], allow: [10.0.0.0/8, "::1", hooks.internal], to: {ops: {webhook: "https://example.com/a"}}}`, "")
	f(`alerts: {thresholds: [0]}`, "alerts.thresholds[0]: is 0")
	f(`alerts: {scopes: ["team/["]}`, "alerts.scopes[0]")
	f(`alerts: {every: 1ms}`, "alerts.every")
	f(`alerts: {repeat: 1s}`, "alerts.repeat")
	f(`alerts: {allow: ["a b"]}`, "alerts.allow[0]")
	f(`alerts: {to: {"a b": {slack: "https://example.com"}}}`, "a receiver's name")
	f(`alerts: {to: {ops: {scopes: ["["]}}}`, "alerts.to.ops.scopes[0]")
}

func TestKMSName(t *testing.T) {
	f := func(k KMS, want string) {
		t.Helper()
		if got := k.KeyName(); got != want {
			t.Errorf("%+v is called %q; want %q", k, got, want)
		}
	}
	f(KMS{Command: []string{"/usr/bin/wrap", "-x"}}, "wrap")
	f(KMS{Command: []string{"/usr/bin/wrap"}, Name: "prod"}, "prod")
}
