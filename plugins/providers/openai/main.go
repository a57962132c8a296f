// Openai is the provider adapter for OpenAI and for every service that speaks
// its API: what sets them apart is data, in presets.go. Requests in dialects
// that a service speaks go straight from the gateway to it; chats in other
// dialects are translated here.
package main

import (
	"maps"
	"slices"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/egress"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func main() { provider.Serve(openai{}) }

type openai struct{}

// defaultPreset is meant where neither preset nor base_url says which.
const defaultPreset = "openai"

// Manifest implements provider.Provider.
func (openai) Manifest() provider.Manifest {
	m := provider.Manifest{
		Name: "openai", Version: "1.0.0", Config: config{}, Credential: provider.CredentialOptional,
		Operations: []provider.Operation{{Op: wire.OpChat, Dialect: wire.GeminiGenerate}}, // translated
	}
	for _, e := range endpoints {
		m.Operations = append(m.Operations, provider.Operation{Op: e.op, Dialect: e.dialect})
	}
	hosts := map[string][]string{}
	for _, name := range names() {
		p := presets[name]
		hosts[name] = p.hosts()
		m.Hosts = append(m.Hosts, hosts[name]...)
	}
	hosts[""] = hosts[defaultPreset]
	m.HostsBy = map[string]map[string][]string{"preset": hosts}
	return m
}

// hosts are those of the preset's own URLs.
func (p *preset) hosts() (list []string) {
	for _, at := range append([]string{p.baseURL}, slices.Sorted(maps.Values(p.paths))...) {
		if host, err := egress.OfURL(at); err == nil && !slices.Contains(list, host) {
			list = append(list, host)
		}
	}
	return list
}

// Configure implements provider.Provider.
func (openai) Configure(cfg provider.Config) (*provider.Setup, error) {
	var c config
	if err := cfg.Decode(&c); err != nil {
		return nil, err
	}
	p, err := c.preset()
	if err != nil {
		return nil, err
	}
	setup := &provider.Setup{Models: p.models}
	for _, e := range endpoints {
		if p.serves[e.name] {
			setup.Leases = append(setup.Leases, p.lease(e))
		}
	}
	return setup, nil
}
