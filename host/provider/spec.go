package provider

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/provider/egress"
)

// Spec is one provider as configured.
type Spec struct {
	Name    string         // as in provider/model
	Adapter string         // name of a shipped adapter, or
	Path    string         // of any other
	SHA256  string         // pin, hexadecimal; "": none
	Config  map[string]any // the adapter's
	// Hosts are where its credentials may go; empty: the host of the
	// configuration's base_url, else a shipped adapter's own.
	Hosts       []string
	Credentials []SpecCredential
	// Awaiting says that the provider is to be started without a credential
	// that it needs: one will be given while it runs.
	Awaiting  bool
	Timeouts  call.Timeouts
	Isolation Isolation

	raw []byte // Config as JSON; the map may be changed by its owner
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

// binary is the path of the spec's program.
func (s *Spec) binary(pluginDir string) (string, error) {
	if s.Path != "" {
		return s.Path, nil
	}
	if !adapterName.MatchString(s.Adapter) {
		return "", fmt.Errorf("adapter %q is not the name of one; for a program of your own set path", s.Adapter)
	}
	path := filepath.Join(pluginDir, "providers", s.Adapter)
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		return filepath.Join(path, s.Adapter), nil
	}
	if os.IsNotExist(err) {
		return "", fmt.Errorf("there is no adapter %q in %s; there are %s", s.Adapter, filepath.Dir(path), strings.Join(adapters(filepath.Dir(path)), ", "))
	}
	return path, err
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

// hosts are where credentials may go, given what the adapter says of itself.
func (s *Spec) hosts(manifest []string) (list []string, err error) {
	if list, err = s.configured(); err == nil && list == nil && s.Path == "" {
		list = manifest
	}
	return list, err
}

// same reports whether a process started for s serves o as well.
func (s *Spec) same(o *Spec) bool {
	return s.Name == o.Name && s.Adapter == o.Adapter && s.Path == o.Path && s.pin() == o.pin() &&
		slices.Equal(s.Hosts, o.Hosts) && s.Isolation.same(&o.Isolation) && s.keyless() == o.keyless() && string(s.raw) == string(o.raw)
}

// keyless reports whether requests are made without a credential.
func (s *Spec) keyless() bool { return len(s.Credentials) == 0 && !s.Awaiting }

// sameProvider reports whether requests see no difference between s and o.
func (s *Spec) sameProvider(o *Spec) bool {
	return slices.Equal(s.Credentials, o.Credentials) && s.Timeouts == o.Timeouts
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
