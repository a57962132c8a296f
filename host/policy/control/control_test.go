package control

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/signalbox-ai/signalbox/host/policy/opatest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = time.Minute

// taker notes what it is offered.
type taker struct {
	mu  sync.Mutex
	err error
	got chan offer
}

type offer struct {
	name    string
	tarball []byte
}

func newTaker() *taker { return &taker{got: make(chan offer, 64)} }

func (k *taker) accept(name string, tarball []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.got <- offer{name, tarball}
	return k.err
}

func (k *taker) refuse(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.err = err
}

func (k *taker) next(t *testing.T) offer {
	t.Helper()
	select {
	case o := <-k.got:
		return o
	case <-time.After(patience):
		t.Fatal("no bundle came")
		return offer{}
	}
}

func policyFolder(t testing.TB, code string) string {
	t.Helper()
	dir := t.TempDir()
	for name, body := range map[string]string{
		"u.rego":    "package signalbox.units.u\n\ndefault permit := false\n\npermit if input.principal.key_id != \"\"\n\ndeny contains {\"code\": \"" + code + "\"} if data.teams[input.principal.team]\n",
		"data.json": `{"teams": {"boom": true}}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func start(t *testing.T, k *taker, opt Options) *Control {
	t.Helper()
	opt.Accept = k.accept
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	for name, b := range opt.Bundles {
		b.Min, b.Max = time.Second, time.Second
		opt.Bundles[name] = b
	}
	c, err := Start(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	return c
}

func one(b Bundle) map[string]Bundle { return map[string]Bundle{"org": b} }

// until waits for a state of the bundle.
func until(t *testing.T, c *Control, what string, ok func(code, message, revision string) bool) {
	t.Helper()
	end := time.After(patience)
	for {
		c.mu.Lock()
		heard, st := c.heard, c.last["org"]
		c.mu.Unlock()
		if st != nil && ok(st.Code, errText(st.Message, st.Errors), st.ActiveRevision) {
			return
		}
		select {
		case <-heard:
		case <-end:
			t.Fatalf("%s: it stays at %+v", what, st)
		}
	}
}

func errText(message string, errs []error) string {
	if err := errors.Join(errs...); err != nil {
		message += ": " + err.Error()
	}
	return message
}

func TestETagsAndLongPolls(t *testing.T) {
	f := func(name string, long bool) {
		t.Run(name, func(t *testing.T) {
			s, k := opatest.NewServer(t, long), newTaker()
			first := opatest.Build(t, policyFolder(t, "one"), "r1")
			s.Set("bundles/org", first)
			b := Bundle{Resource: "bundles/org"}
			if long {
				b.Long = 20 * time.Second
			}
			c := start(t, k, Options{Service: Service{URL: s.URL, Bearer: "s3cret", Headers: map[string]string{"X-Site": "a"}}, Bundles: one(b)})
			if got := k.next(t); got.name != "org" || !bytes.Equal(got.tarball, first) {
				t.Fatalf("got %q, %d bytes", got.name, len(got.tarball))
			}
			until(t, c, "first", func(code, _, revision string) bool { return code == "" && revision == "r1" })
			if !long {
				for len(s.Asked()) < 2 {
					waitFor(t, c)
				}
			}
			second := opatest.Build(t, policyFolder(t, "two"), "r2")
			s.Set("bundles/org", second)
			if got := k.next(t); !bytes.Equal(got.tarball, second) {
				t.Fatal("another bundle than the new one came")
			}
			until(t, c, "second", func(_, _, revision string) bool { return revision == "r2" })
			c.Stop()
			checkAsked(t, s.Asked(), first, long)
		})
	}
	f("polls", false)
	f("long polls", true)
}

func waitFor(t *testing.T, c *Control) {
	t.Helper()
	c.mu.Lock()
	heard := c.heard
	c.mu.Unlock()
	select {
	case <-heard:
	case <-time.After(patience):
		t.Fatal("nothing is heard of the bundle")
	}
}

func checkAsked(t *testing.T, asked []opatest.Asked, first []byte, long bool) {
	t.Helper()
	if asked[0].Match != "" {
		t.Errorf("the first question has If-None-Match %q", asked[0].Match)
	}
	unchanged := 0
	for _, a := range asked[1:] {
		if a.Match == "" {
			t.Errorf("a later question has no If-None-Match: %+v", a)
		}
		if a.Status == http.StatusNotModified {
			unchanged++
		}
	}
	if asked[1].Match != opatest.ETag(first) || !long && unchanged == 0 {
		t.Errorf("got %q, want %q; %d answers were 304", asked[1].Match, opatest.ETag(first), unchanged)
	}
	for _, a := range asked {
		if a.Authorization != "Bearer s3cret" || a.Header.Get("X-Site") != "a" {
			t.Errorf("credentials are missing: %+v", a)
		}
		if strings.Contains(a.Prefer, "delta") || !strings.Contains(a.Prefer, "modes=snapshot") || long != strings.Contains(a.Prefer, "wait=20") {
			t.Errorf("Prefer: %s", a.Prefer)
		}
	}
}

func TestSignatures(t *testing.T) {
	f := func(name string, key, signer opatest.Key, keyID, scope, want string, change func([]byte) []byte) {
		t.Run(name, func(t *testing.T) {
			s, k := opatest.NewServer(t, false), newTaker()
			dir := policyFolder(t, "one")
			var args []string
			if signer.File != "" {
				args = signer.Sign(t, keyID, scope)
			}
			tarball := opatest.Build(t, dir, "r1", args...)
			if change != nil {
				tarball = change(tarball)
			}
			s.Set("bundles/org", tarball)
			c := start(t, k, Options{Service: Service{URL: s.URL}, Bundles: one(Bundle{Resource: "bundles/org",
				Signing: &Signing{KeyID: "ours", Algorithm: key.Algorithm, PublicKey: key.Public, Scope: "write"}})})
			if want == "" {
				k.next(t)
				until(t, c, name, func(code, _, revision string) bool { return code == "" && revision == "r1" })
				return
			}
			until(t, c, name, func(code, message, _ string) bool {
				if code != "" && !strings.Contains(message, want) {
					t.Fatalf("got %q, want %q", message, want)
				}
				return code != ""
			})
			if len(k.got) != 0 {
				t.Error("it was offered")
			}
		})
	}
	rsa, ec, other := opatest.RSA(t), opatest.EC(t), opatest.EC(t)
	f("RS256", rsa, rsa, "ours", "write", "", nil)
	f("ES256", ec, ec, "ours", "write", "", nil)
	f("another key", ec, other, "ours", "write", "failed to verify JWT signature", nil)
	f("another algorithm", ec, rsa, "ours", "write", "failed to verify JWT signature", nil)
	f("another scope", ec, ec, "ours", "read", "scope mismatch", nil)
	f("unsigned", ec, opatest.Key{}, "", "", "signatures.json", nil)
	f("a file is tampered with", ec, ec, "ours", "write", "digest mismatch", func(b []byte) []byte {
		return opatest.Repack(t, b, func(_ string, body []byte) []byte { return bytes.ReplaceAll(body, []byte("one"), []byte("won")) })
	})
	f("a file is added", ec, ec, "ours", "write", "not included in bundle signature", func(b []byte) []byte {
		return opatest.Repack(t, b, nil, "extra.rego", "package extra\n\nx := 1\n")
	})
}

func TestFaults(t *testing.T) {
	good, huge := opatest.Build(t, policyFolder(t, "one"), "r1"), bomb(t)
	f := func(name, want string, fault func(http.ResponseWriter, *http.Request)) {
		t.Run(name, func(t *testing.T) {
			s, k := opatest.NewServer(t, false), newTaker()
			s.Set("bundles/org", good)
			s.Fault(func(w http.ResponseWriter, r *http.Request) bool { fault(w, r); return true })
			c := start(t, k, Options{Service: Service{URL: s.URL, Timeout: 2 * time.Second}, Bundles: one(Bundle{Resource: "bundles/org"})})
			until(t, c, name, func(code, message, _ string) bool {
				if code != "" && !strings.Contains(message, want) {
					t.Fatalf("got %q, want %q", message, want)
				}
				return code != ""
			})
			s.Fault(nil)
			k.next(t)
			until(t, c, "healed", func(code, _, revision string) bool { return code == "" && revision == "r1" })
		})
	}
	f("500", "Internal Server Error", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	f("401", "Unauthorized", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) })
	f("cut", "unexpected EOF", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100000")
		_, _ = w.Write(good[:len(good)/2])
	})
	f("cut, and nobody says so", "cut or damaged", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(good[:len(good)/2]) })
	f("no tarball", "no .tar.gz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) })
	f("too large", "larger than", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.CopyN(w, zeros{}, MaxPacked+1)
	})
	f("a bomb", "MiB unpacked", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(huge) })
	f("redirect elsewhere", "redirects to", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.1:1/x", http.StatusFound)
	})
	f("never answers", "timeout awaiting response headers", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func bomb(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	if _, err := io.CopyN(zw, zeros{}, MaxUnpacked+1); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRedirectOnTheSameHost(t *testing.T) {
	s, k := opatest.NewServer(t, false), newTaker()
	s.Set("moved/org", opatest.Build(t, policyFolder(t, "one"), "r1"))
	s.Fault(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/base/bundles/org" {
			return false
		}
		http.Redirect(w, r, "/moved/org", http.StatusTemporaryRedirect)
		return true
	})
	start(t, k, Options{Service: Service{URL: s.URL + "/base/", Bearer: "s3cret"}, Bundles: one(Bundle{Resource: "/bundles/org"})})
	k.next(t)
	for _, a := range s.Asked() {
		if a.Authorization != "Bearer s3cret" {
			t.Errorf("%+v", a)
		}
	}
}

func TestRefusedBundleIsReported(t *testing.T) {
	s, k := opatest.NewServer(t, false), newTaker()
	s.Set("bundles/org", opatest.Build(t, policyFolder(t, "one"), "r1"))
	c := start(t, k, Options{Service: Service{URL: s.URL}, Bundles: one(Bundle{Resource: "bundles/org"})})
	k.next(t)
	until(t, c, "first", func(code, _, revision string) bool { return code == "" && revision == "r1" })
	k.refuse(errors.New("its tests fail"))
	s.Set("bundles/org", opatest.Build(t, policyFolder(t, "two"), "r2"))
	k.next(t)
	until(t, c, "refused", func(code, message, revision string) bool {
		return code == "bundle_error" && strings.Contains(message, "its tests fail") && revision == "r1"
	})
}

func TestClientCertificate(t *testing.T) {
	s, k := opatest.NewUnstarted(false), newTaker()
	s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	s.StartTLS()
	t.Cleanup(s.Close)
	s.Set("bundles/org", opatest.Build(t, policyFolder(t, "one"), "r1"))
	ca, cert, key := opatest.Certificates(t, s.Certificate())
	start(t, k, Options{Service: Service{URL: s.URL, CA: ca, Cert: cert, Key: key}, Bundles: one(Bundle{Resource: "bundles/org"})})
	k.next(t)
}

// TestStatus has the real status plugin report to a server and to the console.
func TestStatus(t *testing.T) {
	reports := make(chan map[string]any, 64)
	s, k := opatest.NewServer(t, false), newTaker()
	s.Fault(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost {
			return false
		}
		var doc map[string]any
		if err := json.NewDecoder(r.Body).Decode(&doc); err != nil || r.URL.Path != "/status" {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		reports <- doc
		return true
	})
	s.Set("bundles/org", opatest.Build(t, policyFolder(t, "one"), "r1"))
	printed := &lockedBuffer{}
	c := start(t, k, Options{Service: Service{URL: s.URL}, Bundles: one(Bundle{Resource: "bundles/org"}), Labels: map[string]string{"id": "node-7", "site": "a"},
		Status: &Status{Console: true, Service: Service{URL: s.URL}}, Console: printed})
	k.next(t)
	for {
		select {
		case doc := <-reports:
			bundles, _ := doc["bundles"].(map[string]any)
			org, _ := bundles["org"].(map[string]any)
			if org["active_revision"] != "r1" {
				continue
			}
			if org["name"] != "org" || org["last_successful_activation"] == "" || doc["labels"].(map[string]any)["site"] != "a" {
				t.Errorf("got %v", doc)
			}
			c.Stop()
			if text := printed.String(); !strings.Contains(text, `"type":"openpolicyagent.org/status"`) || !strings.Contains(text, `"active_revision":"r1"`) {
				t.Errorf("the console shows %s", text)
			}
			return
		case <-time.After(patience):
			t.Fatal("nothing is reported")
		}
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// TestDiscovery: what the discovery bundle names is asked for, and what it
// names no more is not.
func TestDiscovery(t *testing.T) {
	s, k := opatest.NewServer(t, true), newTaker()
	s.Set("disco", opatest.Build(t, policyFolder(t, "d1"), "d1"))
	s.Set("bundles/org", opatest.Build(t, policyFolder(t, "one"), "r1"))
	s.Set("bundles/team", opatest.Build(t, policyFolder(t, "two"), "r1"))
	found := make(chan map[string]Bundle, 4)
	changed := make(chan []string, 4)
	b := func(name string) Bundle {
		return Bundle{Resource: "bundles/" + name, Min: time.Second, Max: time.Second, Long: 20 * time.Second}
	}
	found <- map[string]Bundle{"org": b("org"), "team": b("team")}
	c := start(t, k, Options{Service: Service{URL: s.URL}, Discovery: &Bundle{Resource: "disco", Min: time.Second, Max: time.Second, Long: 20 * time.Second},
		Discovered: func([]byte) (map[string]Bundle, error) { return <-found, nil },
		Changed:    func(names []string) { changed <- names }})
	got := map[string]bool{k.next(t).name: true, k.next(t).name: true}
	if !got["org"] || !got["team"] || strings.Join(<-changed, " ") != "org team" {
		t.Fatalf("got %v", got)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c.Tried(ctx)
	if ctx.Err() != nil || len(c.Bundles()) != 3 {
		t.Fatalf("%v: %v", ctx.Err(), c.Bundles())
	}
	found <- map[string]Bundle{"org": b("org")}
	s.Set("disco", opatest.Build(t, policyFolder(t, "d2"), "d2"))
	select {
	case names := <-changed:
		if strings.Join(names, " ") != "org" {
			t.Errorf("got %v", names)
		}
	case <-time.After(patience):
		t.Fatal("the new discovery bundle changes nothing")
	}
}
