// Package migrate turns a configuration of another gateway, LiteLLM's proxy or
// Bifrost, into one of this gateway's, and says of everything that it cannot
// carry why, and what to do.
package migrate

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
