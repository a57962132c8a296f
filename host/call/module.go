package call

import "time"

// ModuleVersion is one version of a module as it is kept.
type ModuleVersion struct {
	Kind, Name string // route or filter, and the name in the configuration
	Digest     string // of code, manifest and configuration: what it is told by
	Label      string // name@… as decisions show it
	SHA256     string // of the code
	Tag        string // the manifest's version, "" if it has none
	Manifest   []byte // JSON, nil: none
	Config     []byte // JSON, nil: none
	Signer     string // id of the key that signed it, "" for none
	Origin     string // config or push
	State      string // pushed, replayed, shadow, canary, active, superseded, rolled_back, quarantined
	Report     []byte // JSON of the last replay, nil: there was none
	Proven     bool   // by that replay
	Served     bool   // it has been active
	Pushed     time.Time
	Changed    time.Time // of State
}

// ModuleLanes say which versions of a name are in use, by digest, "" for none.
type ModuleLanes struct {
	Kind, Name                       string
	Seed                             string // what the configuration brought last
	Active, Previous, Canary, Shadow string
	Share                            float64 // of the canary
	By                               string  // what it is a share of
	Guard                            []byte  // JSON
}

// ModuleEvent is a line of a module's history.
type ModuleEvent struct {
	Kind, Name, Label string
	Time              time.Time
	What, Who, Why    string
}

// ModuleState is all that is kept of one kind of module but the code.
type ModuleState struct {
	Revision int64           // grows with every change of the kind
	Versions []ModuleVersion // in the order in which they came
	Lanes    []ModuleLanes
	Events   []ModuleEvent // oldest first
}

// ModuleChange is a step that is kept whole or not at all: only if nobody has
// changed the kind since the Revision that it was made from.
type ModuleChange struct {
	Kind     string
	Revision int64
	Codes    [][]byte // of versions that are new
	Versions []ModuleVersion
	Gone     []ModuleVersion
	Lanes    []ModuleLanes
	Events   []ModuleEvent
}
