package config

import (
	"fmt"
	"strings"
	"time"
)

// Filter is a module that looks at text, under the name that models and
// policies refer to it by.
type Filter struct {
	Module  string   `koanf:"module"` // "builtin:<name>" or the path of a .wasm file
	SHA256  string   `koanf:"sha256"`
	Config  Settings `koanf:"config"`
	On      []string `koanf:"on"`       // request, answer; none: both
	OnError string   `koanf:"on_error"` // closed (default): what it cannot judge is blocked; open
	Guard   string   `koanf:"guard"`    // a model that judges what the module escalates, by the moderation operation

	File string `koanf:"-"` // where Module lies
}

// Modules says how WebAssembly is run.
type Modules struct {
	// AllowUnmetered lets modules run into which fuel cannot be injected, under
	// a guard that makes each call several times slower.
	AllowUnmetered bool `koanf:"allow_unmetered"`
}

// Decisions says which routing decisions are kept, to be explained and
// replayed. They hold no text of prompts or answers.
type Decisions struct {
	Sample    float64 `koanf:"sample"`     // share of requests, 0 to 1
	PerSecond int     `koanf:"per_second"` // at most
	Max       Size    `koanf:"max"`        // of all that is kept
}

// Breaker says when a target is left alone.
type Breaker struct {
	Errors   float64       `koanf:"errors"`   // share of failed attempts that opens it, 0: never
	Attempts int           `koanf:"attempts"` // within the window, at least
	Window   time.Duration `koanf:"window"`
	Rest     time.Duration `koanf:"rest"`     // before the first probe, doubling
	MaxRest  time.Duration `koanf:"max_rest"` // at most
}

// Queue holds requests while all their targets are full.
type Queue struct {
	Size int           `koanf:"size"` // requests of a model that may wait, 0: none
	Wait time.Duration `koanf:"wait"` // at most
}

// Hold keeps the start of a streamed answer back, so that a target that breaks
// off early can still be replaced: until so long after the first token, or so
// many events, whichever comes first.
type Hold struct {
	Time   time.Duration `koanf:"time"`
	Events int           `koanf:"events"`
}

// Mirror sends a share of a model's requests to another target as well, whose
// answers nobody sees.
type Mirror struct {
	Target string  `koanf:"target"` // provider/model
	Share  float64 `koanf:"share"`  // 0 to 1
}

// Probe asks a model from time to time whether it serves.
type Probe struct {
	Model string        `koanf:"model"` // as the provider calls it, "": no probes
	Every time.Duration `koanf:"every"`
}

func (c *Config) checkFilters(p *problems) {
	for _, name := range sortedKeys(c.Filters) {
		path, f := join("filters", name), c.Filters[name]
		checkModule(p, path, f.Module, "builtin:pii")
		checkSHA256(p, path+".sha256", f.SHA256)
		for i, on := range f.On {
			checkOneOf(p, fmt.Sprintf("%s.on[%d]", path, i), on, "request", "answer")
		}
		if f.OnError != "" {
			checkOneOf(p, path+".on_error", f.OnError, "closed", "open")
		}
		if f.Guard != "" {
			c.checkCallable(p, path+".guard", f.Guard)
		}
	}
}

// checkModule checks what a route or a filter says that it is made of.
func checkModule(p *problems, path, module, example string) {
	builtin, isBuiltin := strings.CutPrefix(module, "builtin:")
	switch {
	case module == "":
		p.addf(path+".module", "is missing: name a .wasm file, or %s", example)
	case isBuiltin && !providerName.MatchString(builtin):
		p.addf(path+".module", "%q names no shipped module: write %s", module, example)
	}
}

// checkCallable checks the name of a model: an alias, or provider/model.
func (c *Config) checkCallable(p *problems, path, name string) {
	provider, model, direct := strings.Cut(name, "/")
	if _, alias := c.Models[name]; alias {
		return
	}
	if _, known := c.Providers[provider]; !direct || model == "" || !known {
		p.addf(path, "there is no model %q%s: write an alias of models, or provider/model", name, didYouMean(name, sortedKeys(c.Models)))
	}
}

func (c *Config) checkResilience(p *problems) {
	share := func(path string, v float64) {
		if !(v >= 0 && v <= 1) {
			p.addf(path, "is %v: give 0 to 1", v)
		}
	}
	share("breaker.errors", c.Breaker.Errors)
	share("decisions.sample", c.Decisions.Sample)
	if c.Breaker.Attempts < 1 {
		p.addf("breaker.attempts", "is %d: give at least 1", c.Breaker.Attempts)
	}
	if c.Breaker.Window < time.Second || c.Breaker.Rest <= 0 || c.Breaker.MaxRest < c.Breaker.Rest {
		p.addf("breaker", "needs a window of at least 1s, a rest, and a max_rest that is not shorter")
	}
	if c.Queue.Size < 0 || c.Queue.Size > 1<<20 {
		p.addf("queue.size", "is %d: give 0 to %d", c.Queue.Size, 1<<20)
	}
	if c.Decisions.Max < 1<<20 {
		p.addf("decisions.max", "is %d bytes: give at least 1MiB", c.Decisions.Max)
	}
	for _, name := range sortedKeys(c.Providers) {
		path, v := join("providers", name), c.Providers[name]
		if v.ClientGone != "" {
			checkOneOf(p, path+".client_gone", v.ClientGone, "cancel", "drain")
		}
		if v.Probe.Model != "" && v.Probe.Every < time.Second {
			p.addf(path+".probe.every", "is %s: give at least 1s", v.Probe.Every)
		}
	}
	for _, name := range sortedKeys(c.Models) {
		path, m := join("models", name), c.Models[name]
		share(path+".mirror.share", m.Mirror.Share)
		if m.Mirror.Target != "" {
			c.checkTarget(p, path+".mirror", Target{Model: m.Mirror.Target})
		}
		c.checkFilterNames(p, path+".filters", m.Filters)
	}
}

// checkFilterNames checks what a model or a tool server asks for.
func (c *Config) checkFilterNames(p *problems, path string, names []string) {
	for i, f := range names {
		if _, ok := c.Filters[f]; !ok {
			p.addf(fmt.Sprintf("%s[%d]", path, i), "there is no filter %q%s: define it under filters", f, didYouMean(f, sortedKeys(c.Filters)))
		}
	}
}
