package call

import "time"

// Entry is one organisation, team, project, user or service account.
type Entry struct {
	Kind  string `json:"-"`
	Name  string `json:"-"`
	Title string `json:"title,omitempty"` // for people
	// What it belongs to: a team and a user to an organisation, a project to an
	// organisation and a team, a user and a service account to teams.
	Org   string   `json:"org,omitempty"`
	Team  string   `json:"team,omitempty"`
	Teams []string `json:"teams,omitempty"`
	// Attrs are seen by policy, under those of the key itself.
	Attrs    map[string]string `json:"attrs,omitempty"`
	Disabled bool              `json:"disabled,omitempty"` // its keys are refused

	Revision int64     `json:"-"`
	Changed  time.Time `json:"-"`
}
