package release

import (
	"slices"
	"strings"

	"github.com/signalbox-ai/signalbox/host/call"
)

// known returns a name that the configuration has.
func (r *Registry) known(name string) (*entry, error) {
	e := r.names[name]
	if e != nil && e.configured {
		return e, nil
	}
	if e != nil && len(e.versions) > 0 {
		return nil, conflict("%s %q has versions, and the configuration does not have it: add it there (%ss: {%s: {module: FILE}}) and reload", r.opt.Kind, name, r.opt.Kind, name)
	}
	var there []string
	for n, e := range r.names {
		if e.configured {
			there = append(there, n)
		}
	}
	slices.Sort(there)
	if len(there) == 0 {
		there = []string{"none"}
	}
	return nil, notFound("there is no %s %q in the configuration: there are %s", r.opt.Kind, name, strings.Join(there, ", "))
}

// resolve finds the version of e that ref means: a tag, the beginning of its
// SHA-256, or what follows the @ of its label. pick is what no ref means.
func (r *Registry) resolve(e *entry, ref string, pick func() *call.ModuleVersion) (*call.ModuleVersion, error) {
	if ref == "" {
		if v := pick(); v != nil {
			return v, nil
		}
		return nil, notFound("%s %q has no version to take: name one as %s@version; there are %s", r.opt.Kind, e.name, e.name, e.all())
	}
	var found []*call.ModuleVersion
	for i := range e.versions {
		v := &e.versions[i]
		_, suffix, _ := strings.Cut(v.Label, "@")
		if suffix == ref || v.SHA256 == ref && !strings.Contains(suffix, "+") {
			return v, nil
		}
		if v.Tag == ref && ref != "" || len(ref) >= 4 && strings.HasPrefix(v.SHA256, strings.ToLower(ref)) {
			found = append(found, v)
		}
	}
	switch len(found) {
	case 0:
		return nil, notFound("%s %q has no version %q: there are %s", r.opt.Kind, e.name, ref, e.all())
	case 1:
		return found[0], nil
	}
	var names []string
	for _, v := range found {
		names = append(names, v.Label)
	}
	return nil, conflict("version %q of %s %q may be one of %s: name it by what follows the @", ref, r.opt.Kind, e.name, strings.Join(names, ", "))
}

// all lists the versions of e for people.
func (e *entry) all() string {
	var out []string
	for _, v := range e.versions {
		name := v.Label
		if v.Tag != "" {
			name += " (" + v.Tag + ")"
		}
		out = append(out, name)
	}
	if len(out) == 0 {
		return "none"
	}
	return strings.Join(out, ", ")
}

// latest is the version that came last and is not active.
func (e *entry) latest() *call.ModuleVersion {
	for i := len(e.versions) - 1; i >= 0; i-- {
		if v := &e.versions[i]; v.Digest != e.lanes.Active {
			return v
		}
	}
	return nil
}
