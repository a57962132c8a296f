package main

import (
	"context"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host"
	"github.com/signalbox-ai/signalbox/sdk/module"
)

// store looks at the tables: those of a newer program are not this one's.
func (d *doctor) store(ctx context.Context) {
	url := d.cfg.Store.URL.Reveal()
	if !strings.HasPrefix(url, "postgres") {
		list, err := host.TrySQLite(url)
		if err != nil {
			d.add("store", checkFailed, "see who may read it, and restore it from a backup if it is damaged: docs/install.md", "%v", err)
		}
		for _, v := range list {
			d.version(v)
		}
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	ahead, v, err := host.TryPostgres(ctx, url)
	if err != nil {
		d.add("store", checkFailed, "see that PostgreSQL runs, and that store.url names user, password and database", "%v", err)
		return
	}
	d.version(v)
	d.skew("PostgreSQL", ahead)
}

// version compares tables with what this program knows.
func (d *doctor) version(v host.StoreVersion) {
	switch {
	case v.NotThereYet:
		d.add("store", checkOK, "", "%s has no tables yet: the gateway makes them as it starts", v.What)
	case v.Needs > v.Known:
		d.add("store", checkFailed, "run the newer program", "%s is of version %d, for programs of version %d or later; this one's is %d", v.What, v.Is, v.Needs, v.Known)
	case v.Is > v.Known:
		d.add("store", checkWarning, "upgrade this program as well, soon", "%s is of version %d, this program's is %d: it may go on running", v.What, v.Is, v.Known)
	case v.Is < v.Known:
		d.add("store", checkWarning, "back it up, then restart the gateway with this program: docs/install.md", "%s is of version %d: this program brings it to %d as it starts", v.What, v.Is, v.Known)
	default:
		d.add("store", checkOK, "", "%s is of this program's version, %d", v.What, v.Is)
	}
}

// modules compiles those that the configuration names, as serving would.
func (d *doctor) modules() {
	n := 0
	err := host.CheckModules(d.cfg, func(module.Kind, string, string) { n++ })
	if err != nil {
		for _, line := range strings.Split(err.Error(), "\n") {
			d.add("modules", checkFailed, "build it with this program's SDK ("+module.ABI+"); signalbox route verify and filter verify tell more", "%s", line)
		}
	}
	if n > 0 {
		d.add("modules", checkOK, "", "%d routes and filters load; this program runs %s", n, module.ABI)
	}
}
