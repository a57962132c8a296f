package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/signalbox-ai/signalbox/host/call"
)

// keyForm are the flags that say what a key is good for.
type keyForm struct {
	org, project, team, user, env, expires string
	roles, attrs                           []string
	limits                                 limitForm
	models, operations, from, certificates []string
	readOnly                               bool
}

func (k *keyForm) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&k.org, "org", "", "organisation that the key belongs to")
	f.StringVar(&k.project, "project", "", "project")
	f.StringVar(&k.team, "team", "", "team")
	f.StringVar(&k.user, "user", "", "user or service account")
	f.StringVar(&k.env, "env", "", "environment, such as prod")
	f.StringSliceVar(&k.roles, "role", nil, "role (repeatable)")
	f.StringArrayVar(&k.attrs, "attr", nil, "name=value that policies see (repeatable)")
	k.limits.flags(c)
	f.StringVar(&k.expires, "expires", "", expiresUsage)
	f.StringSliceVar(&k.models, "model", nil, "model that it is good for, '*' for any characters, as in fast or 'openai/*' (repeatable; default: all)")
	f.StringSliceVar(&k.operations, "operation", nil, "operation that it is good for, such as chat (repeatable; default: all)")
	f.StringSliceVar(&k.from, "from", nil, "address or CIDR that it may be used from (repeatable; default: anywhere)")
	f.StringSliceVar(&k.certificates, "certificate", nil, "name of a client certificate that it needs beside it, as in spiffe://corp/ci (repeatable)")
	f.BoolVar(&k.readOnly, "read-only", false, "it is good for GET requests alone")
}

// key is what the flags say of a new key.
func (k *keyForm) key(name string) (newKey, error) {
	out := newKey{Name: name, Org: k.org, Project: k.project, Team: k.team, User: k.user, Env: k.env, Roles: k.roles}
	var err error
	if out.Attrs, err = namedValues("--attr", k.attrs); err != nil {
		return out, err
	}
	if out.Budgets, out.Rates, err = k.limits.limits(); err != nil {
		return out, err
	}
	out.Expires, err = parseExpiry(k.expires, time.Now())
	if s := k.scope(); !s.Empty() {
		out.Scope = s
	}
	return out, err
}

func (k *keyForm) scope() *call.Scope {
	return &call.Scope{Models: k.models, Operations: k.operations, From: k.from, Certificates: k.certificates, ReadOnly: k.readOnly}
}

// change is what the flags that were given say of a key that there is; a list
// that is given empty takes away what was there.
func (k *keyForm) change(set *pflag.FlagSet) (map[string]any, error) {
	whole, err := k.key("")
	if err != nil {
		return nil, err
	}
	all := map[string]any{"org": k.org, "project": k.project, "team": k.team, "user": k.user, "env": k.env,
		"role": some(k.roles), "attr": whole.Attrs, "budget": append([]call.Limit{}, whole.Budgets...), "rate": append([]call.Limit{}, whole.Rates...), "expires": whole.Expires}
	if whole.Expires.IsZero() {
		all["expires"] = nil
	}
	if whole.Attrs == nil {
		all["attr"] = map[string]string{}
	}
	out, scope := map[string]any{}, map[string]any{}
	inScope := map[string]struct {
		name  string
		value any
	}{"model": {"models", some(k.models)}, "operation": {"operations", some(k.operations)}, "from": {"from", some(k.from)},
		"certificate": {"certificates", some(k.certificates)}, "read-only": {"read_only", k.readOnly}}
	plural := map[string]string{"role": "roles", "attr": "attrs", "budget": "budgets", "rate": "rates"}
	all["concurrent"], plural["concurrent"] = all["rate"], "rates" // a key's rates are replaced as a whole
	set.Visit(func(f *pflag.Flag) {
		if s, ok := inScope[f.Name]; ok {
			scope[s.name] = s.value
		} else if v, ok := all[f.Name]; ok {
			name := f.Name
			if p, ok := plural[name]; ok {
				name = p
			}
			out[name] = v
		}
	})
	if len(scope) > 0 {
		out["scope"] = scope
	}
	if len(out) == 0 {
		return nil, hint(fmt.Errorf("nothing is to be changed"), "give what is, such as --team core or --expires 90d")
	}
	return out, nil
}

// some is list without empty entries, which stand for none, and never null.
func some(list []string) []string {
	out := []string{}
	for _, v := range list {
		if v != "" {
			out = append(out, v)
		}
	}
	return out
}

// namedValues reads name=value; an empty one stands for none.
func namedValues(flag string, list []string) (map[string]string, error) {
	var out map[string]string
	for _, text := range some(list) {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, hint(fmt.Errorf("cannot read %s %q", flag, text), "write name=value")
		}
		if out == nil {
			out = map[string]string{}
		}
		out[name] = value
	}
	return out, nil
}
