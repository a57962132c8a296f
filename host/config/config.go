package config

import (
	"path/filepath"
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
	Plugins   Plugins             `koanf:"plugins"`
	Limits    Limits              `koanf:"limits"`
	Timeouts  Timeouts            `koanf:"timeouts"`
	Log       Log                 `koanf:"log"`
	Providers map[string]Provider `koanf:"providers"`
	Models    map[string]Model    `koanf:"models"`
	Routes    map[string]Route    `koanf:"routes"`
	Policy    Policy              `koanf:"policy"`
	Budget    Budgeting           `koanf:"budget"`
	Prices    map[string]Price    `koanf:"prices"`
	// PriceFiles are price lists in the shape of LiteLLM's or of models.dev's,
	// over the shipped ones and under Prices; of two the later wins.
	PriceFiles []string `koanf:"prices_files"`
	Keys       []Key    `koanf:"keys"`
	// PassThrough names the providers whose own API callers may use under
	// /v1/pass/{provider}/…
	PassThrough []string `koanf:"pass_through"`
}

// Listen holds the addresses that are served.
type Listen struct {
	Data  string `koanf:"data"`
	Admin string `koanf:"admin"`
	TLS   TLS    `koanf:"tls"`
}

// TLS makes the data address speak TLS when both files are given.
type TLS struct {
	Cert string `koanf:"cert"`
	Key  string `koanf:"key"`
}

// Admin guards the admin API.
type Admin struct {
	// Token is what callers of /admin/… show as Bearer, "": to be made and kept beside the store.
	Token Secret `koanf:"token"`
}

// Store says where state is kept.
type Store struct {
	URL string `koanf:"url"` // "sqlite:path"
}

// Dir is the folder that holds the store, its journal, pools and kept secrets.
func (s Store) Dir() string { return filepath.Dir(s.File()) }

// File is the path of the SQLite file.
func (s Store) File() string { return strings.TrimPrefix(s.URL, "sqlite:") }

// Secrets says how secrets are kept, and kept up to date.
type Secrets struct {
	// Key encrypts the credentials that the store holds, "": one is made and
	// kept beside the store.
	Key Secret `koanf:"key"`
	// Refresh is how often references to a vault are read again.
	Refresh time.Duration `koanf:"refresh"`
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
	Targets []Target `koanf:"targets"`
	Route   string   `koanf:"route"` // of routes, "": the built-in order
}

// Target is one of the models behind an alias.
type Target struct {
	Model    string   `koanf:"model"` // provider/model
	Weight   uint32   `koanf:"weight"`
	Priority *uint32  `koanf:"priority"` // lower is tried first; never nil once loaded
	Region   string   `koanf:"region"`
	Tags     []string `koanf:"tags"`
	Quality  float64  `koanf:"quality"`
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

	File string `koanf:"-"` // where Module lies
}

// Policy says which bundle governs requests.
type Policy struct {
	Bundle string `koanf:"bundle"` // a folder or .tar.gz, "builtin:default" for the shipped one
	Watch  bool   `koanf:"watch"`  // reload when its files change

	Path string `koanf:"-"` // where Bundle lies
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
	Budgets []Budget          `koanf:"budgets"`
	Expires time.Time         `koanf:"expires"`
}

// Budget is what a key may spend within a window.
type Budget struct {
	USD    USD    `koanf:"usd"`
	Window Window `koanf:"window"`
}

// ID is the public part of a key of the configuration.
func (k Key) ID() string { return "config-" + k.Name }

// Principal is who the key stands for.
func (k Key) Principal() *call.Principal {
	p := &call.Principal{KeyID: k.ID(), KeyName: k.Name, Org: k.Org, Project: k.Project, Team: k.Team,
		User: k.User, Env: k.Env, Roles: k.Roles, Attrs: k.Attrs, Expires: k.Expires}
	for _, b := range k.Budgets {
		p.Budgets = append(p.Budgets, call.Limit{Scope: "key/" + k.ID(), Unit: call.UnitUSD, Window: call.Window(b.Window), Max: int64(b.USD)})
	}
	return p
}
