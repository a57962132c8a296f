// Package conform proves that a program, in any language, is a provider
// adapter: it starts it as the gateway does, plays the gateway and the
// upstream, and reports case by case what holds and what does not. It knows
// the public contract alone.
package conform

import (
	"context"
	"fmt"
	"net/url"
	"testing"
	"time"
)

// Options say how an adapter is verified. The zero value does for most.
type Options struct {
	// Config is the adapter's configuration. In its strings "{upstream}" stands
	// for the address of the kit's mock upstream; base_url is set to it when
	// the adapter's schema has one and Config does not.
	Config map[string]any `json:"config"`
	// Credential is sent with requests; "{secret}" in it stands for a value
	// that the kit makes up and then looks for where it must not be.
	Credential string `json:"credential"`
	// Model is asked for; "": the first that the adapter names.
	Model string `json:"model"`
	// Models are asked for by certain operations.
	Models map[string]string `json:"models"`
	// Answers of the mock upstream, for what it does not know by itself.
	Answers []Answer `json:"answers"`
	// Leave out cases, by id or by its last element, with the reason.
	Leave map[string]string `json:"leave"`
	// Patience is how long one step may take, 0: thirty seconds, as the gateway
	// gives an adapter to start.
	Patience time.Duration `json:"-"`

	only string // the one case that is wanted, with those that it builds on
}

// Answer is what the mock upstream answers at some path.
type Answer struct {
	Path        string `json:"path"` // regular expression
	Stream      bool   `json:"stream"`
	Status      int    `json:"status"` // 0: 200
	ContentType string `json:"content_type"`
	Body        string `json:"body"`
}

func (o *Options) defaults() {
	if o.Patience <= 0 {
		o.Patience = 30 * time.Second
	}
	if o.Credential == "" {
		o.Credential = "{secret}"
	}
}

// Verify runs all cases on the program at path. The error says why that was
// not possible at all; what the adapter does wrong is in the report.
func Verify(ctx context.Context, path string, o Options) (*Report, error) {
	o.defaults()
	k, err := newKit(ctx, path, &o)
	if err != nil {
		return nil, err
	}
	defer k.close()
	for _, c := range beginning {
		k.do(c)
	}
	for _, t := range k.targets {
		for _, c := range perTarget {
			k.doFor(t, c)
		}
	}
	for _, c := range ending {
		k.do(c)
	}
	return k.report, nil
}

// Run is Verify within a test: a case is a subtest.
func Run(t *testing.T, path string, o Options) {
	t.Helper()
	r, err := Verify(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range r.Cases {
		t.Run(c.ID, func(t *testing.T) {
			switch c.Result {
			case Failed:
				t.Errorf("%s: %s\nit matters because %s\nremedy: %s", c.Title, c.Detail, c.Why, c.Fix)
			case LeftOut:
				t.Log(c.Detail)
			}
		})
	}
}

// kit is one run.
type kit struct {
	ctx     context.Context
	opts    *Options
	program *program
	up      *upstream
	secrets [2]string // of the credentials
	tokens  [2]string // made of them, "": sent as they are
	report  *Report
	shared  *adapter // serves all cases that do not end it
	about   *describe
	targets []*target
	leases  []lease
	failed  bool // it cannot be talked to: nothing more makes sense
}

func newKit(ctx context.Context, path string, o *Options) (*kit, error) {
	p, err := load(path)
	if err != nil {
		return nil, err
	}
	up, err := newUpstream(o.Answers)
	if err != nil {
		p.remove()
		return nil, err
	}
	return &kit{ctx: ctx, opts: o, program: p, up: up, secrets: [2]string{newSecret(), newSecret()}, report: &Report{Path: path}}, nil
}

func (k *kit) close() {
	if k.shared != nil {
		k.shared.kill()
	}
	k.up.close()
	k.program.remove()
}

// credential is the first or second of two that differ in their secret.
func (k *kit) credential(i int) string { return expand(k.opts.Credential, "{secret}", k.secrets[i]) }

// config is the configuration, with the mock upstream's address in it.
func (k *kit) config() map[string]any {
	out := map[string]any{}
	for name, v := range k.opts.Config {
		out[name] = expandAny(v, "{upstream}", k.up.url)
	}
	if _, set := out["base_url"]; !set && k.about != nil && k.about.schema.Properties["base_url"] != nil {
		out["base_url"] = k.up.url
	}
	return out
}

// hosts are those that the kit, as the operator, allows.
func (k *kit) hosts() []string {
	u, err := url.Parse(k.up.url)
	if err != nil {
		panic(fmt.Sprintf("BUG: the upstream's URL %q is none", k.up.url))
	}
	return append([]string{u.Host}, k.about.Hosts...)
}
