package control

import (
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/storage"
)

// store marks the transactions of a control's manager, and keeps nothing.
type store struct {
	storage.Store
	control *Control
}

const activatorID = "signalbox"

// useActivator has OPA ask the control whose store a bundle is activated in;
// of any other store OPA's own activator is in charge as before.
var useActivator = sync.OnceFunc(func() {
	usual, err := bundle.GetActivator("_default")
	if err != nil {
		panic(fmt.Sprintf("BUG: OPA has no default activator; got %v", err))
	}
	bundle.RegisterActivator(activatorID, activator{usual})
	bundle.RegisterDefaultBundleActivator(activatorID)
})

type activator struct{ usual bundle.Activator }

// Activate implements bundle.Activator.
func (a activator) Activate(opts *bundle.ActivateOpts) error {
	s, ours := opts.Store.(*store)
	if !ours {
		return a.usual.Activate(opts)
	}
	for name, b := range opts.Bundles {
		if err := s.control.accept(name, b); err != nil {
			return err
		}
	}
	return nil
}

func (c *Control) accept(name string, b *bundle.Bundle) error {
	if b.Type() == bundle.DeltaBundleType {
		return errors.New("the service answers with a delta bundle, which it was not asked for: have it send whole bundles")
	}
	c.mu.Lock()
	resource, known := c.resources[name]
	c.mu.Unlock()
	if !known || c.life.Err() != nil {
		return fmt.Errorf("bundle %q is no longer asked for", name)
	}
	tarball := c.doors[0].take(resource)
	if tarball == nil {
		return fmt.Errorf("BUG: bundle %q has been read, but nobody saw it come", name)
	}
	if name != Discovery || c.opt.Discovery == nil {
		return c.opt.Accept(name, tarball)
	}
	found, err := c.opt.Discovered(tarball)
	if err != nil {
		return err
	}
	c.tasks.Go(func() { c.follow(found) }) // the plugin is locked while it activates
	return nil
}

// follow asks for the bundles that discovery names, and for no others.
func (c *Control) follow(found map[string]Bundle) {
	want := maps.Clone(found)
	want[Discovery] = *c.opt.Discovery
	conf, err := c.config(want)
	if err != nil {
		c.opt.Log.Error("policy: what discovery names cannot be asked for", "error", err)
		return
	}
	c.mu.Lock()
	c.followed = true
	c.mu.Unlock()
	c.opt.Changed(sorted(found))
	if c.life.Err() == nil {
		c.plugin.Reconfigure(c.life, conf)
	}
}
