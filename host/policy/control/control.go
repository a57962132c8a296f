// Package control speaks to a server of OPA bundles through OPA's own plugins:
// their manager, the download and verification of bundles, the report of
// status. They carry bundles and nothing else: what a bundle decides, and
// whether it may, is up to whoever accepts it.
package control

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/keys"
	"github.com/open-policy-agent/opa/v1/plugins"
	bundles "github.com/open-policy-agent/opa/v1/plugins/bundle"
	"github.com/open-policy-agent/opa/v1/plugins/status"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
)

// Discovery is the name of the bundle that names the others.
const Discovery = "discovery"

// MaxUnpacked bounds a bundle once it is unpacked, and MaxPacked as it travels.
const (
	MaxUnpacked = 64 << 20
	MaxPacked   = 32 << 20
)

// Bundle is what the service is asked for.
type Bundle struct {
	Resource string
	Min, Max time.Duration // between two questions, 0: 30s and 60s
	Long     time.Duration // for how long the service may wait for a change
	Signing  *Signing      // nil: it need not be signed
}

// Signing is what a bundle must be signed by.
type Signing struct {
	KeyID, Algorithm, PublicKey, Scope string
}

// Options of a Control.
type Options struct {
	Service   Service
	Bundles   map[string]Bundle
	Discovery *Bundle // nil: Bundles are all there are

	// Accept takes a bundle into use, or refuses it; tarball is as it came,
	// verified, and bounded once unpacked.
	Accept func(name string, tarball []byte) error
	// Discovered reads what a discovery bundle names.
	Discovered func(tarball []byte) (map[string]Bundle, error)
	// Changed tells that from now on the bundles are those of these names.
	Changed func(names []string)

	Status  *Status // nil: nobody is told
	Labels  map[string]string
	Log     *slog.Logger
	Console io.Writer // for Status.Console
}

// Status says who is told of the state of bundles.
type Status struct {
	Console bool
	Service Service // URL "": none
}

// Control is the connexion to a control plane.
type Control struct {
	opt     Options
	manager *plugins.Manager
	plugin  *bundles.Plugin // nil: nothing is asked for
	status  *status.Plugin  // nil: nobody is told
	doors   []*door

	life  context.Context
	end   context.CancelFunc
	tasks sync.WaitGroup

	mu        sync.Mutex
	resources map[string]string // by bundle
	last      map[string]*bundles.Status
	tried     map[string]bool
	followed  bool          // what discovery names is asked for
	heard     chan struct{} // closed and replaced when last changes
}

// The names under which OPA's manager knows the services.
const (
	bundleService = "bundles"
	statusService = "status"
)

// Start begins to ask for bundles. What comes is offered to Accept, one at a
// time, until Stop.
func Start(opt Options) (*Control, error) {
	c := &Control{opt: opt, resources: map[string]string{}, last: map[string]*bundles.Status{}, tried: map[string]bool{}, heard: make(chan struct{})}
	c.life, c.end = context.WithCancel(context.Background())
	if err := c.start(); err != nil {
		c.Stop()
		return nil, fmt.Errorf("cannot start the policy control plane: %w", err)
	}
	return c, nil
}

func (c *Control) start() (err error) {
	services := map[string]any{}
	if c.asks() {
		services[bundleService] = serviceConfig(c.opt.Service, bundleService)
	}
	st := c.opt.Status
	if st != nil && st.Service.URL != "" {
		services[statusService] = serviceConfig(st.Service, statusService)
	}
	labels := c.opt.Labels
	raw, err := json.Marshal(map[string]any{"services": services, "labels": labels})
	if err != nil {
		return err
	}
	c.manager, err = plugins.New(raw, cmp.Or(labels["id"], "signalbox"), &store{Store: inmem.New(), control: c},
		plugins.Logger(logger{c.opt.Log}), plugins.ConsoleLogger(console{c.opt.Console, nil}),
		plugins.WithParserOptions(ast.ParserOptions{RegoVersion: ast.RegoV1}))
	if err != nil {
		return err
	}
	if c.asks() {
		if err = c.open(bundleService, c.opt.Service, MaxPacked); err != nil {
			return err
		}
	}
	if st != nil {
		if err = c.openStatus(st); err != nil {
			return err
		}
	}
	if c.asks() {
		if err = c.openBundles(); err != nil {
			return err
		}
	}
	return c.manager.Start(c.life)
}

func (c *Control) asks() bool { return len(c.opt.Bundles) > 0 || c.opt.Discovery != nil }

func (c *Control) open(name string, s Service, most int64) error {
	d, err := newDoor(s, most)
	if err != nil {
		return err
	}
	c.doors = append(c.doors, d)
	c.manager.Register(doorName(name), d)
	return nil
}

func (c *Control) openStatus(st *Status) error {
	conf := map[string]any{"console": st.Console}
	if st.Service.URL != "" {
		conf["service"] = statusService
		if err := c.open(statusService, st.Service, maxReply); err != nil {
			return err
		}
	}
	raw, err := json.Marshal(conf)
	if err != nil {
		return err
	}
	parsed, err := status.ParseConfig(raw, c.manager.Services(), nil)
	if err != nil || parsed == nil {
		return err
	}
	c.status = status.New(parsed, c.manager)
	c.manager.Register(status.Name, c.status)
	return nil
}

func (c *Control) openBundles() error {
	want := maps.Clone(c.opt.Bundles)
	if c.opt.Discovery != nil {
		want = map[string]Bundle{Discovery: *c.opt.Discovery}
	}
	conf, err := c.config(want)
	if err != nil {
		return err
	}
	useActivator()
	c.plugin = bundles.New(conf, c.manager)
	c.plugin.RegisterBulkListener(Discovery, c.listen)
	c.manager.Register(bundles.Name, c.plugin)
	return nil
}

// config makes OPA's configuration of bundles, and notes where they come from.
func (c *Control) config(want map[string]Bundle) (*bundles.Config, error) {
	conf := map[string]any{}
	public := map[string]*keys.Config{}
	resources := map[string]string{}
	for name, b := range want {
		resources[name] = b.Resource
		polling := map[string]any{"min_delay_seconds": seconds(b.Min, 30*time.Second), "max_delay_seconds": max(seconds(b.Max, time.Minute), seconds(b.Min, 30*time.Second))}
		if b.Long > 0 {
			polling["long_polling_timeout_seconds"] = seconds(b.Long, 0)
		}
		source := map[string]any{"service": bundleService, "resource": b.Resource, "polling": polling, "size_limit_bytes": MaxUnpacked}
		if s := b.Signing; s != nil {
			// Keys are told apart by bundle: a bundle is not good for being signed by another's key.
			source["signing"] = map[string]any{"keyid": name + "/" + s.KeyID, "scope": s.Scope}
			public[name+"/"+s.KeyID] = &keys.Config{Key: s.PublicKey, Algorithm: cmp.Or(s.Algorithm, "RS256"), Scope: s.Scope}
		}
		conf[name] = source
	}
	raw, err := json.Marshal(conf)
	if err != nil {
		return nil, err
	}
	parsed, err := bundles.NewConfigBuilder().WithBytes(raw).WithServices([]string{bundleService}).WithKeyConfigs(public).Parse()
	if err != nil {
		return nil, err
	}
	for name, source := range parsed.Bundles {
		if want[name].Signing == nil {
			source.Signing = nil // OPA would offer the keys of the others
		}
	}
	c.mu.Lock()
	c.resources = resources
	c.mu.Unlock()
	return parsed, nil
}

func seconds(d, usual time.Duration) int64 { return int64(cmp.Or(d, usual) / time.Second) }

// listen notes how bundles fare.
func (c *Control) listen(all map[string]*bundles.Status) {
	c.mu.Lock()
	for name, st := range all {
		if !st.LastRequest.IsZero() {
			c.tried[name] = true
		}
	}
	c.last = all
	close(c.heard)
	c.heard = make(chan struct{})
	c.mu.Unlock()
	c.Report(all)
}

// Report tells whoever is to be told how bundles fare.
func (c *Control) Report(all map[string]*bundles.Status) {
	if c.status != nil {
		c.status.BulkUpdateBundleStatus(all)
	}
}

// Tried waits until each bundle has been asked for once, whatever came of it.
func (c *Control) Tried(ctx context.Context) {
	for {
		c.mu.Lock()
		all, heard := c.allTried(), c.heard
		c.mu.Unlock()
		if all {
			return
		}
		select {
		case <-heard:
		case <-ctx.Done():
			return
		}
	}
}

func (c *Control) allTried() bool {
	for name := range c.resources {
		if !c.tried[name] {
			return false
		}
	}
	return c.opt.Discovery == nil || c.followed || c.last[Discovery].Code != ""
}

// Bundles tells how the bundles fare, by name.
func (c *Control) Bundles() map[string]*bundles.Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.last)
}

// stopLimit bounds how long a last report may take.
const stopLimit = 5 * time.Second

// Stop ends all questions and waits for what is under way. It may be called twice.
func (c *Control) Stop() {
	c.end()
	if c.manager != nil {
		ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
		defer cancel()
		c.tasks.Wait()
		c.manager.Stop(ctx)
	}
	for _, d := range c.doors {
		d.close()
	}
}
