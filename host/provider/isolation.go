package provider

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/signalbox-ai/signalbox/host/provider/jail"
)

// Isolation is what an adapter's process is held to.
type Isolation struct {
	// Network is "fenced", or "": it reaches its provider's hosts by the
	// gateway, and nothing else; or "open": all that the machine does.
	Network string
	Memory  int64 // bytes that are its own, 0: a gibibyte
	// Files are what it may read beyond its own folder and the system's
	// programs and libraries; "/" is everything.
	Files     []string
	Processes bool // it may start others
}

const (
	networkFenced = "fenced"
	networkOpen   = "open"
	defaultMemory = 1 << 30
	minMemory     = 64 << 20
	maxOpenFiles  = 16 << 10
)

func (i *Isolation) fenced() bool { return i.Network != networkOpen }

func (i *Isolation) same(o *Isolation) bool {
	return i.fenced() == o.fenced() && i.Memory == o.Memory && i.Processes == o.Processes && slices.Equal(i.Files, o.Files)
}

func (i *Isolation) check() error {
	switch {
	case i.Network != "" && i.Network != networkFenced && i.Network != networkOpen:
		return fmt.Errorf("isolation.network %q is neither fenced nor open", i.Network)
	case i.Memory != 0 && i.Memory < minMemory:
		return fmt.Errorf("isolation.memory is %d bytes: give at least 64MiB", i.Memory)
	}
	for _, path := range i.Files {
		if !filepath.IsAbs(path) {
			return fmt.Errorf("isolation.files: %q is not an absolute path", path)
		}
	}
	return nil
}

// system is where programs of all kinds find what they are made of. What says
// who this machine is, or what else runs on it, is not there, but for /proc,
// without which no runtime starts; of other processes it shows no secrets.
var system = []string{
	"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/opt", "/nix/store", "/proc", "/sys",
	"/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/etc/ca-certificates.conf", "/etc/crypto-policies", "/etc/gnutls",
	"/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/ld-musl-x86_64.path", "/etc/ld-musl-aarch64.path", "/etc/alternatives",
	"/etc/localtime", "/etc/timezone", "/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/host.conf",
	"/etc/passwd", "/etc/group", "/etc/mime.types", "/etc/protocols", "/etc/services", "/etc/os-release", "/etc/python3",
	"/dev/zero", "/dev/full", "/dev/random", "/dev/urandom",
}

// policy is what the jail is given for a process of im in its folder.
func (i *Isolation) policy(im *image, folder string) *jail.Policy {
	p := &jail.Policy{Fenced: i.fenced(), Processes: i.Processes, Memory: i.Memory, Files: maxOpenFiles}
	if p.Memory == 0 {
		p.Memory = defaultMemory
	}
	p.Read = append(append(p.Read, system...), i.Files...)
	for _, name := range []string{"SSL_CERT_FILE", "SSL_CERT_DIR"} {
		for path := range strings.SplitSeq(os.Getenv(name), ":") {
			if path != "" {
				p.Read = append(p.Read, path)
			}
		}
	}
	if im.folder != "" {
		p.Read = append(p.Read, im.folder)
	}
	p.Write = []string{folder, "/dev/null"}
	return p
}

// String says it for people.
func (i *Isolation) String() string {
	text := "network " + networkFenced
	if !i.fenced() {
		text = "network " + networkOpen
	}
	if v := jail.Landlock(); v > 0 {
		text += fmt.Sprintf(", files restricted (landlock %d)", v)
	} else {
		text += ", files as its user (no landlock)"
	}
	memory := i.Memory
	if memory == 0 {
		memory = defaultMemory
	}
	return text + fmt.Sprintf(", memory %d MiB", memory>>20)
}
