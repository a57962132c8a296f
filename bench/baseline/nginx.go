package baseline

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"text/template"
	"time"

	"github.com/signalbox-ai/signalbox/bench/proc"
)

// Nginx says how nginx is to be run.
type Nginx struct {
	Conf       string // path of the template
	Dir        string // for everything it writes
	Upstream   string // address
	Credential string
	Whole      string // address that complete answers are served at
	Stream     string // address that streams are served at
	Files      uint64 // descriptors a worker may have
}

// Workers is one a core, as the gateway has a thread a core.
func (Nginx) Workers() int { return runtime.GOMAXPROCS(0) }

// Root reports whether workers would fall back to a user who may not write to Dir.
func (Nginx) Root() bool { return os.Geteuid() == 0 }

// Start runs nginx.
func (n Nginx) Start() (*proc.Child, error) {
	binary, err := exec.LookPath("nginx")
	if err != nil {
		if binary, err = exec.LookPath("/usr/sbin/nginx"); err != nil {
			return nil, fmt.Errorf("cannot find nginx: install Debian's package nginx: %w", err)
		}
	}
	t, err := template.ParseFiles(n.Conf)
	if err != nil {
		return nil, fmt.Errorf("cannot read %q: %w", n.Conf, err)
	}
	conf := filepath.Join(n.Dir, "nginx.conf")
	f, err := os.Create(conf)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := t.Execute(f, n); err != nil {
		return nil, fmt.Errorf("cannot fill in %q: %w", n.Conf, err)
	}
	cmd := exec.Command(binary, "-c", conf, "-p", n.Dir)
	c, err := proc.Start("nginx", cmd, filepath.Join(n.Dir, "nginx.log"), nil)
	if err != nil {
		return nil, err
	}
	for _, addr := range []string{n.Whole, n.Stream} {
		if err := proc.Await(addr, startPatience); err != nil {
			c.Stop()
			return nil, fmt.Errorf("cannot start nginx: %w; see %s", err, filepath.Join(n.Dir, "nginx.log"))
		}
	}
	return c, nil
}

const startPatience = 10 * time.Second
