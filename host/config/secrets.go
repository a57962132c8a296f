package config

import (
	"fmt"
	"path/filepath"
	"time"
)

// Secrets says how secrets are kept, and kept up to date.
type Secrets struct {
	// Key wraps the keys under which the store's secrets lie, "": one is made and
	// kept beside the store.
	Key Secret `koanf:"key"`
	// Previous are keys that unwrap, until signalbox secrets rekey has run.
	Previous []Secret `koanf:"previous"`
	// KMS keeps the key in place of Key.
	KMS KMS `koanf:"kms"`
	// Refresh is how often references to a vault are read again.
	Refresh time.Duration `koanf:"refresh"`
}

// KMS is a program that wraps and unwraps.
type KMS struct {
	Command []string      `koanf:"command"` // program and arguments
	Env     []string      `koanf:"env"`     // names of variables that it gets beside PATH and HOME
	Timeout time.Duration `koanf:"timeout"`
	Name    string        `koanf:"name"` // of its key, in the store; default: that of the program
	// UnwrapOnly says that Key wraps again, on the way away from the program.
	UnwrapOnly bool `koanf:"unwrap_only"`
}

// KeyName is the name of the program's key.
func (k KMS) KeyName() string {
	if k.Name != "" {
		return k.Name
	}
	return filepath.Base(k.Command[0])
}

func (c *Config) checkSecrets(p *problems) {
	s := c.Secrets
	if s.Refresh < time.Second {
		p.addf("secrets.refresh", "is %s: give at least 1s", s.Refresh)
	}
	long := func(path string, k Secret) {
		if len(k) < shortestToken {
			p.addf(path, "has %d characters: give at least %d, random ones, such as openssl rand -hex 32 prints", len(k), shortestToken)
		}
	}
	if s.Key != "" {
		long("secrets.key", s.Key)
	}
	for i, k := range s.Previous {
		long(fmt.Sprintf("secrets.previous[%d]", i), k)
	}
	switch {
	case len(s.KMS.Command) == 0 && (s.KMS.Name != "" || s.KMS.UnwrapOnly || s.KMS.Env != nil):
		p.addf("secrets.kms.command", "is missing: name the program and its arguments, as in [\"/usr/local/bin/wrap\"]")
	case len(s.KMS.Command) > 0 && s.KMS.Command[0] == "":
		p.addf("secrets.kms.command", "names no program")
	case len(s.KMS.Command) > 0 && s.KMS.Timeout < time.Millisecond:
		p.addf("secrets.kms.timeout", "is %s: give at least 1ms", s.KMS.Timeout)
	}
}
