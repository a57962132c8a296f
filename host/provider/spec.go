package provider

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/provider/egress"
	pb "github.com/signalbox-ai/signalbox/sdk/provider/proto/v1"
)

// Spec is one provider as configured.
type Spec struct {
	Name    string         // as in provider/model
	Adapter string         // name of an installed or shipped adapter, or
	Version string         // of an installed one; "": the one in use
	Path    string         // of any other
	SHA256  string         // pin, hexadecimal; "": none
	Config  map[string]any // the adapter's
	// Hosts are where its credentials may go; empty: the host of the
	// configuration's base_url, else those of the adapter's manifest where it
	// is shipped, signed or pinned.
	Hosts       []string
	Credentials []SpecCredential
	// Awaiting says that the provider is to be started without a credential
	// that it needs: one will be given while it runs.
	Awaiting  bool
	Timeouts  call.Timeouts
	Drain     time.Duration // of answers whose callers have left; 0: none
	Propagate bool          // tell it of traces
	Isolation Isolation

	raw     []byte // Config as JSON; the map may be changed by its owner
	vouched bool   // as of program
}

// SpecCredential is one secret of a provider.
type SpecCredential struct {
	Name, Value string
	Weight      int // 0: it serves when no other can
}

// String leaves the secret out.
func (c SpecCredential) String() string { return c.Name }

// GoString leaves the secret out.
func (c SpecCredential) GoString() string { return c.Name }

var adapterName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`)

// program is the file that a spec runs.
type program struct {
	path, pin string
	version   string // of an installed one
	// vouched says that what the manifest names as hosts may be believed: the
	// program is shipped, signed, or pinned by the configuration.
	vouched bool
}

// program finds what spec runs: by path, installed, or shipped.
func (s *Supervisor) program(spec *Spec) (program, error) {
	p := program{path: spec.Path, pin: spec.pin()}
	if spec.Path != "" {
		return p, s.trusted(spec, &p, p.pin != "")
	}
	if !adapterName.MatchString(spec.Adapter) {
		return p, fmt.Errorf("adapter %q is not the name of one; for a program of your own set path", spec.Adapter)
	}
	if s.opts.Depot != nil {
		if a, ok := s.opts.Depot.Find(spec.Adapter, spec.Version); ok {
			if p.pin != "" && p.pin != a.SHA256 {
				return p, fmt.Errorf("%s@%s has sha256 %s; the configuration pins %s", a.Name, a.Version, a.SHA256, p.pin)
			}
			p.vouched = a.SignedBy != "" || p.pin != ""
			p.path, p.pin, p.version = s.opts.Depot.Path(a), a.SHA256, a.Version
			return p, s.trusted(spec, &p, a.SignedBy != "")
		}
	}
	if spec.Version != "" {
		return p, fmt.Errorf("%s@%s is not installed: signalbox plugin install brings it", spec.Adapter, spec.Version)
	}
	p.vouched = true
	p.path = filepath.Join(s.opts.PluginDir, "providers", spec.Adapter)
	info, err := os.Stat(p.path)
	if err == nil && info.IsDir() {
		p.path = filepath.Join(p.path, spec.Adapter)
	}
	if os.IsNotExist(err) {
		dir := filepath.Dir(p.path)
		return p, fmt.Errorf("there is no adapter %q in %s; there are %s", spec.Adapter, dir, strings.Join(adapters(dir), ", "))
	}
	return p, err
}

// trusted refuses a program that nobody vouches for where that is asked for.
func (s *Supervisor) trusted(spec *Spec, p *program, vouched bool) error {
	if vouched || !s.trust.Load().Required {
		return nil
	}
	if p.version != "" {
		return fmt.Errorf("%s@%s is not signed, and plugins.require_signature is set: install it with its signature", spec.Adapter, p.version)
	}
	return fmt.Errorf("%s is pinned by no hash, and plugins.require_signature is set: set adapter.sha256, or install it with its signature", p.path)
}

func adapters(dir string) (names []string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if len(names) == 0 {
		return []string{"none"}
	}
	return names
}

// pin is the spec's hash in the form that images use.
func (s *Spec) pin() string { return strings.ToLower(strings.TrimPrefix(s.SHA256, "sha256:")) }

// configured are the hosts that the operator's own words allow; nil when
// neither hosts nor base_url is set.
func (s *Spec) configured() ([]string, error) {
	if len(s.Hosts) > 0 {
		return s.Hosts, nil
	}
	base, ok := s.Config["base_url"].(string)
	if !ok || base == "" {
		return nil, nil
	}
	host, err := egress.OfURL(base)
	if err != nil {
		return nil, fmt.Errorf("config.base_url: %w", err)
	}
	return []string{host}, nil
}

// hosts are where credentials may go, given what the adapter says of itself:
// its manifest's hosts, or those of the service that the configuration chooses.
func (s *Spec) hosts(about *pb.DescribeResponse) (list []string, err error) {
	if list, err = s.configured(); err != nil || list != nil || !s.vouched {
		return list, err
	}
	if list = s.chosen(about.GetConfigSchema()); list == nil {
		list = about.GetHosts()
	}
	return list, nil
}

// chosen are the hosts that a configuration schema names for values of s's
// configuration, nil if it names none.
func (s *Spec) chosen(schema []byte) (list []string) {
	var said struct {
		By map[string]map[string][]string `json:"x-signalbox-hosts"`
	}
	if json.Unmarshal(schema, &said) != nil {
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(said.By)) {
		value, _ := s.Config[key].(string)
		list = append(list, said.By[key][value]...)
	}
	return list
}

// same reports whether a process started for s serves o as well.
func (s *Spec) same(o *Spec) bool {
	return s.Name == o.Name && s.Adapter == o.Adapter && s.Version == o.Version && s.Path == o.Path && s.pin() == o.pin() &&
		slices.Equal(s.Hosts, o.Hosts) && s.Isolation.same(&o.Isolation) && s.keyless() == o.keyless() && string(s.raw) == string(o.raw)
}

// keyless reports whether requests are made without a credential.
func (s *Spec) keyless() bool { return len(s.Credentials) == 0 && !s.Awaiting }

// sameButProgram reports whether o's program would do for s too.
func (s *Spec) sameButProgram(o *Spec) bool {
	like := *o
	like.Adapter, like.Version, like.Path, like.SHA256 = s.Adapter, s.Version, s.Path, s.SHA256
	return s.same(&like)
}

// sameProvider reports whether requests see no difference between s and o.
func (s *Spec) sameProvider(o *Spec) bool {
	return slices.Equal(s.Credentials, o.Credentials) && s.Timeouts == o.Timeouts && s.Drain == o.Drain && s.Propagate == o.Propagate
}

// resolve checks s as far as that needs no adapter.
func (s *Spec) resolve() (err error) {
	if s.raw, err = json.Marshal(s.Config); err != nil {
		return fmt.Errorf("its config cannot be written as JSON: %w", err)
	}
	if s.Config == nil {
		s.raw = []byte("{}")
	}
	if err := s.Isolation.check(); err != nil {
		return err
	}
	switch {
	case s.Name == "":
		return fmt.Errorf("it has no name")
	case s.Adapter == "" && s.Path == "":
		return fmt.Errorf("it has no adapter: set adapter, or adapter.path")
	case s.SHA256 != "" && len(s.pin()) != 64:
		return fmt.Errorf("adapter.sha256 %q is not 64 hexadecimal digits", s.SHA256)
	}
	for i, c := range s.Credentials {
		if c.Value == "" {
			return fmt.Errorf("credentials[%d] %q is empty", i, c.Name)
		}
		if controls(c.Value) {
			return fmt.Errorf("credentials[%d] %q holds a line break or another control character; is there one at the end of its file?", i, c.Name)
		}
	}
	_, err = s.configured()
	return err
}

func controls(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}
