package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// full is the documented shape with everything in it.
const full = `
listen: {data: "127.0.0.1:8080", admin: "127.0.0.1:8081"}
admin: {token: "${env:SIGNALBOX_ADMIN_TOKEN}"}
store: {url: "sqlite:signalbox.db"}
providers:
  openai:
    adapter: openai
    config: {base_url: "https://api.openai.com/v1"}
    hosts: [api.openai.com]
    credentials: [{name: main, value: "${env:OPENAI_API_KEY}"}]
  anthropic: {adapter: anthropic, credentials: [{name: main, value: "${env:ANTHROPIC_API_KEY:-sk-none}"}]}
  own: {adapter: {path: ./own, sha256: 00e0d1b2c3a4958677665544332211ffeeddccbbaa998877665544332211000f}, timeouts: {first_byte: 90s}}
models:
  fast: {targets: [{model: openai/gpt-4.1-mini}, {model: anthropic/claude-haiku-4-5}], route: priority}
  shared: {targets: [{model: openai/gpt-4o, weight: 3}, {model: openai/gpt-4.1}, {model: own/x, priority: 2, tags: [eu], region: eu-west}]}
routes: {priority: {module: "builtin:priority"}}
policy: {bundle: policies}
prices: {"openai/my-finetune-1.5": {input_per_mtok: 0.3, output_per_mtok: 1.2}, own/whisper: {per_hour: 0.36}}
prices_files: [./prices.json]
keys: [{name: dev, value: "${env:SIGNALBOX_DEV_KEY}", team: core, budgets: [{usd: 5, window: day}, {usd: "0.000000001", window: {unit: week, size: 2, tz: Europe/Berlin}}]}]
`

var fullEnv = []string{"OPENAI_API_KEY=sk-openai-secret", "SIGNALBOX_DEV_KEY=dev-secret"}

// loadText loads text as a file would be.
func loadText(text string, env ...string) (*Config, error) {
	return load(Sources{File: "signalbox.yaml", Env: env, Home: "/opt/signalbox"}, []byte(text))
}

func mustLoad(t *testing.T, text string, env ...string) *Config {
	t.Helper()
	c, err := loadText(text, env...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLoadFullShape(t *testing.T) {
	c := mustLoad(t, full, fullEnv...)
	f := func(name string, got, want any) {
		t.Helper()
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s = %v; want %v", name, got, want)
		}
	}
	f("credential", c.Providers["openai"].Credentials[0].Value.Reveal(), "sk-openai-secret")
	f("credential with default", c.Providers["anthropic"].Credentials[0].Value.Reveal(), "sk-none")
	f("admin token", c.Admin.Token.Reveal(), "")
	f("adapter path", c.Providers["own"].Adapter.Path, "./own")
	f("base url", c.Providers["openai"].Config["base_url"], "https://api.openai.com/v1")
	f("timeout", c.Providers["own"].Timeouts.FirstByte, 90*time.Second)
	f("attempts", c.Limits.Attempts, 3)
	f("max body", int64(c.Limits.MaxBody), 64<<20)
	f("route file", c.Routes["priority"].File, "/opt/signalbox/plugins/routes/priority.wasm")
	f("plugin dir", c.Plugins.Dir, "/opt/signalbox/plugins")
	f("price", *c.Prices["openai/my-finetune-1.5"].Resolve(),
		call.Price{Input: 3e8, CacheRead: 3e8, CacheWrite5m: 3e8, CacheWrite1h: 3e8, Output: 12e8, Reasoning: 12e8,
			AudioInput: 3e8, AudioOutput: 12e8, ImageInput: 3e8, ImageOutput: 12e8, CacheReadAudio: 3e8, CacheReadImage: 3e8})
	f("price of sound", *c.Prices["own/whisper"].Resolve(), call.Price{Hour: 36e7})
	f("price files", c.PriceFiles[0], "./prices.json")
	p := c.Keys[0].Principal()
	f("key id", p.KeyID, "config-dev")
	f("team", p.Team, "core")
	f("budget", p.Budgets[0], call.Limit{Scope: "key/config-dev", Window: call.Window{Unit: "day", Size: 1}, Max: 5e9})
	f("second budget", p.Budgets[1], call.Limit{Scope: "key/config-dev", Window: call.Window{Unit: "week", Size: 2, TZ: "Europe/Berlin"}, Max: 1})
}

func TestTargetsWithoutNumbersAreTriedAsWritten(t *testing.T) {
	c := mustLoad(t, full, fullEnv...)
	f := func(model string, priorities, weights []uint32) {
		t.Helper()
		for i, target := range c.Models[model].Targets {
			if *target.Priority != priorities[i] || target.Weight != weights[i] {
				t.Errorf("%s target %d has priority %d weight %d; want %d %d", model, i, *target.Priority, target.Weight, priorities[i], weights[i])
			}
		}
	}
	f("fast", []uint32{0, 1}, []uint32{1, 1})
	f("shared", []uint32{0, 0, 2}, []uint32{3, 1, 1})
}

func TestLayers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "signalbox.yaml")
	if err := os.WriteFile(file, []byte("providers: {demo: {adapter: demo}}\nlimits: {attempts: 4, max_body: 1MiB, deadline: 20s}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(Sources{
		File:  file,
		Env:   []string{"SIGNALBOX_LIMITS_ATTEMPTS=5", "SIGNALBOX_LIMITS_MAX_BODY=2MiB", "SIGNALBOX_POLICY_WATCH=false"},
		Flags: map[string]any{"limits.attempts": 6, "listen.data": "127.0.0.1:9000"},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintln(c.Limits.Attempts, c.Limits.MaxBody, c.Limits.Deadline, c.Limits.Drain, c.Listen.Data, c.Listen.Admin, c.Policy.Watch)
	if want := "6 2097152 20s 30s 127.0.0.1:9000 127.0.0.1:8081 false\n"; got != want {
		t.Errorf("got %s; want %s", got, want)
	}
}

func TestLoadsAreIndependent(t *testing.T) {
	one := mustLoad(t, full, fullEnv...)
	two := mustLoad(t, "providers: {demo: {adapter: demo}}")
	if len(one.Providers) != 3 || len(two.Providers) != 1 || len(two.Keys) != 0 {
		t.Errorf("a later load holds %d providers and %d keys of an earlier one", len(two.Providers), len(two.Keys))
	}
}

func TestEmbeddedDefault(t *testing.T) {
	c, err := Load(Sources{Env: []string{"GROQ_API_KEY=gsk-1", "ANTHROPIC_API_KEY="}})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Providers) != 2 || c.Providers["demo"].Adapter.Name != "demo" || c.Providers["groq"].Config["preset"] != "groq" {
		t.Errorf("providers are %v; want demo and groq", c.Providers)
	}
	if want := []Detected{{"groq", "GROQ_API_KEY is set"}}; fmt.Sprint(c.Detected) != fmt.Sprint(want) {
		t.Errorf("detected %v; want %v", c.Detected, want)
	}
}

func TestProblemsNameFieldAndRemedy(t *testing.T) {
	// demo is one provider, so that only the line under test is wrong.
	f := func(text string, want ...string) {
		t.Helper()
		if !strings.Contains(text, "providers:") {
			text += "\nproviders: {demo: {adapter: demo}}"
		}
		_, err := loadText(text, "EMPTY=")
		var list *Error
		if !errors.As(err, &list) {
			t.Errorf("%s: got %v; want problems", text, err)
			return
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s:\n got %v\nwant %s", text, err, w)
			}
		}
	}
	f(`lisen: {}`, `lisen: unknown key "lisen", did you mean "listen"?`)
	f(`listen: {dta: x}`, `listen.dta: unknown key "dta", did you mean "data"?`)
	f(`keys: [{name: a, value: bcdefgh, budgets: [{usd: 1, windw: day}]}]`, `keys[0].budgets[0]`, `did you mean "window"?`)
	f(`zzzzzzzzz: 1`, `known here: listen, admin`)
	f(`providers: {demo: {adaptor: demo}}`, `providers.demo.adaptor`, `did you mean "adapter"?`)
	f(`providers: {o: {adapter: openai, credentials: [{name: main, value: "${env:OPENAI_API_KEY}"}]}}`,
		`providers.o.credentials[0].value: environment variable is not set: OPENAI_API_KEY; set it`)
	f(`providers: {o: {adapter: openai, credentials: [{name: main, value: "${env:EMPTY}"}]}}`, `providers.o.credentials[0].value: is empty`)
	f(`providers: {o: {adapter: openai, credentials: [{name: main, value: "${file:/does/not/exist}"}]}}`, `/does/not/exist: no such file`)
	f(`providers: {o: {adapter: openai, credentials: [{name: main, value: "${nope:x}"}]}}`, `unknown reference ${nope:x}`)
	f(`providers: {o: {adapter: openai, credentials: [{name: main, value: "a b"}]}}`, `holds spaces`)
	f(`providers: {o: {adapter: openai, hosts: ["https://api.openai.com"]}}`, `providers.o.hosts[0]`, `is not a host name`)
	f(`providers: {o: {adapter: {path: x, sha256: abcd}}}`, `providers.o.adapter.sha256`, `sha256sum`)
	f(`providers: {o: {adapter: {path: x, sha: abcd}}}`, `providers.o.adapter`, `did you mean "sha256"?`)
	f(`providers: {o: {}}`, `providers.o.adapter: is missing`)
	f("providers: {}", `providers: there is none`)
	f(`models: {fast: {targets: [{model: dmo/x}]}}`, `models.fast.targets[0].model: there is no provider "dmo", did you mean "demo"?`)
	f(`models: {fast: {targets: [{model: gpt}]}}`, `is not provider/model`)
	f(`models: {fast: {targets: [{model: demo/x}], route: prioriti}}`, `models.fast.route`, `did you mean "priority"?`)
	f(`models: {a/b: {targets: [{model: demo/x}]}}`, `models["a/b"]`, `always provider/model`)
	f(`models: {fast: {targets: []}}`, `has 0 targets`)
	f(`prices: {"demo/x.y": {input_per_mtok: 0.3}}`, `prices["demo/x.y"]: needs input_per_mtok and output_per_mtok`)
	f(`prices: {"demo/x": {audio_input_per_mtok: 0.3, per_hour: 1}}`, `prices["demo/x"]: needs input_per_mtok and output_per_mtok`)
	f(`prices: {"demo/x": {per_image: 5000}}`, `is more than 1000 dollars`)
	f(`prices: {"demo/x": {input_per_mtok: -1, output_per_mtok: 1}}`, `prices["demo/x"].input_per_mtok: not a decimal number`)
	f(`prices: {"demo/x": {input_per_mtok: 5000, output_per_mtok: 1}}`, `is more than 1000 dollars`)
	f(`keys: [{name: a, value: bcdefgh, budgets: [{usd: 1}]}]`, `keys[0].budgets[0]: give window`)
	f(`keys: [{name: a, value: bcdefgh, budgets: [{usd: 1, window: dya}]}]`, `the window's unit is "dya"`)
	f(`keys: [{name: a, value: bcdefgh, budgets: [{usd: 1, window: {unit: day, tz: Mars/Base}}]}]`, `time zone is "Mars/Base"`)
	f(`keys: [{name: a, value: bcdefgh, budgets: [{usd: 1234567890.1234567, window: day}]}]`, `put the amount in quotes`)
	f(`keys: [{name: a, value: 123456, budgets: []}]`, `keys[0].value: must be text: put it in quotes`)
	f(`keys: [{name: a, value: same-key}, {name: b, value: same-key}]`, `is the same as that of key "a"`)
	f(`keys: [{name: a, value: one-key}, {name: a, value: two-key}]`, `"a" is used twice`)
	f(`limits: {attempts: 0, deadline: 1ms, max_body: 1}`, `limits.attempts: is 0`, `limits.deadline: is 1ms`, `limits.max_body: is 1 bytes`)
	f("filters: {pii: {module: 'builtin:pii'}}\nmcp: {servers: {a: {url: 'https://a.example/mcp', filters: [pi]}}}", `mcp.servers.a.filters[0]: there is no filter "pi", did you mean "pii"`)
	f(`limits: {max_upload: 100GiB}`, `limits.max_upload: is 107374182400 bytes`)
	f(`pass_through: [nobody]`, `pass_through[0]: there is no provider "nobody"`)
	f(`limits: {deadline: 10, max_body: many}`, `limits.deadline: must be a duration`, `limits.max_body: not a size`)
	f(`providers: {pipeline: {adapter: demo}}`, `providers.pipeline: is what the names of pipelines`)
	f(`log: {level: loud}`, `log.level: is "loud": give one of debug`)
	f(`store: {url: "mysql://x"}`, `store.url`)
	f(`store: {url: "sqlite:a.db", dir: x}`, `store.dir`)
	f(`store: {url: "postgres://u:p w%@h/db"}`, `store.url`)
	f(`store: {url: "postgres://u:p@h/db"}`, `secrets.key`)
	f(`store: {poll: 1ms}`, `store.poll`)
	f(`store: {timeout: 1h}`, `store.timeout`)
	f(`store: {connections: 1}`, `store.connections`)
	f(`store: {node: "a b"}`, `store.node`)
	f(`listen: {data: "8080"}`, `listen.data: "8080" is not an address and port`)
	f(`listen: {data: "127.0.0.1:1", admin: "127.0.0.1:1"}`, `listen.admin: is the same`)
	f(`policy: {bundle: ""}`, `policy.bundle: is empty`)
	f(`policy: {bundle: "builtin:strict"}`, `write builtin:default`)
	f(`listen: 5`, `listen: must be a mapping`)
	f(`keys: {}`, `keys: must be a list`)
}

func TestFilesThatAreNotOneMapping(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if _, err := loadText(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v; want %q", text, err, want)
		}
	}
	f("- a\n- b\n", "not a mapping")
	f("a: 1\n---\nb: 2\n", "more than one YAML document")
	f("listen: {}\nlisten: {}\n", "already defined")
	f("a: [\n", "yaml:")
	if _, err := Load(Sources{File: "/does/not/exist.yaml"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: got %v", err)
	}
}

func TestVariablesThatSetNothing(t *testing.T) {
	demo := "providers: {demo: {adapter: demo}}"
	if _, err := loadText(demo, "SIGNALBOX_LISTEN_DATE=x"); err == nil || !strings.Contains(err.Error(), `did you mean "SIGNALBOX_LISTEN_DATA"?`) {
		t.Errorf("a slip in a section's field: got %v", err)
	}
	c := mustLoad(t, demo, "SIGNALBOX_SERVICE_HOST=10.0.0.1", "SIGNALBOX_ADMIN_SERVICE_PORT=1", "SIGNALBOX_WHATEVER=1", "SIGNALBOX_CONFIG=x")
	if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "SIGNALBOX_WHATEVER") {
		t.Errorf("warnings are %q; want one, of SIGNALBOX_WHATEVER", c.Warnings)
	}
	c = mustLoad(t, `keys: [{name: dev, value: "${env:SIGNALBOX_DEV_KEY}"}]`+"\n"+demo, "SIGNALBOX_DEV_KEY=abcdefgh")
	if len(c.Warnings) != 0 {
		t.Errorf("warnings are %q; want none: the variable is referred to", c.Warnings)
	}
}

func TestReferences(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(text, want string) {
		t.Helper()
		c := mustLoad(t, fmt.Sprintf(`providers: {demo: {adapter: demo, config: {list: [{deep: %q}]}}}`, text), "A=x", "B=${env:A}", "E=")
		got := c.Providers["demo"].Config["list"].([]any)[0].(map[string]any)["deep"]
		if got != want {
			t.Errorf("%s resolves to %v; want %s", text, got, want)
		}
	}
	f("plain", "plain")
	f("${env:A}", "x")
	f("a-${env:A}-${env:NONE:-d}", "a-x-d")
	f("${env:E:-d}", "d")
	f("${env:NONE:-}", "")
	f("${env:B}", "${env:A}") // what a variable holds is not looked into
	f("$${env:A}", "${env:A}")
	f("$5 {x}", "$5 {x}")
	f("${file:"+secret+"}", "from-file")
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	c := mustLoad(t, full, "OPENAI_API_KEY=very-secret", "SIGNALBOX_DEV_KEY=dev-very-secret")
	c.Providers["openai"].Config["token"] = "very-secret"
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var logged strings.Builder
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "config", c, "value", c.Keys[0].Value, "settings", c.Providers["openai"].Config)
	for _, out := range []string{fmt.Sprint(c), fmt.Sprintf("%+v %#v", c, c), string(asJSON), logged.String(), fmt.Sprintf("%s %q %x %v", c.Keys[0].Value, c.Keys[0].Value, c.Keys[0].Value, c.Keys)} {
		if strings.Contains(out, "very-secret") {
			t.Errorf("a secret is printed: %s", out)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(full))
	f.Add(embeddedYAML)
	f.Add([]byte("a: &a [*a]\nlisten: {data: \"${env:X:-1}\"}"))
	f.Add([]byte("prices: {\"a/b\": {input_per_mtok: 1e-9, output_per_mtok: .inf}}\n1: 2"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if strings.Contains(string(raw), "${file:") {
			return // reads this machine's files
		}
		c, err := load(Sources{File: "f", Env: fullEnv, Home: "/opt"}, raw)
		if (c == nil) == (err == nil) {
			t.Fatalf("got %v and %v; want exactly one", c, err)
		}
	})
}

func TestLoadAdminNeedsNothingElse(t *testing.T) {
	file := filepath.Join(t.TempDir(), "signalbox.yaml")
	if err := os.WriteFile(file, []byte(full), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := LoadAdmin(Sources{File: file, Env: []string{"SIGNALBOX_ADMIN_TOKEN=from-the-environment"}})
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen.Admin != "127.0.0.1:8081" || c.Admin.Token.Reveal() != "from-the-environment" || c.Store.Dir() != "." {
		t.Errorf("got %v %q %q", c.Listen, c.Admin.Token.Reveal(), c.Store.Dir())
	}
}
