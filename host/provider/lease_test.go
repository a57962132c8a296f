package provider

import (
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/provider/egress"
	pb "github.com/signalbox-ai/signalbox/sdk/provider/proto/v1"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	protobuf "google.golang.org/protobuf/proto"
)

// rules allow api.fake.example and a socket named data in a folder.
func rules(t testing.TB) *leaseRules {
	t.Helper()
	hosts, err := egress.Parse([]string{"api.fake.example", "127.0.0.1:9000"})
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "sb")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(); os.RemoveAll(dir) })
	return &leaseRules{hosts: hosts, socketDir: dir, process: call.NewProcess()}
}

func lease(edit func(l *pb.Lease)) *pb.Lease {
	l := &pb.Lease{Operation: "chat", Dialect: "openai-chat", Url: "https://api.fake.example/v1/chat?x=1",
		Headers: []*pb.HeaderTemplate{{Name: "Authorization", Prefix: "Bearer ", Credential: true}}}
	edit(l)
	return l
}

func TestDirectLease(t *testing.T) {
	e, err := rules(t).endpoint(lease(func(l *pb.Lease) {
		l.PassHeaders, l.Models = []string{"openai-project"}, map[string]string{"a": "b"}
		l.Errors = []*pb.ErrorRule{{Status: 400, Code: "too_long", Class: "context_length"}, {Class: "of_a_later_contract"}}
		l.StreamUsage, l.MaxTokensMember = true, "max_completion_tokens"
	}))
	if err != nil {
		t.Fatal(err)
	}
	if e.Op != wire.OpChat || e.Dialect != wire.OpenAIChat || e.Network != "tcp" || e.Addr != "api.fake.example:443" || !e.TLS ||
		e.Host != "api.fake.example" || e.Path != "/v1/chat?x=1" || !e.Direct() || !e.StreamUsage || e.MaxTokens != "max_completion_tokens" {
		t.Errorf("got %+v", e)
	}
	if e.Headers[0] != (call.HeaderTemplate{Name: "Authorization", Prefix: "Bearer ", Credential: true}) || e.Models["a"] != "b" ||
		len(e.Errors) != 1 || e.Errors[0] != (call.ErrorRule{Status: 400, Code: "too_long", Class: wire.ClassContextLength}) {
		t.Errorf("got %+v", e)
	}
	if !e.AllowIP(netip.MustParseAddr("93.184.216.34").As16()) || e.AllowIP(netip.MustParseAddr("169.254.169.254").As16()) || e.AllowIP(netip.MustParseAddr("127.0.0.1").As16()) {
		t.Error("the wrong addresses are allowed")
	}
}

func TestLeasePaths(t *testing.T) {
	f := func(u, stream, path, streamPath string) {
		t.Helper()
		e, err := rules(t).endpoint(lease(func(l *pb.Lease) { l.Url, l.StreamUrl = u, stream }))
		if err != nil || e.Path != path || e.StreamPath != streamPath {
			t.Errorf("%s: got %+v, %v", u, e, err)
		}
	}
	f("https://api.fake.example/v1/models/{model}:say", "https://api.fake.example/v1/models/{model}:sayAll?alt=sse", "/v1/models/{model}:say", "/v1/models/{model}:sayAll?alt=sse")
	f("https://api.fake.example/v1/files{path}", "", "/v1/files{path}", "")
	f("https://api.fake.example{path}", "", "{path}", "")
	f("https://api.fake.example?x=1", "", "/?x=1", "")
	f("https://api.fake.example", "", "/", "")
}

func TestRateHeadersOfLeases(t *testing.T) {
	e, err := rules(t).endpoint(lease(func(l *pb.Lease) {
		l.RateHeaders = map[string]string{"requests-remaining": "x-left", "of-a-later-contract": "x-new"}
	}))
	if err != nil || e.RateHeaders[call.RequestsRemaining] != "x-left" || e.RateHeaders[call.RequestsReset] != "" {
		t.Errorf("got %+v, %v", e, err)
	}
}

func TestHostsAreNormal(t *testing.T) {
	f := func(u, addr, host string) {
		t.Helper()
		e, err := rules(t).endpoint(lease(func(l *pb.Lease) { l.Url = u }))
		if err != nil || e.Addr != addr || e.Host != host {
			t.Errorf("%s: got %+v, %v", u, e, err)
		}
	}
	f("https://API.Fake.Example./v1", "api.fake.example:443", "api.fake.example")
	f("https://api.fake.example:443/v1", "api.fake.example:443", "api.fake.example")
	f("http://127.0.0.1:9000/v1", "127.0.0.1:9000", "127.0.0.1:9000")
}

func TestUnixLease(t *testing.T) {
	r := rules(t)
	e, err := r.endpoint(&pb.Lease{Operation: "chat", Dialect: "anthropic-messages", Socket: filepath.Join(r.socketDir, "data")})
	if err != nil {
		t.Fatal(err)
	}
	if e.Network != "unix" || e.Path != "/chat/anthropic-messages" || e.Process != r.process || e.AllowIP != nil {
		t.Errorf("got %+v", e)
	}
}

func TestUnknownKindsAreIgnored(t *testing.T) {
	for _, l := range []*pb.Lease{{Operation: "telepathy", Dialect: "openai-chat"}, {Operation: "chat", Dialect: "esperanto"}, {}} {
		if e, err := rules(t).endpoint(l); e != nil || err != nil {
			t.Errorf("got %v, %v", e, err)
		}
	}
}

func TestKeylessProviderSendsNoCredentialHeader(t *testing.T) {
	r := rules(t)
	r.keyless = true
	e, err := r.endpoint(lease(func(l *pb.Lease) { l.Headers = append(l.Headers, &pb.HeaderTemplate{Name: "x-fixed", Prefix: "1"}) }))
	if err != nil || len(e.Headers) != 1 || e.Headers[0].Name != "x-fixed" {
		t.Errorf("got %+v, %v", e, err)
	}
}

func TestLeasesRefused(t *testing.T) {
	r := rules(t)
	inside := filepath.Join(r.socketDir, "data")
	if err := os.Symlink(inside, filepath.Join(r.socketDir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.socketDir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(says string, edit func(l *pb.Lease)) {
		t.Helper()
		if e, err := r.endpoint(lease(edit)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %+v, %v; want %q", e, err, says)
		}
	}
	at := func(u string) func(l *pb.Lease) { return func(l *pb.Lease) { l.Url = u } }
	f("only {model} and {path}", func(l *pb.Lease) { l.Url = "https://api.fake.example/{x}" })
	f("must be the end", func(l *pb.Lease) { l.Url = "https://api.fake.example/{path}/x" })
	f("is not one", func(l *pb.Lease) { l.Url = "https://{model}.fake.example/x" })
	f("is not one", at("https://api.fake.example{path}{path}"))
	f("is not one", at("https://api{path}.fake.example{path}"))
	f("not among", at("https://evil.example{path}"))
	f("host", at("https://{path}"))
	f("another host", func(l *pb.Lease) { l.StreamUrl = "http://127.0.0.1:9000/x" })
	f("not among", func(l *pb.Lease) { l.StreamUrl = "https://evil.example/x" })
	f("rate header", func(l *pb.Lease) { l.RateHeaders = map[string]string{"requests-reset": "a b"} })
	f("not among", at("https://evil.example/v1"))
	f("not among", at("https://api.fake.example.evil.example/"))
	f("not among", at("http://api.fake.example/v1"))
	f("not among", at("https://169.254.169.254/latest/meta-data"))
	f("not among", at("http://127.0.0.1:8081/admin/keys"))
	f("not among", at("https://[::1]/"))
	f("user name", at("https://u:p@api.fake.example/"))
	f("scheme", at("ftp://api.fake.example/"))
	f("scheme", at("//api.fake.example/"))
	f("fragment", at("https://api.fake.example/#x"))
	f("is not one", at("https://api.fake.example/\r\nX-Injected: 1"))
	f("control", at("https://api.fake.example/a b"))
	f("one of url and socket", at(""))
	f("one of url and socket", func(l *pb.Lease) { l.Socket = inside })

	socket := func(path string) func(l *pb.Lease) { return func(l *pb.Lease) { l.Url, l.Socket = "", path } }
	f("not in the adapter's folder", socket("/var/run/docker.sock"))
	f("not in the adapter's folder", socket(r.socketDir+"/../data"))
	f("not in the adapter's folder", socket("data"))
	f("not in the adapter's folder", socket("@abstract"))
	f("not a unix socket", socket(filepath.Join(r.socketDir, "link")))
	f("not a unix socket", socket(filepath.Join(r.socketDir, "file")))
	f("not a unix socket", socket(filepath.Join(r.socketDir, "absent")))

	header := func(name, prefix string) func(l *pb.Lease) {
		return func(l *pb.Lease) { l.Headers = []*pb.HeaderTemplate{{Name: name, Prefix: prefix}} }
	}
	for _, name := range []string{"Host", "transfer-encoding", "Content-Length", "Connection", "TE", "x-signalbox-credential", "content-type", "", "a b", "a:b", "a\r\nb", "ä"} {
		f("may not be set", header(name, "x"))
	}
	f("line break", header("x-a", "1\r\nHost: evil.example"))
	f("line break", header("x-a", "1\n"))
	f("line break", header("x-a", "1\x00"))
	f("line break", func(l *pb.Lease) { l.Headers[0].Suffix = "\rx" })
	for _, name := range []string{"Authorization", "x-api-key", "X-Goog-Api-Key", "cookie", "Host", "content-length", "a\nb"} {
		f("may not be passed", func(l *pb.Lease) { l.PassHeaders = []string{name} })
	}
	f("may not be passed", func(l *pb.Lease) { // a caller could put a credential of his own in
		l.Headers, l.PassHeaders = []*pb.HeaderTemplate{{Name: "X-Key", Credential: true}}, []string{"x-key"}
	})
	f("model", func(l *pb.Lease) { l.Models = map[string]string{"a": "b\nc"} })
	f("plain name", func(l *pb.Lease) { l.MaxTokensMember = `x":1,"y` })
	f("error rule", func(l *pb.Lease) { l.Errors = []*pb.ErrorRule{{Status: 200, Class: "auth"}} })
}

func FuzzLeases(f *testing.F) {
	seed := func(l ...*pb.Lease) {
		raw, err := protobuf.Marshal(&pb.EndpointsResponse{Leases: l})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	seed(lease(func(*pb.Lease) {}))
	seed(&pb.Lease{Operation: "chat", Dialect: "openai-chat", Socket: "/x/data"}, lease(func(l *pb.Lease) { l.Url = "http://127.0.0.1:9000/?a=%0d%0a" }))
	in := &instance{rules: *rules(f)}
	f.Fuzz(func(t *testing.T, raw []byte) {
		set := &pb.EndpointsResponse{}
		if protobuf.Unmarshal(raw, set) != nil {
			return
		}
		list, err := in.endpoints(set, time.Now())
		if err != nil {
			return
		}
		for _, l := range list {
			sound(t, l.endpoint, in.rules.socketDir)
		}
	})
}

// sound fails when an accepted endpoint could be used against its host.
func sound(t *testing.T, e *call.Endpoint, dir string) {
	t.Helper()
	texts := []string{e.Addr, e.Host, e.Path, e.MaxTokens}
	for _, h := range e.Headers {
		texts = append(texts, h.Name, h.Prefix, h.Suffix)
		if strings.EqualFold(h.Name, "host") || strings.EqualFold(h.Name, "content-length") {
			t.Errorf("header %q was accepted", h.Name)
		}
	}
	for _, s := range append(texts, e.PassHeaders...) {
		if strings.ContainsAny(s, "\r\n\x00") {
			t.Errorf("%q was accepted", s)
		}
	}
	if !e.Direct() {
		if filepath.Dir(e.Addr) != dir {
			t.Errorf("socket %q was accepted", e.Addr)
		}
		return
	}
	if e.Addr != "api.fake.example:443" && e.Addr != "127.0.0.1:9000" {
		t.Errorf("address %q was accepted", e.Addr)
	}
	if _, err := url.ParseRequestURI(e.Path); err != nil || !strings.HasPrefix(e.Path, "/") {
		t.Errorf("path %q was accepted", e.Path)
	}
}
