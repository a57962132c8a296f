// Package module describes WebAssembly modules of Signalbox: the manifest that
// lies beside a module's .wasm file as <name>.json.
package module

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Kind is what a module does.
type Kind string

// The kinds.
const (
	Route  Kind = "route"  // orders the targets of a request
	Filter Kind = "filter" // looks at text
)

// ABI is the contract that this program runs modules by.
const ABI = "sb/1"

// What a manifest may grant: the functions of the host that a module imports.
const (
	Log      = "log"
	Counters = "counters"
	Metrics  = "metrics"
)

// Needs name the groups of a record that cost the host something to fill;
// package abi says which fields are whose.
const (
	Session  = "session"
	Budget   = "budget"
	Identity = "identity"
	Metadata = "metadata"
	Features = "features"
)

// What becomes of a request when the module fails.
const (
	Builtin = "builtin" // of a route: the built-in order, the default
	Refuse  = "refuse"  // of a route
	Closed  = "closed"  // of a filter: what it cannot judge is blocked, the default
	Open    = "open"    // of a filter: it passes
)

// Limits of a manifest.
const (
	MaxManifest = 64 << 10 // bytes
	MaxFuel     = 1_000_000
	MaxMemory   = 64 << 20 // bytes
)

// Manifest is what a module says of itself, and asks for. What it leaves out
// gets the defaults named.
type Manifest struct {
	Name        string   `json:"name"`
	Version     string   `json:"version"` // a tag: the version proper is the SHA-256
	Kind        Kind     `json:"kind"`
	ABI         string   `json:"abi"`
	Description string   `json:"description,omitempty"`
	SHA256      string   `json:"sha256,omitempty"`   // of the .wasm file; a signed manifest has it
	Grants      []string `json:"grants,omitempty"`   // none: the module imports nothing of the host
	Needs       []string `json:"needs,omitempty"`    // none: those fields are zero
	Fuel        int64    `json:"fuel,omitempty"`     // a call may spend, at most and by default MaxFuel
	Memory      int64    `json:"memory,omitempty"`   // bytes; the less, the cheaper are loads. Default: 8 MiB for Go, 512 KiB for what begins with half of that, else 2 MiB
	OnError     string   `json:"on_error,omitempty"` // of the kind's; the operator's configuration goes before
}

// Default is the manifest of a module that has none: it may do what the ABI
// offers, and gets no group that has to be asked for.
func Default(kind Kind, name string) *Manifest {
	return &Manifest{Name: name, Kind: kind, ABI: ABI, Grants: []string{Log, Counters, Metrics}}
}

// Granted reports whether m grants a function of the host: Log, Counters or Metrics.
func (m *Manifest) Granted(what string) bool { return slices.Contains(m.Grants, what) }

// Needed reports whether m asks for a group of a record: Session and so on.
func (m *Manifest) Needed(group string) bool { return slices.Contains(m.Needs, group) }

// Canonical is the one JSON text that manifests which say the same have,
// whatever the order and the spaces of their files.
func (m *Manifest) Canonical() []byte {
	c := *m
	c.Grants, c.Needs = sorted(m.Grants), sorted(m.Needs)
	text, err := json.Marshal(&c)
	if err != nil {
		panic("BUG: a manifest is strings and numbers: " + err.Error())
	}
	return text
}

func sorted(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }

// Matches reports, as an error, that m was not written for code.
func (m *Manifest) Matches(code []byte) error {
	sum := sha256.Sum256(code)
	if got := hex.EncodeToString(sum[:]); m.SHA256 != "" && !strings.EqualFold(m.SHA256, got) {
		return fmt.Errorf("the manifest is for the module with sha256 %s, this one has %s: give the module that it was written for, or correct sha256", m.SHA256, got)
	}
	return nil
}

var (
	nameForm    = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)
	versionForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$`)
)

// Parse reads a manifest and checks it. Errors name the field and the remedy.
func Parse(text []byte) (*Manifest, error) {
	if len(text) > MaxManifest {
		return nil, fmt.Errorf("cannot read manifest: it has more than %d bytes", MaxManifest)
	}
	var m Manifest
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	err := dec.Decode(&m)
	if err == nil && dec.More() {
		err = errors.New("something follows the object")
	}
	if err == nil {
		err = m.Validate()
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read manifest: %w", err)
	}
	return &m, nil
}

// Validate checks what the types alone do not say.
func (m *Manifest) Validate() error {
	onError := map[Kind][]string{Route: {Builtin, Refuse}, Filter: {Closed, Open}}[m.Kind]
	sum, err := hex.DecodeString(m.SHA256)
	switch {
	case !nameForm.MatchString(m.Name):
		return fmt.Errorf("name is %q: give lower-case letters, digits, '.', '_' and '-', at most 64", m.Name)
	case m.Version != "" && !versionForm.MatchString(m.Version):
		return fmt.Errorf("version is %q: write it as 1.2.0", m.Version)
	case onError == nil:
		return fmt.Errorf("kind is %q: give route or filter", m.Kind)
	case m.ABI != ABI:
		return fmt.Errorf("abi is %q: this program speaks %s", m.ABI, ABI)
	case err != nil || len(sum) != 0 && len(sum) != 32:
		return errors.New("sha256 is not one: give the 64 hexadecimal digits that sha256sum prints")
	case m.Fuel < 0 || m.Fuel > MaxFuel:
		return fmt.Errorf("fuel is %d: give 1 to %d, or leave it out", m.Fuel, MaxFuel)
	case m.Memory < 0 || m.Memory > MaxMemory:
		return fmt.Errorf("memory is %d bytes: give at most %d, or leave it out", m.Memory, MaxMemory)
	case m.OnError != "" && !slices.Contains(onError, m.OnError):
		return fmt.Errorf("on_error is %q: give %s", m.OnError, strings.Join(onError, " or "))
	}
	if err := known("grants", m.Grants, Log, Counters, Metrics); err != nil {
		return err
	}
	return known("needs", m.Needs, Session, Budget, Identity, Metadata, Features)
}

func known(field string, list []string, all ...string) error {
	for _, v := range list {
		if !slices.Contains(all, v) {
			return fmt.Errorf("%s holds %q: there are %s", field, v, strings.Join(all, ", "))
		}
	}
	return nil
}
