package directory

import (
	"errors"
	"fmt"
	"maps"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
)

func acme() *Directory {
	return New([]*call.Entry{
		{Kind: "org", Name: "acme", Attrs: map[string]string{"tier": "gold", "region": "eu"}},
		{Kind: "org", Name: "gone", Disabled: true},
		{Kind: "team", Name: "core", Org: "acme", Attrs: map[string]string{"region": "us"}},
		{Kind: "team", Name: "late", Org: "gone"},
		{Kind: "project", Name: "web", Team: "core"},
		{Kind: "project", Name: "off", Team: "core", Disabled: true},
		{Kind: "user", Name: "ann", Org: "acme", Teams: []string{"core"}},
		{Kind: "service", Name: "ci"},
	})
}

func TestSettle(t *testing.T) {
	d := acme()
	good := func(p, want call.Principal) {
		t.Helper()
		got, err := d.Settle(&p)
		if err != nil || got.Org != want.Org || got.Team != want.Team || got.Project != want.Project || !maps.Equal(got.Attrs, want.Attrs) {
			t.Errorf("%+v: got %+v, %v; want %+v", p, got, err, want)
		}
	}
	good(call.Principal{}, call.Principal{})
	good(call.Principal{Project: "web", Attrs: map[string]string{"tier": "own"}},
		call.Principal{Org: "acme", Team: "core", Project: "web", Attrs: map[string]string{"tier": "own", "region": "us"}})
	good(call.Principal{User: "ci"}, call.Principal{})
	good(call.Principal{User: "ann"}, call.Principal{Org: "acme", Attrs: map[string]string{"tier": "gold", "region": "eu"}})

	bad := func(p call.Principal, want string) {
		t.Helper()
		if _, err := d.Settle(&p); fmt.Sprint(err) != want {
			t.Errorf("%+v: got %v; want %s", p, err, want)
		}
	}
	bad(call.Principal{Org: "acne"}, `there is no org "acne"`)
	bad(call.Principal{Team: "web"}, `there is no team "web"`)
	bad(call.Principal{User: "bob"}, `there is no user "bob"`)
	bad(call.Principal{Org: "gone"}, `org "gone" is disabled`)
	bad(call.Principal{Team: "late"}, `org "gone" is disabled`)
	bad(call.Principal{Project: "off"}, `project "off" is disabled`)
	bad(call.Principal{Team: "core", Org: "gone"}, `team "core" belongs to org "acme", not to "gone"`)
	bad(call.Principal{Project: "web", Team: "late"}, `project "web" belongs to team "core", not to "late"`)
	bad(call.Principal{User: "ann", Org: "acme", Team: "late"}, `team "late" belongs to org "gone", not to "acme"`)
}

// TestNothingAsked: without entries of a kind any name of it will do.
func TestNothingAsked(t *testing.T) {
	p := &call.Principal{Org: "a", Team: "b", User: "c"}
	if got, err := New(nil).Settle(p); got != p || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
	var unknown *Unknown
	d := New([]*call.Entry{{Kind: "team", Name: "core"}})
	if _, err := d.Settle(p); !errors.As(err, &unknown) || unknown.Kind != "team" || len(unknown.Known) != 1 {
		t.Errorf("got %v; want a team that is not known, and nothing of org and user", err)
	}
}

func TestPlace(t *testing.T) {
	f := func(e call.Entry, want string) {
		t.Helper()
		if err := acme().Place(&e); fmt.Sprint(err) != want {
			t.Errorf("%+v: got %v; want %s", e, err, want)
		}
	}
	f(call.Entry{Kind: "team", Org: "acme"}, "<nil>")
	f(call.Entry{Kind: "team", Org: "acm"}, `there is no org "acm"`)
	f(call.Entry{Kind: "user", Teams: []string{"core", "x"}}, `there is no team "x"`)
	f(call.Entry{Kind: "project", Org: "gone", Team: "core"}, `team "core" belongs to org "acme", not to "gone"`)
}

func TestMembers(t *testing.T) {
	if got := fmt.Sprint(acme().Members("org", "acme"), acme().Members("team", "core"), acme().Members("user", "ann")); got != "[team core user ann] [project off project web user ann] []" {
		t.Errorf("got %s", got)
	}
}

func TestParse(t *testing.T) {
	f := func(kind, name, body string, ok bool) {
		t.Helper()
		e, err := Parse(call.Document{Kind: kind, Name: name, Body: []byte(body), Revision: 3})
		if (err == nil) != ok {
			t.Errorf("%s %s %s: got %v; want ok: %v", kind, name, body, err, ok)
		}
		if err == nil {
			if d, err := Document(e); err != nil || string(d.Body) != body || d.Revision != 3 {
				t.Errorf("%s comes back as %s, %v", body, d.Body, err)
			}
		}
	}
	f("org", "acme", `{}`, true)
	f("org", "acme", `{"title":"Acme Ltd","attrs":{"tier":"gold"},"disabled":true}`, true)
	f("project", "web", `{"org":"acme","team":"core"}`, true)
	f("user", "ann@acme.example", `{"teams":["core"]}`, true)
	f("org", "acme", `{"org":"x"}`, false)
	f("team", "core", `{"team":"x"}`, false)
	f("project", "web", `{"teams":["x"]}`, false)
	f("group", "x", `{}`, false)
	f("org", "a b", `{}`, false)
	f("org", "acme", `{"teem":"x"}`, false)
	f("org", "acme", `{} {}`, false)
	f("org", "acme", `{"attrs":{"a b":"x"}}`, false)
}

func FuzzParse(f *testing.F) {
	f.Add("user", `{"teams":["core"],"attrs":{"a":"b"}}`)
	f.Fuzz(func(t *testing.T, kind, body string) {
		e, err := Parse(call.Document{Kind: kind, Name: "x", Body: []byte(body)})
		if err != nil {
			return
		}
		d, err := Document(e)
		if err != nil {
			t.Fatalf("%s is read and cannot be written: %v", body, err)
		}
		if _, err := Parse(d); err != nil {
			t.Fatalf("%s comes back as %s: %v", body, d.Body, err)
		}
	})
}
