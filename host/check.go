package host

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/filter"
	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/host/release"
	"github.com/signalbox-ai/signalbox/host/route"
	"github.com/signalbox-ai/signalbox/host/trust"
	"github.com/signalbox-ai/signalbox/host/wasm"
	"github.com/signalbox-ai/signalbox/sdk/module"
)

// CheckModules compiles and configures the routes and filters of a
// configuration as serving would, and tells each that is good.
func CheckModules(cfg *config.Config, good func(kind module.Kind, name, file string)) error {
	keys, err := trust.Parse(cfg.Plugins.TrustedKeys, cfg.Plugins.RequireSignature)
	if err != nil {
		return err
	}
	router, err := route.New(route.Options{AllowUnmetered: cfg.Modules.AllowUnmetered})
	if err != nil {
		return err
	}
	defer router.Close()
	filters, err := filter.New(filter.Options{AllowUnmetered: cfg.Modules.AllowUnmetered})
	if err != nil {
		return err
	}
	defer filters.Close()
	c := checker{keys: keys, tags: strings.Join(tagNames(cfg), "\n")}
	var errs []error
	tell := func(kind module.Kind, name, file string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%ss.%s: %w", kind, name, err))
			return
		}
		good(kind, name, file)
	}
	for _, name := range sortedNames(cfg.Routes) {
		r := cfg.Routes[name]
		seed, err := readRoute(r)
		tell(module.Route, name, r.File, c.compile(router, module.Route, name, seed, err))
	}
	for _, name := range sortedNames(cfg.Filters) {
		f := cfg.Filters[name]
		if builtin, is := nativeName(f); is {
			_, err := nativeFilter(builtin, f)
			tell(module.Filter, name, f.Module, err)
			continue
		}
		seed, err := readFilter(f)
		tell(module.Filter, name, f.File, c.compile(filters, module.Filter, name, seed, err))
	}
	return errors.Join(errs...)
}

// checker is what all modules of a configuration are compiled with.
type checker struct {
	keys trust.Keys
	tags string
}

type compiler interface {
	Compile(name string, src lane.Source) (*lane.Version, error)
}

func (c *checker) compile(by compiler, kind module.Kind, name string, seed release.Seed, err error) error {
	if err != nil {
		return err
	}
	m, _, err := seed.Source.Check(kind, c.keys)
	if err != nil {
		return err
	}
	v, err := by.Compile(name, lane.Source{Code: seed.Source.Code, Manifest: m, Config: seed.Config, Tags: c.tags})
	if err != nil {
		return err
	}
	v.Close()
	return nil
}

// nativeName is the name of a filter that is part of the gateway.
func nativeName(f config.Filter) (name string, is bool) {
	name, is = strings.CutPrefix(f.Module, "builtin:")
	return name, is && filter.IsBuiltin(name)
}

// readSeed reads a module that the configuration names.
func readSeed(file, pin string, settings config.Settings) (seed release.Seed, err error) {
	if seed.Source, err = wasm.Read(file); err != nil {
		return seed, err
	}
	if pin != "" {
		sum := sha256.Sum256(seed.Source.Code)
		if sum := hex.EncodeToString(sum[:]); !strings.EqualFold(sum, pin) {
			return seed, fmt.Errorf("%s has sha256 %s, the configuration pins %s", file, sum, pin)
		}
	}
	if len(settings) > 0 {
		seed.Config, err = json.Marshal(map[string]any(settings))
	}
	return seed, err
}
