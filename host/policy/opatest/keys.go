package opatest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Key is a pair that bundles are signed with.
type Key struct {
	Algorithm string
	File      string // of the private part, as opa takes it
	Public    string // PEM
}

// RSA makes a key for RS256, EC one for ES256.
func RSA(t testing.TB) Key {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, "RS256", "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(k), k.Public())
}

// EC makes a key for ES256.
func EC(t testing.TB) Key {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, "ES256", "EC PRIVATE KEY", private, k.Public())
}

func write(t testing.TB, algorithm, kind string, private []byte, public crypto.PublicKey) Key {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	k := Key{Algorithm: algorithm, File: filepath.Join(t.TempDir(), "key.pem"),
		Public: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))}
	if err := os.WriteFile(k.File, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: private}), 0o600); err != nil {
		t.Fatal(err)
	}
	return k
}

// Certificates writes the certificate of a server and one for its client, with
// its key, to files.
func Certificates(t testing.TB, server *x509.Certificate) (ca, cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(7), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return file("ca.pem", "CERTIFICATE", server.Raw), file("cert.pem", "CERTIFICATE", der), file("key.pem", "EC PRIVATE KEY", private)
}

// Repack returns the tarball with its files changed, and others added: names
// and bodies in turn.
func Repack(t testing.TB, tarball []byte, change func(name string, body []byte) []byte, add ...string) []byte {
	t.Helper()
	zr, err := gzip.NewReader(bytes.NewReader(tarball))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	zw := gzip.NewWriter(&out)
	tr, tw := tar.NewReader(zr), tar.NewWriter(zw)
	put := func(name string, body []byte) {
		if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(body))}); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write(body); err != nil {
			t.Fatal(err)
		}
	}
	for {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		if change != nil {
			body = change(h.Name, body)
		}
		if body != nil {
			put(h.Name, body)
		}
	}
	for i := 0; i+1 < len(add); i += 2 {
		put(add[i], []byte(add[i+1]))
	}
	if err := errors.Join(tw.Close(), zw.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// Sign are the arguments that have opa build sign a bundle.
func (k Key) Sign(t testing.TB, keyID, scope string) []string {
	t.Helper()
	claims := filepath.Join(t.TempDir(), "claims.json")
	if err := os.WriteFile(claims, []byte(`{"keyid": "`+keyID+`", "scope": "`+scope+`"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"--signing-key", k.File, "--signing-alg", k.Algorithm, "--claims-file", claims}
}
