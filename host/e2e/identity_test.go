package e2e_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certificate is one that ca has signed, nil: one that signs others, by itself.
func certificate(t *testing.T, ca *tls.Certificate, name string) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id, err := url.Parse("spiffe://corp/" + name)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		Subject: pkix.Name{CommonName: name}, URIs: []*url.URL{id}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	parent, by := c, key
	if ca == nil {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage, c.ExtKeyUsage = true, true, x509.KeyUsageCertSign, nil
	} else {
		parent, by = ca.Leaf, ca.PrivateKey.(*ecdsa.PrivateKey)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func writePEM(t *testing.T, dir, name string, c *tls.Certificate) (cert, key string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: c.Certificate[0]}, key: {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// TestWhereKeysCount: a key that asks for a client certificate, one that counts
// from some addresses alone, behind a proxy that is trusted and from those that
// are not; and an admin API that speaks TLS.
func TestWhereKeysCount(t *testing.T) {
	dir := t.TempDir()
	ca := certificate(t, nil, "ca")
	caFile, _ := writePEM(t, dir, "ca", ca)
	cert, key := writePEM(t, dir, "gateway", certificate(t, ca, "gateway"))
	g := newGateway(t, fmt.Sprintf(`
listen:
  data: "127.0.0.1:0"
  admin: "127.0.0.1:0"
  trusted_proxies: [127.0.0.1]
  tls: {cert: %[1]q, key: %[2]q, client_ca: %[3]q, client_auth: request}
admin: {token: "${env:SIGNALBOX_ADMIN_TOKEN}", tls: {cert: %[1]q, key: %[2]q}}
store: {url: "sqlite:state/signalbox.db"}
providers: {demo: {adapter: demo}}
models: {own: {targets: [{model: demo/echo}]}, more: {targets: [{model: demo/echo}]}}
keys:
  - {name: plain, value: sb-e2e-plain-key}
  - {name: bound, value: sb-e2e-bound-key, scope: {certificates: ["spiffe://corp/caller"]}}
  - {name: near, value: sb-e2e-near-key, scope: {from: ["192.0.2.0/24"], models: [own]}}
`, cert, key, caFile))
	pool := x509.NewCertPool()
	pool.AddCert(ca.Leaf)
	with := func(c *tls.Certificate) *http.Client {
		conf := &tls.Config{RootCAs: pool}
		if c != nil {
			conf.Certificates = []tls.Certificate{*c}
		}
		tr := &http.Transport{TLSClientConfig: conf}
		t.Cleanup(tr.CloseIdleConnections)
		return &http.Client{Transport: inspected{tr}}
	}
	base := strings.Replace(g.data, "http://", "https://", 1)
	ask := func(c *http.Client, method, path, key string, header ...string) (int, string) {
		t.Helper()
		req, err := http.NewRequest(method, base+path, strings.NewReader(request("own", "hello", false)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+key)
		for i := 0; i < len(header); i += 2 {
			req.Header.Add(header[i], header[i+1])
		}
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	f := func(c *http.Client, key string, want int, code string, header ...string) {
		t.Helper()
		if status, body := ask(c, "POST", "/v1/chat/completions", key, header...); status != want || !strings.Contains(body, code) {
			t.Errorf("%s %v: %d %s; want %d %s", key, header, status, body, want, code)
		}
	}
	nobody, caller, other := with(nil), with(certificate(t, ca, "caller")), with(certificate(t, ca, "other"))
	f(nobody, "sb-e2e-plain-key", 200, "hello")
	f(nobody, "sb-e2e-bound-key", 403, "key_not_from_here")
	f(other, "sb-e2e-bound-key", 403, "key_not_from_here")
	f(caller, "sb-e2e-bound-key", 200, "hello")
	f(caller, "sb-e2e-near-key", 403, "key_not_from_here")
	f(nobody, "sb-e2e-near-key", 200, "hello", "X-Forwarded-For", "192.0.2.7")
	f(nobody, "sb-e2e-near-key", 200, "hello", "X-Forwarded-For", "6.6.6.6", "X-Forwarded-For", "192.0.2.7, 127.0.0.1")
	f(nobody, "sb-e2e-near-key", 403, "key_not_from_here", "X-Forwarded-For", "192.0.2.7, 6.6.6.6")
	f(nobody, "sb-e2e-near-key", 403, "key_not_from_here", "Forwarded", "for=192.0.2.7")
	f(nobody, "sb-e2e-near-key", 403, "key_not_from_here", "X-Real-Ip", "192.0.2.7")
	if status, body := ask(nobody, "GET", "/v1/models", "sb-e2e-near-key", "X-Forwarded-For", "192.0.2.7"); status != 200 || !strings.Contains(body, `"own"`) || strings.Contains(body, `"more"`) {
		t.Errorf("the list of models is %d %s; want what the key is good for", status, body)
	}
	if status, body := ask(nobody, "GET", "/v1/models", "sb-e2e-near-key"); status != 403 || !strings.Contains(body, "key_not_from_here") {
		t.Errorf("the list of models elsewhere: %d %s", status, body)
	}

	base = strings.Replace(g.admin, "http://", "https://", 1)
	if status, body := ask(nobody, "GET", "/admin/whoami", adminToken); status != 200 || !strings.Contains(body, "root") {
		t.Errorf("the admin API over TLS: %d %s", status, body)
	}
	if resp, err := client.Get(g.admin + "/admin/whoami"); err == nil {
		resp.Body.Close()
		if resp.StatusCode != 400 {
			t.Errorf("the admin API answers %s without TLS", resp.Status)
		}
	}
}

// TestIdentityOnAllNodes: what one node is told of keys, the directory and
// administrators, the other goes by.
func TestIdentityOnAllNodes(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2, "budgets: [{usd: 10, window: day}]")
	a, b := c.nodes[0], c.nodes[1]
	var made struct{ Token string }
	a.admins("/admin/teams", map[string]any{"name": "shared"}, &struct{}{})
	a.admins("/admin/keys", map[string]any{"name": "far", "team": "shared"}, &made)
	key := made.Token
	told := func(what, key string, want int, code string) {
		t.Helper()
		eventually(t, what, func() bool {
			status, body, _ := b.send("POST", "/v1/chat/completions", "application/json", strings.NewReader(request("own", "hello", false)), "Authorization", "Bearer "+key)
			return status == want && strings.Contains(body, code)
		})
	}
	told("the other node knows a new key", key, 200, "hello")
	a.admins("/admin/keys/far/rotate", map[string]any{"overlap": "0s"}, &made)
	told("the old secret counts nowhere", key, 401, "invalid_api_key")
	key = made.Token
	told("the new secret counts everywhere", key, 200, "hello")
	for _, disabled := range []bool{true, false} {
		if status, body := a.adminDo("PATCH", "/admin/teams/shared", fmt.Sprintf(`{"disabled":%v}`, disabled)); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
		told(fmt.Sprintf("a team is disabled: %v", disabled), key, map[bool]int{true: 403, false: 200}[disabled], "")
	}
	if status, body := a.adminDo("DELETE", "/admin/keys/far", ""); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	told("a revoked key counts nowhere", key, 401, "key_revoked")

	a.admins("/admin/admins", map[string]any{"name": "ann", "role": "operator"}, &made)
	admits := func(what string, want int) {
		t.Helper()
		eventually(t, what, func() bool { status, _ := b.admire("GET", "/admin/whoami", made.Token, "{}"); return status == want })
	}
	admits("the other node lets a new administrator in", 200)
	if status, body := a.adminDo("DELETE", "/admin/admins/ann", ""); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	eventually(t, "a revoked administrator is let in nowhere", func() bool { // guesses are slowed down, so it is asked seldom
		status, _ := b.admire("GET", "/admin/whoami", made.Token, "{}")
		return status == 401 || status == 429
	})
}
