package config

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"
	"time"
)

// MCP names the tool servers that callers reach at /mcp. Commands come from
// here alone, never from a request or the admin API.
type MCP struct {
	Servers map[string]MCPServer `koanf:"servers"`
	Timeout time.Duration        `koanf:"timeout"` // of one call
	// MaxResult bounds what a server may send at once.
	MaxResult Size `koanf:"max_result"`
	// Parallel is how many calls a server may have at once.
	Parallel int `koanf:"parallel"`
	// Hosts are the names that callers reach /mcp by, none: any but for callers
	// on this machine. Origins are those of pages in browsers that may call it.
	Hosts   []string `koanf:"hosts"`
	Origins []string `koanf:"origins"`
}

// MCPServer is one tool server: a command that the gateway runs, or a URL.
type MCPServer struct {
	Command []string          `koanf:"command"`
	Env     map[string]Secret `koanf:"env"` // all that its environment holds
	Dir     string            `koanf:"dir"`

	URL     string            `koanf:"url"`
	Headers map[string]Secret `koanf:"headers"`
	// Hosts are where its requests may go; default: the URL's host, if its
	// address is a public one. Private addresses count where they are listed.
	Hosts []string `koanf:"hosts"`

	Tools    []string       `koanf:"tools"` // names or beginnings with * of those that are offered; none: all
	PriceUSD USD            `koanf:"price_usd"`
	Prices   map[string]USD `koanf:"prices_usd"` // of tools, over price_usd
	Timeout  time.Duration  `koanf:"timeout"`    // over mcp.timeout
	Parallel int            `koanf:"parallel"`   // over mcp.parallel
	Filters  []string       `koanf:"filters"`    // beside what policy requires
}

var (
	serverName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)
	envName    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	toolHeader = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]*$`)
)

// ownHeaders are those that the protocol or HTTP sets.
var ownHeaders = map[string]bool{"host": true, "content-type": true, "content-length": true, "transfer-encoding": true, "connection": true, "accept": true, "upgrade": true, "te": true, "trailer": true}

func (c *Config) checkMCP(p *problems) {
	m := &c.MCP
	if m.Timeout < time.Second || m.Timeout > time.Hour {
		p.addf("mcp.timeout", "is %s: give 1s to 1h", m.Timeout)
	}
	if m.MaxResult < 64<<10 {
		p.addf("mcp.max_result", "is %d bytes: give at least 64KiB", m.MaxResult)
	}
	if m.Parallel < 1 || m.Parallel > maxParallel {
		p.addf("mcp.parallel", "is %d: give 1 to %d", m.Parallel, maxParallel)
	}
	for i, h := range m.Hosts {
		checkHost(p, fmt.Sprintf("mcp.hosts[%d]", i), h)
		m.Hosts[i] = strings.ToLower(h)
	}
	for i, o := range m.Origins {
		u, err := url.Parse(o)
		if err != nil || u.Scheme == "" || u.Host == "" || u.Path != "" {
			p.addf(fmt.Sprintf("mcp.origins[%d]", i), "%q is not an origin: write it as https://chat.example.com", o)
		}
		m.Origins[i] = strings.ToLower(o)
	}
	for _, name := range sortedKeys(m.Servers) {
		s := m.Servers[name]
		s.check(p, join("mcp.servers", name), name)
		c.checkFilterNames(p, join("mcp.servers", name)+".filters", s.Filters)
	}
}

const maxParallel = 4096

func (s *MCPServer) check(p *problems, at, name string) {
	if !serverName.MatchString(name) {
		p.addf(at, "a tool server's name has lower-case letters, digits and '-', at most 32: its tools are called NAME__tool")
	}
	switch {
	case len(s.Command) == 0 && s.URL == "":
		p.addf(at, "has neither command nor url: give one of them")
	case len(s.Command) > 0 && s.URL != "":
		p.addf(at, "has both command and url: keep one")
	case s.URL == "":
		s.checkCommand(p, at)
	default:
		s.checkURL(p, at)
	}
	for i, pattern := range s.Tools {
		if pattern == "" || strings.Contains(strings.TrimSuffix(pattern, "*"), "*") {
			p.addf(fmt.Sprintf("%s.tools[%d]", at, i), "%q is no pattern: give a tool's name, or how names begin with * behind it", pattern)
		}
	}
	if s.Timeout != 0 && (s.Timeout < time.Second || s.Timeout > time.Hour) {
		p.addf(at+".timeout", "is %s: give 1s to 1h", s.Timeout)
	}
	if s.Parallel < 0 || s.Parallel > maxParallel {
		p.addf(at+".parallel", "is %d: give 1 to %d", s.Parallel, maxParallel)
	}
	if s.PriceUSD < 0 {
		p.addf(at+".price_usd", "is negative")
	}
	for _, tool := range sortedKeys(s.Prices) {
		if s.Prices[tool] < 0 {
			p.addf(join(at+".prices_usd", tool), "is negative")
		}
	}
}

func (s *MCPServer) checkCommand(p *problems, at string) {
	if len(s.Headers)+len(s.Hosts) > 0 {
		p.addf(at, "has headers or hosts, which are for servers with a url: give a command what it needs in env")
	}
	if s.Command[0] == "" {
		p.addf(at+".command", "names no program")
	}
	for i, arg := range s.Command {
		if strings.ContainsRune(arg, 0) {
			p.addf(fmt.Sprintf("%s.command[%d]", at, i), "holds a null byte")
		}
	}
	for _, name := range sortedKeys(s.Env) {
		if !envName.MatchString(name) || strings.ContainsRune(s.Env[name].Reveal(), 0) {
			p.addf(join(at+".env", name), "is not the name and text of a variable")
		}
	}
	if s.Dir != "" && !path.IsAbs(s.Dir) {
		p.addf(at+".dir", "%q is not absolute: the gateway may be started anywhere", s.Dir)
	}
}

func (s *MCPServer) checkURL(p *problems, at string) {
	u, err := url.Parse(s.URL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Fragment != "" {
		p.addf(at+".url", "is not a URL: write it as https://tools.example.com/mcp")
	} else if u.User != nil {
		p.addf(at+".url", "holds a user name: credentials belong in headers")
	}
	if len(s.Env) > 0 || s.Dir != "" {
		p.addf(at, "has env or dir, which are for servers with a command")
	}
	for i, h := range s.Hosts {
		if strings.Contains(h, "/") {
			continue // a network
		}
		checkHost(p, fmt.Sprintf("%s.hosts[%d]", at, i), h)
	}
	for _, name := range sortedKeys(s.Headers) {
		v := s.Headers[name].Reveal()
		if !toolHeader.MatchString(name) || ownHeaders[strings.ToLower(name)] || strings.HasPrefix(strings.ToLower(name), "mcp-") {
			p.addf(join(at+".headers", name), "is not a header that can be set here")
		} else if v == "" || strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r > '~' }) {
			p.addf(join(at+".headers", name), "is empty or holds control or non-ASCII characters: it travels as a header")
		}
	}
}
