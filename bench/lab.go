package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/template"
	"time"

	"github.com/signalbox-ai/signalbox/bench/baseline"
	"github.com/signalbox-ai/signalbox/bench/proc"
	"github.com/signalbox-ai/signalbox/bench/upstream"
)

const (
	keyCount   = 200
	teamCount  = 20
	adminToken = "bench-admin-token-0123456789abcdef"
)

// lab is everything that runs during a measurement.
type lab struct {
	dir      string
	upstream string // address
	gateway  gateway
	children []*proc.Child // in the order of their start
	targets  map[string]*target
}

// gateway is the gateway under measurement.
type gateway struct {
	data, admin string
	child       *proc.Child
	versions    []string // of the route that were pushed, by digest
	active      string   // the one of them that is in use
}

// key is a virtual key of the configuration.
type key struct {
	Value string
	Team  int
}

func (k key) String() string { return k.Value }

func keys() []key {
	out := make([]key, keyCount)
	for i := range out {
		out[i] = key{fmt.Sprintf("sb-bench-%03d-5d41402abc4b2a76b9719d911017c592", i), i % teamCount}
	}
	return out
}

// newLab starts all processes. It must be stopped, also after an error.
func newLab(o options) (l *lab, err error) {
	l = &lab{targets: map[string]*target{}}
	if l.dir, err = os.MkdirTemp("", "signalbox-bench-"); err != nil {
		return l, err
	}
	starts := []func(options) error{l.startUpstream, l.startNginx, l.startBare}
	if o.gateway() {
		starts = append(starts, l.startGateway)
	}
	for _, start := range starts {
		if err := start(o); err != nil {
			return l, err
		}
	}
	return l, nil
}

func (o options) measures(target string) bool {
	return slices.Contains(strings.Split(o.among, ","), target)
}

func (o options) gateway() bool {
	return o.measures("lease") || o.measures("bridge") || o.measures("demo")
}

// stop ends all processes, the last started first.
func (l *lab) stop(keep bool) {
	for i := len(l.children) - 1; i >= 0; i-- {
		l.children[i].Stop()
	}
	if !keep {
		os.RemoveAll(l.dir)
	}
}

// running returns an error when a process has ended that should not have.
func (l *lab) running() error {
	var errs []error
	for _, c := range l.children {
		errs = append(errs, c.Running())
	}
	return errors.Join(errs...)
}

func (l *lab) startUpstream(options) error {
	c, addr, err := startRole(l.dir, "role:upstream")
	if err != nil {
		return err
	}
	l.children, l.upstream = append(l.children, c), addr
	return nil
}

func (l *lab) startNginx(options) error {
	n := baseline.Nginx{Conf: "bench/nginx.conf", Dir: l.dir, Upstream: l.upstream, Credential: upstream.BaselineCredential, Files: files()}
	var err error
	if n.Whole, err = proc.FreeAddr(); err != nil {
		return err
	}
	if n.Stream, err = proc.FreeAddr(); err != nil {
		return err
	}
	c, err := n.Start()
	if err != nil {
		return err
	}
	l.children = append(l.children, c)
	l.targets["nginx"] = &target{name: "nginx", child: c, whole: n.Whole, stream: n.Stream, path: openAIPath}
	return nil
}

func (l *lab) startBare(options) error {
	c, addr, err := startRole(l.dir, "role:bare", l.upstream)
	if err != nil {
		return err
	}
	l.children = append(l.children, c)
	l.targets["bare"] = &target{name: "bare", child: c, whole: addr, stream: addr, path: openAIPath}
	return nil
}

func (l *lab) startGateway(o options) (err error) {
	g := &l.gateway
	if g.data == "" { // not a second start
		if g.data, err = proc.FreeAddr(); err != nil {
			return err
		}
		if g.admin, err = proc.FreeAddr(); err != nil {
			return err
		}
	}
	conf, err := l.configure("bench/testdata/signalbox.yaml.tmpl")
	if err != nil {
		return err
	}
	cmd := exec.Command(o.binary, "serve", "--config", conf)
	cmd.Env = append(os.Environ(), "HOME="+l.dir)
	ready := func(line string) bool { return strings.HasPrefix(line, "listening ") }
	if g.child, err = proc.Start("signalbox", cmd, filepath.Join(l.dir, "signalbox.log"), ready); err != nil {
		return err
	}
	l.children = append(l.children, g.child)
	for _, t := range []*target{
		{name: "lease", path: openAIPath, alias: benchAlias},
		{name: "bridge", path: anthropicPath, alias: benchAlias},
		{name: "demo", path: openAIPath, alias: demoAlias, demo: true},
	} {
		t.child, t.whole, t.stream, t.gateway = g.child, g.data, g.data, g
		l.targets[t.name] = t
	}
	return nil
}

// configure writes the gateway's configuration and returns its path.
func (l *lab) configure(path string) (string, error) {
	t, err := template.ParseFiles(path)
	if err != nil {
		return "", fmt.Errorf("cannot read %q: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Join(l.dir, "store"), 0o700); err != nil {
		return "", err
	}
	conf := filepath.Join(l.dir, "signalbox.yaml")
	f, err := os.OpenFile(conf, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return conf, t.Execute(f, map[string]any{
		"Data": l.gateway.data, "Admin": l.gateway.admin, "Token": adminToken, "Dir": l.dir,
		"Upstream": l.upstream, "Credential": upstream.GatewayCredential, "Keys": keys(),
		"Models": upstreamModels(), "Demo": demoModels(),
	})
}

// files is how many descriptors a process may have here.
func files() uint64 {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return 1024
	}
	return r.Max
}

// quietFor is how long a process must be idle to count as settled.
const (
	quietFor      = 100 * time.Millisecond
	quietCPU      = 2 * time.Millisecond
	settleTimeout = 10 * time.Second
)
