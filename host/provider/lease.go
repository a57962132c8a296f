package provider

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/provider/egress"
	"github.com/signalbox-ai/signalbox/sdk/provider/proto"
	pb "github.com/signalbox-ai/signalbox/sdk/provider/proto/v1"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Bounds of what an adapter may claim in one set of leases.
const (
	maxLeases  = 64
	maxHeaders = 32
	maxEntries = 4096
	maxText    = 4096
	maxTTL     = 24 * time.Hour
	defaultTTL = time.Minute
)

// leaseRules are what leases of one process are checked against.
type leaseRules struct {
	hosts     *egress.Hosts
	socketDir string
	process   *call.Process
	keyless   bool // the provider has no credentials: headers for them are left out
}

// leased is a lease that was accepted.
type leased struct {
	claim    *pb.Lease
	endpoint *call.Endpoint
	expires  time.Time // of a direct lease, unless it is renewed
}

// endpoint checks a lease and turns it into an endpoint without a transport.
// It returns nil for an operation or dialect that this host does not know.
func (r *leaseRules) endpoint(l *pb.Lease) (*call.Endpoint, error) {
	op, dialect := wire.ParseOp(l.GetOperation()), wire.ParseDialect(l.GetDialect())
	if op == wire.OpNone || dialect == wire.NoDialect {
		return nil, nil
	}
	e := &call.Endpoint{Op: op, Dialect: dialect, Models: l.GetModels(), PassHeaders: l.GetPassHeaders(),
		StreamUsage: l.GetStreamUsage(), MaxTokens: l.GetMaxTokensMember()}
	err := r.check(e, l)
	if err != nil {
		return nil, fmt.Errorf("cannot accept lease %q: %w", l.GetOperation()+"/"+l.GetDialect(), err)
	}
	return e, nil
}

func (r *leaseRules) check(e *call.Endpoint, l *pb.Lease) (err error) {
	if (l.GetUrl() == "") == (l.GetSocket() == "") {
		return fmt.Errorf("want one of url and socket")
	}
	if l.GetSocket() != "" {
		err = r.unix(e, l.GetSocket())
	} else {
		err = r.direct(e, l.GetUrl())
		if err == nil && l.GetStreamUrl() != "" {
			err = r.streams(e, l.GetStreamUrl())
		}
	}
	if err == nil {
		err = r.headers(e, l)
	}
	if err == nil {
		err = tables(e, l)
	}
	return err
}

// unix accepts a socket in the adapter's own folder, nothing else: another
// path could be the socket of anything on this machine.
func (r *leaseRules) unix(e *call.Endpoint, socket string) error {
	if filepath.Dir(socket) != r.socketDir {
		return fmt.Errorf("socket %q is not in the adapter's folder", clip(socket))
	}
	info, err := os.Lstat(socket)
	if err != nil || info.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("socket %q is not a unix socket", clip(socket))
	}
	e.Network, e.Addr, e.Host = "unix", socket, "adapter"
	e.Path, e.Process = proto.Path(e.Op, e.Dialect), r.process
	return nil
}

func (r *leaseRules) direct(e *call.Endpoint, raw string) error {
	uri := requestURI(raw)
	u, err := url.Parse(strings.TrimSuffix(raw, "{path}")) // which may follow the host at once
	if err != nil || len(raw) > maxText {
		return fmt.Errorf("url %q is not one", clip(raw))
	}
	if u.Fragment != "" || u.Opaque != "" || !visible(raw) {
		return fmt.Errorf("url %q: want https://host/path without a fragment, spaces or control characters", clip(raw))
	}
	if err := r.hosts.Check(u); err != nil {
		return err
	}
	host, port := strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")), u.Port()
	e.Network, e.TLS, e.Path, e.Host = "tcp", u.Scheme == "https", uri, host
	if err := placeholders(e.Path); err != nil {
		return fmt.Errorf("url %q: %w", clip(raw), err)
	}
	standard := map[bool]string{true: "443", false: "80"}[e.TLS]
	if port == "" {
		port = standard
	}
	e.Addr = net.JoinHostPort(host, port)
	if port != standard || strings.Contains(host, ":") {
		e.Host = e.Addr
	}
	allowed := r.hosts.AllowIP(u.Hostname())
	e.AllowIP = func(ip [16]byte) bool { return allowed(netip.AddrFrom16(ip)) }
	return nil
}

// streams accepts the URL of requests whose answer streams: another path of
// the same place.
func (r *leaseRules) streams(e *call.Endpoint, raw string) error {
	s := &call.Endpoint{}
	if err := r.direct(s, raw); err != nil {
		return err
	}
	if s.Addr != e.Addr || s.TLS != e.TLS {
		return fmt.Errorf("stream_url %q is of another host than url", clip(raw))
	}
	e.StreamPath = s.Path
	return nil
}

// requestURI is what of a URL goes into a request line, as it is written: a
// parser would escape its placeholders.
func requestURI(raw string) string {
	_, rest, _ := strings.Cut(raw, "://")
	i := strings.IndexAny(rest, "/?")
	switch {
	case i < 0 && strings.HasSuffix(rest, "{path}"):
		return "{path}"
	case i < 0:
		return "/"
	case rest[i] == '?':
		return "/" + rest[i:]
	}
	return rest[i:]
}

// placeholders checks that what stands in braces is known.
func placeholders(path string) error {
	left := strings.NewReplacer("{model}", "", "{path}", "").Replace(path)
	if strings.ContainsAny(left, "{}") {
		return fmt.Errorf("only {model} and {path} may stand in braces")
	}
	if i := strings.Index(path, "{path}"); i >= 0 && i+len("{path}") != len(path) {
		return fmt.Errorf("{path} must be the end")
	}
	return nil
}

// framing are the headers that only the host itself may write.
var framing = map[string]bool{
	"host": true, "content-length": true, "transfer-encoding": true, "connection": true, "te": true,
	"trailer": true, "upgrade": true, "keep-alive": true, "expect": true, "proxy-authorization": true,
	"proxy-connection": true, "content-encoding": true, "accept-encoding": true,
	"content-type": true, "user-agent": true, // the host writes these as well
}

// callers are the headers that hold a caller's own secrets.
var callers = map[string]bool{
	"authorization": true, "x-api-key": true, "x-goog-api-key": true, "api-key": true, "cookie": true,
	"x-forwarded-for": true, "forwarded": true,
}

func (r *leaseRules) headers(e *call.Endpoint, l *pb.Lease) error {
	if len(l.GetHeaders()) > maxHeaders || len(l.GetPassHeaders()) > maxHeaders {
		return fmt.Errorf("more than %d headers", maxHeaders)
	}
	secret := map[string]bool{}
	for _, h := range l.GetHeaders() {
		name := strings.ToLower(h.GetName())
		switch {
		case !token(h.GetName()), framing[name], strings.HasPrefix(name, "x-signalbox-"):
			return fmt.Errorf("header %q may not be set by an adapter", clip(h.GetName()))
		case !fieldValue(h.GetPrefix()), !fieldValue(h.GetSuffix()):
			return fmt.Errorf("header %q holds a line break or is too long", h.GetName())
		}
		if secret[name] = h.GetCredential(); h.GetCredential() && r.keyless {
			continue
		}
		e.Headers = append(e.Headers, call.HeaderTemplate{Name: h.GetName(), Prefix: h.GetPrefix(), Suffix: h.GetSuffix(), Credential: h.GetCredential()})
	}
	for _, name := range l.GetPassHeaders() {
		lower := strings.ToLower(name)
		if !token(name) || framing[lower] || callers[lower] || secret[lower] || strings.HasPrefix(lower, "x-signalbox-") {
			return fmt.Errorf("header %q of the caller may not be passed on", clip(name))
		}
	}
	return nil
}

// member is a JSON member's name that needs no quoting.
var member = regexp.MustCompile(`^[A-Za-z_]{1,64}$`)

func tables(e *call.Endpoint, l *pb.Lease) error {
	if m := l.GetMaxTokensMember(); m != "" && !member.MatchString(m) {
		return fmt.Errorf("max_tokens_member %q is not a plain name", clip(m))
	}
	if len(l.GetModels()) > maxEntries || len(l.GetErrors()) > maxEntries {
		return fmt.Errorf("more than %d models or error rules", maxEntries)
	}
	for kind, name := range l.GetRateHeaders() {
		if !token(name) {
			return fmt.Errorf("rate header %q is not the name of one", clip(name))
		}
		for k := range call.NumRateKinds {
			if k.String() == kind {
				e.RateHeaders[k] = name
			}
		}
	}
	for name, upstream := range l.GetModels() {
		if !modelName(name) || !modelName(upstream) {
			return fmt.Errorf("model %q → %q: a name is empty, too long or holds control characters", clip(name), clip(upstream))
		}
	}
	for _, rule := range l.GetErrors() {
		class := wire.ParseClass(rule.GetClass())
		if class == wire.ClassNone {
			continue // of a newer contract: the status decides
		}
		if s := rule.GetStatus(); s != 0 && (s < 400 || s > 599) || len(rule.GetCode()) > maxText {
			return fmt.Errorf("error rule %d %q: want a status from 400 to 599 or 0", s, clip(rule.GetCode()))
		}
		e.Errors = append(e.Errors, call.ErrorRule{Status: int(rule.GetStatus()), Code: rule.GetCode(), Class: class})
	}
	return nil
}

func ttl(l *pb.Lease) time.Duration {
	d := time.Duration(min(l.GetTtlMs(), int64(maxTTL/time.Millisecond))) * time.Millisecond
	if d <= 0 {
		return defaultTTL
	}
	return d
}

// token reports whether s is a header name by RFC 9110.
func token(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != "" && len(s) <= 256
}

func fieldValue(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return len(s) <= maxText
}

func visible(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}

func modelName(s string) bool { return s != "" && len(s) <= 512 && fieldValue(s) }

// clip shortens foreign text for an error message.
func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}
