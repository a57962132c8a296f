// Package directory knows the organisations, teams, projects, users and service
// accounts that keys and tokens act for, and how they belong together. A
// directory that has none of a kind asks nothing of names of that kind.
package directory

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Kinds are the kinds of entries, and of the documents that hold them.
var Kinds = []string{"org", "team", "project", "user", "service"}

const (
	maxAttrs = 64
	maxTeams = 64
	maxText  = 256
)

var name = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}$`)

// Parse reads an entry from its document.
func Parse(d call.Document) (*call.Entry, error) {
	e := &call.Entry{}
	dec := json.NewDecoder(bytes.NewReader(d.Body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(e); err != nil {
		return nil, fmt.Errorf("cannot read %s %q: %w", d.Kind, d.Name, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("cannot read %s %q: there is more after the JSON value", d.Kind, d.Name)
	}
	e.Kind, e.Name, e.Revision, e.Changed = d.Kind, d.Name, d.Revision, d.Changed
	return e, check(e)
}

// Document is the one that holds e.
func Document(e *call.Entry) (call.Document, error) {
	if err := check(e); err != nil {
		return call.Document{}, err
	}
	body, err := json.Marshal(e)
	return call.Document{Kind: e.Kind, Name: e.Name, Revision: e.Revision, Body: body}, err
}

// check says what is wrong with e by itself.
func check(e *call.Entry) error {
	switch {
	case !slices.Contains(Kinds, e.Kind):
		return fmt.Errorf("there is no kind %q: give one of %s", e.Kind, strings.Join(Kinds, ", "))
	case !name.MatchString(e.Name):
		return fmt.Errorf("the name of %s %q: give letters, digits, '.', '_', ':', '@' and '-', at most 128", e.Kind, e.Name)
	case e.Org != "" && e.Kind == "org":
		return fmt.Errorf("org %q has an org: an organisation belongs to none", e.Name)
	case e.Team != "" && e.Kind != "project":
		return fmt.Errorf("%s %q has a team: projects alone have one; users and services have teams", e.Kind, e.Name)
	case len(e.Teams) > 0 && e.Kind != "user" && e.Kind != "service":
		return fmt.Errorf("%s %q has teams: users and services alone have them", e.Kind, e.Name)
	case len(e.Teams) > maxTeams, len(e.Attrs) > maxAttrs:
		return fmt.Errorf("%s %q has more than %d teams or %d attrs", e.Kind, e.Name, maxTeams, maxAttrs)
	case len(e.Title) > maxText:
		return fmt.Errorf("the title of %s %q is longer than %d bytes", e.Kind, e.Name, maxText)
	}
	for k, v := range e.Attrs {
		if !name.MatchString(k) || len(v) > maxText {
			return fmt.Errorf("attrs.%s of %s %q: give a name of letters and digits, and at most %d bytes", k, e.Kind, e.Name, maxText)
		}
	}
	return nil
}

// Directory is what there is at one moment. It is immutable.
type Directory struct {
	by map[string]map[string]*call.Entry
}

// New makes a directory of entries.
func New(entries []*call.Entry) *Directory {
	d := &Directory{by: map[string]map[string]*call.Entry{}}
	for _, e := range entries {
		if d.by[e.Kind] == nil {
			d.by[e.Kind] = map[string]*call.Entry{}
		}
		d.by[e.Kind][e.Name] = e
	}
	return d
}

// Get is the entry of that kind and name, nil if there is none.
func (d *Directory) Get(kind, name string) *call.Entry { return d.by[kind][name] }

// List is what there is of a kind, by name.
func (d *Directory) List(kind string) (list []*call.Entry) {
	for _, n := range slices.Sorted(maps.Keys(d.by[kind])) {
		list = append(list, d.by[kind][n])
	}
	return list
}

// Unknown is an error about a name that the directory does not have.
type Unknown struct {
	Kind, Name string
	Known      []string
}

func (e *Unknown) Error() string { return fmt.Sprintf("there is no %s %q", e.Kind, e.Name) }

// Disabled is an error about an entry that is disabled.
type Disabled struct{ Kind, Name string }

func (e *Disabled) Error() string { return fmt.Sprintf("%s %q is disabled", e.Kind, e.Name) }

// known says what is wrong with naming an entry of one of kinds; entries of
// several kinds share their names.
func (d *Directory) known(name string, kinds ...string) error {
	if name == "" {
		return nil
	}
	var all []string
	for _, kind := range kinds {
		if e := d.by[kind][name]; e != nil {
			if e.Disabled {
				return &Disabled{kind, name}
			}
			return nil
		}
		all = append(all, slices.Sorted(maps.Keys(d.by[kind]))...)
	}
	if len(all) == 0 {
		return nil
	}
	return &Unknown{Kind: kinds[0], Name: name, Known: all}
}

// Place says what is wrong with what e belongs to.
func (d *Directory) Place(e *call.Entry) error {
	if err := d.exists("org", e.Org); err != nil {
		return err
	}
	for _, t := range append(slices.Clone(e.Teams), e.Team) {
		if err := d.exists("team", t); err != nil {
			return err
		}
		if t := d.by["team"][t]; t != nil && e.Org != "" && t.Org != "" && t.Org != e.Org {
			return fmt.Errorf("team %q belongs to org %q, not to %q", t.Name, t.Org, e.Org)
		}
	}
	return nil
}

func (d *Directory) exists(kind, name string) error {
	if name == "" || d.by[kind][name] != nil {
		return nil
	}
	return &Unknown{Kind: kind, Name: name, Known: slices.Sorted(maps.Keys(d.by[kind]))}
}

// Settle fills in what p leaves out and the directory knows: the team and
// organisation that its project, team or user belong to, and their attributes
// under its own. It says what is wrong with p: a name that is not there, a
// disabled one, or two that do not belong together. In both cases p itself
// stays as it is.
func (d *Directory) Settle(p *call.Principal) (*call.Principal, error) {
	if len(d.by) == 0 {
		return p, nil
	}
	q := *p
	project := d.by["project"][q.Project]
	if project != nil {
		if err := settle(&q.Team, project.Team, "project", project.Name, "team"); err != nil {
			return p, err
		}
	}
	user := d.by["user"][q.User]
	if user == nil {
		user = d.by["service"][q.User]
	}
	team := d.by["team"][q.Team]
	for _, e := range []*call.Entry{project, team, user} {
		if e != nil {
			if err := settle(&q.Org, e.Org, e.Kind, e.Name, "org"); err != nil {
				return p, err
			}
		}
	}
	if user != nil && q.Team != "" && len(user.Teams) > 0 && !slices.Contains(user.Teams, q.Team) {
		return p, fmt.Errorf("%s %q is not of team %q but of %s", user.Kind, user.Name, q.Team, strings.Join(user.Teams, ", "))
	}
	if err := errors.Join(d.known(q.Org, "org"), d.known(q.Team, "team"), d.known(q.Project, "project"), d.known(q.User, "user", "service")); err != nil {
		return p, err
	}
	q.Attrs = merged(d.by["org"][q.Org], team, project, user, p.Attrs)
	return &q, nil
}

// settle makes own what is the other's, if it says nothing by itself.
func settle(own *string, other, kind, name, what string) error {
	switch {
	case other == "" || *own == other:
	case *own == "":
		*own = other
	default:
		return fmt.Errorf("%s %q belongs to %s %q, not to %q", kind, name, what, other, *own)
	}
	return nil
}

func merged(org, team, project, user *call.Entry, own map[string]string) map[string]string {
	var out map[string]string
	for _, e := range []*call.Entry{org, team, project, user} {
		if e == nil || len(e.Attrs) == 0 {
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		maps.Copy(out, e.Attrs)
	}
	if out == nil {
		return own
	}
	maps.Copy(out, own)
	return out
}

// Members are the entries that belong to the one of that kind and name, as
// "kind name".
func (d *Directory) Members(kind, name string) (list []string) {
	for _, k := range Kinds {
		for _, e := range d.List(k) {
			if kind == "org" && e.Org == name || kind == "team" && (e.Team == name || slices.Contains(e.Teams, name)) {
				list = append(list, e.Kind+" "+e.Name)
			}
		}
	}
	return list
}

// Names reports whether p acts for the entry of that kind and name.
func Names(p *call.Principal, kind, name string) bool {
	switch kind {
	case "org":
		return p.Org == name
	case "team":
		return p.Team == name
	case "project":
		return p.Project == name
	}
	return p.User == name // of users and services
}
