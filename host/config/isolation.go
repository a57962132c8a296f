package config

import "path/filepath"

// Isolation is what an adapter's process is held to.
type Isolation struct {
	Network   string   `koanf:"network"`   // fenced (default): its hosts alone; open
	Memory    Size     `koanf:"memory"`    // of its own, default 1GiB
	Files     []string `koanf:"files"`     // to read, beyond the system's programs and libraries; "/" is everything
	Processes bool     `koanf:"processes"` // it may start others
}

// leastMemory is what a small adapter starts with.
const leastMemory = 64 << 20

func (i Isolation) check(p *problems, path string) {
	if i.Network != "" {
		checkOneOf(p, path+".network", i.Network, "fenced", "open")
	}
	if i.Memory != 0 && i.Memory < leastMemory {
		p.addf(path+".memory", "is %d bytes: give at least 64MiB", i.Memory)
	}
	for _, file := range i.Files {
		if !filepath.IsAbs(file) {
			p.addf(path+".files", "%q is not an absolute path", file)
		}
	}
}
