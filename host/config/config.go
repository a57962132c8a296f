package config

import (
	"slices"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Config is a checked configuration. It is immutable once loaded.
type Config struct {
	// File is what it was read from, "" for the embedded default.
	File string `koanf:"-"`
	// Files were referred to with ${file:…}.
	Files []string `koanf:"-"`
	// Refreshed says that secrets came from elsewhere, where they may change unseen.
	Refreshed bool `koanf:"-"`
	// Detected names the providers that were added because their key is in the
	// environment or they answer on their usual port, with the reason.
	Detected []Detected `koanf:"-"`
	// Warnings are worth saying at start.
	Warnings []string `koanf:"-"`

	Listen    Listen              `koanf:"listen"`
	Admin     Admin               `koanf:"admin"`
	Store     Store               `koanf:"store"`
	Secrets   Secrets             `koanf:"secrets"`
	Audit     Audit               `koanf:"audit"`
	Ledger    Ledger              `koanf:"ledger"`
	Retention Retention           `koanf:"retention"`
	Alerts    Alerts              `koanf:"alerts"`
	Dashboard Dashboard           `koanf:"dashboard"`
	Plugins   Plugins             `koanf:"plugins"`
	Limits    Limits              `koanf:"limits"`
	Timeouts  Timeouts            `koanf:"timeouts"`
	Log       Log                 `koanf:"log"`
	Providers map[string]Provider `koanf:"providers"`
	Models    map[string]Model    `koanf:"models"`
	Routes    map[string]Route    `koanf:"routes"`
	Filters   map[string]Filter   `koanf:"filters"`
	Modules   Modules             `koanf:"modules"`
	Decisions Decisions           `koanf:"decisions"`
	Breaker   Breaker             `koanf:"breaker"`
	Queue     Queue               `koanf:"queue"`
	Telemetry Telemetry           `koanf:"telemetry"`
	Policy    Policy              `koanf:"policy"`
	Budget    Budgeting           `koanf:"budget"`
	Prices    map[string]Price    `koanf:"prices"`
	// Objectives are what providers are held against.
	Objectives Objectives `koanf:"objectives"`
	// Playground is for those who try models from the dashboard.
	Playground Playground `koanf:"playground"`
	// Pipelines are several models as one call; PipelinesDir holds more, one a file.
	Pipelines    map[string]call.Pipeline `koanf:"pipelines"`
	PipelinesDir string                   `koanf:"pipelines_dir"`
	// PriceFiles are price lists in the shape of LiteLLM's or of models.dev's,
	// over the shipped ones and under Prices; of two the later wins.
	PriceFiles []string `koanf:"prices_files"`
	Keys       []Key    `koanf:"keys"`
	// Cache answers requests from the answers of earlier ones.
	Cache Cache `koanf:"cache"`
	// Counters are where gateways share those of rates.
	Counters Counters `koanf:"counters"`
	// Budgets and Rates hold for scopes that they name.
	Budgets []Limit `koanf:"budgets"`
	Rates   []Limit `koanf:"rates"`
	// OIDC are the issuers whose tokens callers may show in place of a key.
	OIDC    map[string]Issuer `koanf:"oidc"`
	Batches Batches           `koanf:"batches"`
	// PassThrough names the providers whose own API callers may use under
	// /v1/pass/{provider}/…
	PassThrough []string `koanf:"pass_through"`
	MCP         MCP      `koanf:"mcp"`
	// Share and Gather are nil where they are off.
	Share  *Share  `koanf:"share"`
	Gather *Gather `koanf:"gather"`
}

// Listen holds the addresses that are served.
type Listen struct {
	Data  string `koanf:"data"`
	Admin string `koanf:"admin"`
	TLS   TLS    `koanf:"tls"` // of data
	// TrustedProxies are the addresses and CIDRs of those that say truly whom a
	// request comes from.
	TrustedProxies []string `koanf:"trusted_proxies"`
	// Forwarded is the header that they say it in: "x-forwarded-for" (default) or "forwarded".
	Forwarded string `koanf:"forwarded"`
}

// Admin guards the admin API.
type Admin struct {
	// Token is what callers of /admin/… show as Bearer, "": to be made and kept beside the store.
	Token  Secret       `koanf:"token"`
	Tokens []AdminToken `koanf:"tokens"`
	OIDC   AdminOIDC    `koanf:"oidc"`
	TLS    TLS          `koanf:"tls"`
	// Hosts are names by which the admin address is called, beside localhost, IP
	// addresses and the name that it listens on.
	Hosts []string `koanf:"hosts"`
}

// Plugins says where adapters and modules are found by name.
type Plugins struct {
	Dir   string        `koanf:"dir"`   // providers/<name>, routes/<name>.wasm
	Drain time.Duration `koanf:"drain"` // for the requests of an adapter that is replaced; 0: 15m
	// TrustedKeys are minisign public keys whose signatures of adapters count.
	TrustedKeys      []string `koanf:"trusted_keys"`
	RequireSignature bool     `koanf:"require_signature"` // of every adapter that is neither shipped nor pinned
}

// Limits bound what one request may take.
type Limits struct {
	Attempts int           `koanf:"attempts"` // over all targets of one request
	Deadline time.Duration `koanf:"deadline"` // for the whole request
	MaxBody  Size          `koanf:"max_body"`
	// MaxUpload bounds forms and files, which are put aside on disk.
	MaxUpload Size          `koanf:"max_upload"`
	Drain     time.Duration `koanf:"drain"` // for running requests at shutdown
}

// Timeouts of one attempt; zero means the dispatcher's default.
type Timeouts struct {
	Connect   time.Duration `koanf:"connect"`
	FirstByte time.Duration `koanf:"first_byte"`
	Idle      time.Duration `koanf:"idle"`
}

// Log says what the gateway writes to its standard error.
type Log struct {
	Level  string `koanf:"level"`  // debug, info, warn, error
	Format string `koanf:"format"` // text, json
}

// Provider is one account at one AI service, reached through an adapter.
type Provider struct {
	Adapter     Adapter      `koanf:"adapter"`
	Config      Settings     `koanf:"config"` // the adapter's own, checked by its schema
	Hosts       []string     `koanf:"hosts"`  // where its credentials may go
	Credentials []Credential `koanf:"credentials"`
	Timeouts    Timeouts     `koanf:"timeouts"`
	Isolation   Isolation    `koanf:"isolation"`
	// ClientGone says what becomes of a streamed answer whose caller has left:
	// "cancel" (default) ends it, "drain" reads it on, so that its bill is
	// known, for at most DrainLimit.
	ClientGone string        `koanf:"client_gone"`
	DrainLimit time.Duration `koanf:"drain_limit"` // default 30s
	Probe      Probe         `koanf:"probe"`
	// Propagate tells the service which trace a request is part of.
	Propagate bool `koanf:"propagate"`
}

// Adapter names the program that knows a service: by the name of one in the
// plugin folder, or by path. A sha256 pins the one file that may run.
type Adapter struct {
	Name    string
	Version string // of an installed one, as in name@version; "": the one in use
	Path    string
	SHA256  string // hex, "": not pinned
}

// Credential is one secret of a provider. Several share the requests by weight.
type Credential struct {
	Name   string  `koanf:"name"`
	Value  Secret  `koanf:"value"`
	Weight *uint32 `koanf:"weight"` // nil: 1; 0: it serves when no other can
}

// Share is the credential's weight.
func (c Credential) Share() int {
	if c.Weight == nil {
		return 1
	}
	return int(*c.Weight)
}

// Model is an alias that callers may ask for.
type Model struct {
	Targets []Target   `koanf:"targets"`
	Route   string     `koanf:"route"`   // of routes, "": the built-in order
	Filters []string   `koanf:"filters"` // of filters, beside what policy requires
	Rules   []Rule     `koanf:"rules"`   // the first that holds says where requests go
	Hold    Hold       `koanf:"hold"`
	Mirror  Mirror     `koanf:"mirror"`
	Cache   ModelCache `koanf:"cache"`
	// Share and Gather say whether the model takes part, nil: as others do.
	Share  *bool `koanf:"share"`
	Gather *bool `koanf:"gather"`
}

// Target is one of the models behind an alias.
type Target struct {
	Model    string   `koanf:"model"` // provider/model
	Weight   uint32   `koanf:"weight"`
	Priority *uint32  `koanf:"priority"` // lower is tried first; never nil once loaded
	Region   string   `koanf:"region"`
	Tags     []string `koanf:"tags"`
	Quality  float64  `koanf:"quality"`
	// MaxInFlight bounds the requests that are there at a time, 0: it is not bounded.
	MaxInFlight uint32 `koanf:"max_in_flight"`
}

// Split returns the provider's name and its name of the model.
func (t Target) Split() (provider, model string) {
	provider, model, _ = strings.Cut(t.Model, "/")
	return provider, model
}

// Route is a routing module under the name that models refer to it by.
type Route struct {
	Module string   `koanf:"module"` // "builtin:<name>" or the path of a .wasm file
	SHA256 string   `koanf:"sha256"`
	Config Settings `koanf:"config"`
	// OnError says what becomes of a request whose plan the module fails to
	// make: "builtin" (default), the built-in order; "refuse".
	OnError string `koanf:"on_error"`

	File string `koanf:"-"` // where Module lies
}

// Budgeting says what happens where a worst case cannot be priced.
type Budgeting struct {
	// Unpriced is what a model without a price means where a money budget
	// applies: "refuse" or "allow".
	Unpriced string `koanf:"unpriced"`
	// UnboundedUSD is reserved for content whose size or price cannot be read
	// from the request, zero: such requests are refused under a money budget.
	UnboundedUSD USD `koanf:"unbounded_usd"`
}

// Price overrides the shipped catalogue, in dollars. Of tokens, input and
// output come together; what is left out of the others costs what they do.
type Price struct {
	Input        *USD  `koanf:"input_per_mtok"`
	Output       *USD  `koanf:"output_per_mtok"`
	CacheRead    *USD  `koanf:"cache_read_per_mtok"`     // default: input
	CacheWrite5m *USD  `koanf:"cache_write_per_mtok"`    // default: input
	CacheWrite1h *USD  `koanf:"cache_write_1h_per_mtok"` // default: cache_write
	Reasoning    *USD  `koanf:"reasoning_per_mtok"`      // default: output
	AudioInput   *USD  `koanf:"audio_input_per_mtok"`    // default: input
	AudioOutput  *USD  `koanf:"audio_output_per_mtok"`   // default: output
	ImageInput   *USD  `koanf:"image_input_per_mtok"`    // default: input
	ImageOutput  *USD  `koanf:"image_output_per_mtok"`   // default: output
	Characters   *USD  `koanf:"per_mchar"`               // of text spoken, per million
	Hour         *USD  `koanf:"per_hour"`                // of audio
	Image        *USD  `koanf:"per_image"`
	Pages        *USD  `koanf:"per_1k_pages"`
	Searches     *USD  `koanf:"per_1k_searches"`
	Request      *USD  `koanf:"per_request"` // beside the rest
	Context      int64 `koanf:"context"`     // tokens
	MaxOutput    int64 `koanf:"max_output"`  // tokens
}

// Resolve fills what was left out.
func (p Price) Resolve() *call.Price {
	or := func(v *USD, def int64) int64 {
		if v == nil {
			return def
		}
		return int64(*v)
	}
	r := call.Price{Input: or(p.Input, 0), Output: or(p.Output, 0), CacheRead: or(p.CacheRead, -1), CacheWrite5m: or(p.CacheWrite5m, -1),
		CacheWrite1h: or(p.CacheWrite1h, -1), Reasoning: or(p.Reasoning, -1), AudioInput: or(p.AudioInput, -1), AudioOutput: or(p.AudioOutput, -1),
		ImageInput: or(p.ImageInput, -1), ImageOutput: or(p.ImageOutput, -1), CacheReadAudio: -1, CacheReadImage: -1,
		Characters: or(p.Characters, 0), Hour: or(p.Hour, 0), Image: or(p.Image, 0), Pages: or(p.Pages, 0), Searches: or(p.Searches, 0),
		Request: or(p.Request, 0), Context: p.Context, MaxOutput: p.MaxOutput}
	return r.Filled()
}

// ofTokens are the rates of tokens, others those of anything else.
func (p Price) ofTokens() []*USD {
	return []*USD{p.Input, p.Output, p.CacheRead, p.CacheWrite5m, p.CacheWrite1h, p.Reasoning, p.AudioInput, p.AudioOutput, p.ImageInput, p.ImageOutput}
}

func (p Price) others() []*USD {
	return []*USD{p.Characters, p.Hour, p.Image, p.Pages, p.Searches, p.Request}
}

// PriceOverrides are the prices that replace those of the shipped catalogue, by target.
func (c *Config) PriceOverrides() map[string]*call.Price {
	m := make(map[string]*call.Price, len(c.Prices))
	for name, p := range c.Prices {
		m[name] = p.Resolve()
	}
	return m
}

// Key is a virtual key written in the configuration: for development, as its
// secret lies beside everything else.
type Key struct {
	Name    string            `koanf:"name"`
	Value   Secret            `koanf:"value"`
	Org     string            `koanf:"org"`
	Project string            `koanf:"project"`
	Team    string            `koanf:"team"`
	User    string            `koanf:"user"`
	Env     string            `koanf:"env"`
	Roles   []string          `koanf:"roles"`
	Attrs   map[string]string `koanf:"attrs"`
	Budgets []Limit           `koanf:"budgets"`
	Rates   []Limit           `koanf:"rates"`
	Scope   call.Scope        `koanf:"scope"`
	Expires time.Time         `koanf:"expires"`
}

// ID is the public part of a key of the configuration.
func (k Key) ID() string { return "config-" + k.Name }

// Principal is who the key stands for.
func (k Key) Principal() *call.Principal {
	p := &call.Principal{KeyID: k.ID(), KeyName: k.Name, Org: k.Org, Project: k.Project, Team: k.Team,
		User: k.User, Env: k.Env, Roles: k.Roles, Attrs: k.Attrs, Expires: k.Expires}
	for _, l := range slices.Concat(k.Rates, k.Budgets) {
		l.Scope = "key/" + k.ID()
		p.Budgets = append(p.Budgets, call.Limit(l))
	}
	if p.Auth, p.Limits = "key", p.Budgets; !k.Scope.Empty() {
		p.Scope = new(k.Scope)
	}
	return p
}
