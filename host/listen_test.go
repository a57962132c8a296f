package host

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/config"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{}
	der, key := a.sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	var err error
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.key, a.pem = key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a
}

func (a *authority) sign(t *testing.T, c *x509.Certificate) ([]byte, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber, c.NotBefore, c.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, by := a.cert, a.key
	if parent == nil {
		parent, by = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	return der, key
}

// issue makes a certificate as a client or server has it.
func (a *authority) issue(t *testing.T, name string) tls.Certificate {
	t.Helper()
	der, key := a.sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

func write(t *testing.T, file string, c tls.Certificate, at time.Time) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	put(t, file+".crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}), at)
	put(t, file+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), at)
}

func put(t *testing.T, file string, b []byte, at time.Time) {
	t.Helper()
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(file, at, at); err != nil {
		t.Fatal(err)
	}
}

// shake makes one handshake and tells the name that the server showed.
func shake(t *testing.T, server, client *tls.Config) (string, error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	done := make(chan error, 1)
	go func() {
		c, err := ln.Accept()
		if err == nil {
			s := tls.Server(c, server)
			if err = s.Handshake(); err == nil {
				_, err = s.Write([]byte("!"))
			}
			c.Close()
		}
		done <- err
	}()
	c, err := tls.Dial("tcp", ln.Addr().String(), client)
	name := ""
	if err == nil {
		name = c.ConnectionState().PeerCertificates[0].Subject.CommonName
		_, _ = io.ReadAll(c)
		c.Close()
	}
	if served := <-done; served != nil {
		return name, served
	}
	return name, err
}

func TestSecure(t *testing.T) {
	dir, ca, other := t.TempDir(), newAuthority(t, "ca"), newAuthority(t, "other")
	file, began := filepath.Join(dir, "server"), time.Now().Add(-time.Hour)
	write(t, file, ca.issue(t, "first"), began)
	put(t, filepath.Join(dir, "ca.crt"), ca.pem, began)
	now := time.Now()
	open := func(auth string) *tls.Config {
		t.Helper()
		s := &secured{cfg: config.TLS{Cert: file + ".crt", Key: file + ".key", ClientCA: filepath.Join(dir, "ca.crt"), ClientAuth: auth},
			log: slog.New(slog.DiscardHandler), now: func() time.Time { return now }}
		if err := s.read(s.stat()); err != nil {
			t.Fatal(err)
		}
		return &tls.Config{GetConfigForClient: s.forClient}
	}
	f := func(server *tls.Config, cert *tls.Certificate, want string) {
		t.Helper()
		c := &tls.Config{RootCAs: ca.pool(), ServerName: "127.0.0.1"}
		if cert != nil {
			c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
		}
		name, err := shake(t, server, c)
		if want == "" && err == nil || want != "" && (err != nil || name != want) {
			t.Errorf("got %q, %v; want %q", name, err, want)
		}
	}
	good, foreign := ca.issue(t, "caller"), other.issue(t, "caller")
	required, requested := open("require"), open("request")
	f(required, &good, "first")
	f(required, nil, "")
	f(required, &foreign, "")
	f(requested, nil, "first")
	f(requested, &good, "first")
	f(requested, &foreign, "")

	// Files that change are read again; such that do not fit are not.
	second := ca.issue(t, "second")
	write(t, file, second, began.Add(time.Minute))
	f(required, &good, "first") // looked at a moment ago
	now = now.Add(2 * statEvery)
	f(required, &good, "second")
	put(t, file+".key", []byte("half of it"), began.Add(2*time.Minute))
	now = now.Add(2 * statEvery)
	f(required, &good, "second")
	write(t, file, ca.issue(t, "third"), began.Add(3*time.Minute))
	put(t, filepath.Join(dir, "ca.crt"), other.pem, began.Add(3*time.Minute))
	now = now.Add(2 * statEvery)
	f(required, &foreign, "third")
	f(required, &good, "")
}

// TestNoResumptionPastAuthorities: whom other authorities have let in before is
// asked again.
func TestNoResumptionPastAuthorities(t *testing.T) {
	dir, ca, other := t.TempDir(), newAuthority(t, "ca"), newAuthority(t, "other")
	file, clients, began := filepath.Join(dir, "server"), filepath.Join(dir, "clients.pem"), time.Now().Add(-time.Hour)
	write(t, file, ca.issue(t, "server"), began)
	put(t, clients, ca.pem, began)
	now := time.Now()
	s := &secured{cfg: config.TLS{Cert: file + ".crt", Key: file + ".key", ClientCA: clients, ClientAuth: "request"},
		log: slog.New(slog.DiscardHandler), now: func() time.Time { return now }}
	if err := s.read(s.stat()); err != nil {
		t.Fatal(err)
	}
	cert := ca.issue(t, "caller")
	server, client := &tls.Config{GetConfigForClient: s.forClient}, &tls.Config{RootCAs: ca.pool(), ServerName: "127.0.0.1", ClientSessionCache: tls.NewLRUClientSessionCache(4), Certificates: []tls.Certificate{cert}}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		client.MinVersion, client.MaxVersion = version, version
		put(t, clients, ca.pem, began)
		now = now.Add(2 * statEvery)
		if _, err := shake(t, server, client); err != nil {
			t.Fatal(err)
		}
		put(t, clients, other.pem, began.Add(time.Minute))
		now = now.Add(2 * statEvery)
		client := client.Clone()
		client.Certificates = nil
		if err := resumed(t, server, client); err != nil {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
	}
}

// resumed is an error if the server takes a client without certificate for one
// that has shown its own before.
func resumed(t *testing.T, server, client *tls.Config) error {
	t.Helper()
	var verified int
	s := server.Clone()
	s.VerifyConnection = nil
	inner := s.GetConfigForClient
	s.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		c, err := inner(hello)
		if err == nil {
			c = c.Clone()
			c.VerifyConnection = func(state tls.ConnectionState) error { verified = len(state.VerifiedChains); return nil }
		}
		return c, err
	}
	if _, err := shake(t, s, client); err != nil {
		return err
	}
	if verified > 0 {
		return errors.New("a certificate that nobody trusts any more counts in a resumed connection")
	}
	return nil
}

func TestSecureProblems(t *testing.T) {
	dir, ca := t.TempDir(), newAuthority(t, "ca")
	file := filepath.Join(dir, "server")
	if _, err := secure("listen.tls", config.TLS{Cert: file + ".crt", Key: file + ".key"}, slog.Default()); err == nil {
		t.Error("files that are not there are no error")
	}
	write(t, file, ca.issue(t, "first"), time.Now())
	put(t, filepath.Join(dir, "ca.crt"), []byte("no certificate"), time.Now())
	if _, err := secure("listen.tls", config.TLS{Cert: file + ".crt", Key: file + ".key", ClientCA: filepath.Join(dir, "ca.crt")}, slog.Default()); err == nil {
		t.Error("authorities that cannot be read are no error")
	}
	if c, err := secure("listen.tls", config.TLS{}, slog.Default()); c != nil || err != nil {
		t.Errorf("got %v, %v; want no TLS", c, err)
	}
}
