// Package litellm turns a configuration of LiteLLM's proxy, or of Bifrost, into
// one of this gateway's, and says of everything that it cannot carry why, and
// what to do.
package litellm

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Note is about a setting that is not carried as it was.
type Note struct {
	Where  string `json:"where"` // "router_settings.routing_strategy"
	Why    string `json:"why"`
	Remedy string `json:"remedy"`
	// Lost: it has no effect any more. Otherwise it is carried in another way.
	Lost bool `json:"lost"`
}

// Result is what came of a conversion.
type Result struct {
	Config []byte // YAML
	Notes  []Note // in the order of the file
	Models int
	// Providers are how many accounts they are at.
	Providers int
}

// Lost is how many settings have no effect any more.
func (r *Result) Lost() (n int) {
	for _, note := range r.Notes {
		if note.Lost {
			n++
		}
	}
	return n
}

// output is the configuration that is written, in the order in which it is.
type output struct {
	Listen    map[string]string   `yaml:"listen,flow"`
	Admin     map[string]string   `yaml:"admin,omitempty,flow"`
	Store     map[string]string   `yaml:"store,flow"`
	Log       map[string]string   `yaml:"log,omitempty,flow"`
	Limits    map[string]any      `yaml:"limits,omitempty,flow"`
	Timeouts  map[string]string   `yaml:"timeouts,omitempty,flow"`
	Breaker   map[string]any      `yaml:"breaker,omitempty,flow"`
	Retention map[string]string   `yaml:"retention,omitempty,flow"`
	Counters  map[string]string   `yaml:"counters,omitempty,flow"`
	Providers map[string]*account `yaml:"providers"`
	Models    map[string]*model   `yaml:"models"`
	Routes    map[string]any      `yaml:"routes,omitempty"`
	Filters   map[string]any      `yaml:"filters,omitempty"`
	Prices    map[string]price    `yaml:"prices,omitempty"`
	Budgets   []map[string]any    `yaml:"budgets,omitempty"`
	Rates     []map[string]any    `yaml:"rates,omitempty"`
	Alerts    map[string]any      `yaml:"alerts,omitempty"`
	Cache     map[string]any      `yaml:"cache,omitempty"`
	Telemetry map[string]any      `yaml:"telemetry,omitempty"`
	MCP       map[string]any      `yaml:"mcp,omitempty"`
}

type account struct {
	Adapter     string            `yaml:"adapter"`
	Config      map[string]any    `yaml:"config,omitempty,flow"`
	Hosts       []string          `yaml:"hosts,omitempty,flow"`
	Credentials []credential      `yaml:"credentials,omitempty,flow"`
	Timeouts    map[string]string `yaml:"timeouts,omitempty,flow"`
}

type credential struct {
	Name   string `yaml:"name"`
	Value  string `yaml:"value"`
	Weight int    `yaml:"weight,omitempty"`
}

type model struct {
	Targets []target `yaml:"targets"`
	Route   string   `yaml:"route,omitempty"`
	Filters []string `yaml:"filters,omitempty,flow"`
}

type target struct {
	Model       string   `yaml:"model"`
	Weight      int      `yaml:"weight,omitempty"`
	Priority    *int     `yaml:"priority,omitempty"`
	Region      string   `yaml:"region,omitempty"`
	Tags        []string `yaml:"tags,omitempty,flow"`
	MaxInFlight int      `yaml:"max_in_flight,omitempty"`
}

// price has the members of a price that are known, in dollars.
type price map[string]float64

// conversion is one in progress.
type conversion struct {
	out      output
	notes    []Note
	named    map[string]string // names of accounts by what sets them apart
	aliases  []string          // models that callers name, in order
	secrets  map[string]*section
	route    string
	modes    map[string]string // of aliases, where they are not chats
	weighted bool              // requests are shared by rpm where nothing else says how
}

// Convert reads a configuration.
func Convert(raw []byte) (*Result, error) {
	var doc map[string]any
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	if doc["model_list"] == nil && doc["litellm_settings"] == nil && doc["general_settings"] == nil && doc["router_settings"] == nil {
		return nil, fmt.Errorf("cannot convert the configuration: it has none of model_list, litellm_settings, router_settings and general_settings, which LiteLLM's have")
	}
	c := newConversion()
	c.all(c.section("", doc))
	return c.result()
}

func newConversion() *conversion {
	return &conversion{named: map[string]string{}, modes: map[string]string{}, secrets: map[string]*section{}, out: output{
		Listen: map[string]string{"data": "0.0.0.0:4000", "admin": "127.0.0.1:8081"}, Store: map[string]string{"url": "sqlite:signalbox.db"},
		Providers: map[string]*account{}, Models: map[string]*model{}, Prices: map[string]price{}}}
}

func (c *conversion) result() (*Result, error) {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(&c.out); err != nil {
		return nil, fmt.Errorf("cannot write the configuration: %w", err)
	}
	return &Result{Config: b.Bytes(), Notes: c.notes, Models: len(c.out.Models), Providers: len(c.out.Providers)}, nil
}

func (c *conversion) all(doc *section) {
	for i, s := range doc.sections("credential_list") {
		name := s.text("credential_name")
		if name == "" {
			c.lost(s.path, "it has no name", "give it one, or write its values at the models that use it")
		}
		c.secrets[name] = doc.c.section(fmt.Sprintf("credential_list[%d].credential_values", i), s.object("credential_values"))
		s.ignore("credential_info")
		s.rest()
	}
	router, lite, general := doc.section("router_settings"), doc.section("litellm_settings"), doc.section("general_settings")
	c.strategy(router)
	for _, s := range doc.sections("model_list") {
		c.deployment(s)
	}
	c.fallbacks(router, lite)
	c.router(router)
	c.module(lite)
	c.general(general)
	c.guards(doc, lite)
	for name, why := range elsewhere {
		if doc.has(name) {
			c.lost(name, why[0], why[1])
		}
	}
	router.rest()
	lite.rest()
	general.rest()
	doc.rest()
	c.finish()
}

// finish completes what only the whole tells.
func (c *conversion) finish() {
	routed, ordered := false, false
	for _, m := range c.out.Models {
		if slices.ContainsFunc(m.Targets, func(t target) bool { return t.Priority != nil }) {
			ordered = true // which the module would not see
		} else if len(m.Targets) > 1 {
			m.Route, routed = c.route, true
		}
	}
	if c.route != "" && ordered {
		c.differs("router_settings.routing_strategy", "it holds for models without fallbacks and without order: those that have them go by priority, and among equals by weight", "nothing, or choose a module for them: plugins/routes/README.md")
	}
	if c.route != "" && routed {
		c.out.Routes = map[string]any{c.route: map[string]string{"module": "builtin:" + c.route}}
	}
	slices.SortStableFunc(c.out.Rates, byScope)
	slices.SortStableFunc(c.out.Budgets, byScope)
	slices.SortStableFunc(c.notes, func(a, b Note) int { return cmp.Or(rank(a.Where)-rank(b.Where), strings.Compare(a.Where, b.Where)) })
}

// byScope orders limits, which have come in any order.
func byScope(a, b map[string]any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) }

// rank is where in a file a setting stands.
func rank(where string) int {
	for i, name := range []string{"model_list", "credential_list", "router_settings", "litellm_settings", "general_settings"} {
		if strings.HasPrefix(where, name) {
			return i
		}
	}
	return 9
}

// lost notes a setting that has no effect any more.
func (c *conversion) lost(where, why, remedy string) {
	c.notes = append(c.notes, Note{Where: where, Why: why, Remedy: remedy, Lost: true})
}

// differs notes one that is carried in another way.
func (c *conversion) differs(where, why, remedy string) {
	c.notes = append(c.notes, Note{Where: where, Why: why, Remedy: remedy})
}
