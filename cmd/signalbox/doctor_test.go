package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/signalbox-ai/signalbox/host"
)

// examine writes a configuration, has the doctor look at it, and returns what
// it has found, by check.
func examine(t *testing.T, config string, flags ...string) (found map[string][]finding, err error) {
	t.Helper()
	var out bytes.Buffer
	err = run(t.Context(), append([]string{"doctor", "--json", "-c", doctored(t, config)}, flags...), &out, t.Output())
	return findings(t, out.Bytes()), err
}

// findings reads a report: what is not right says what to do.
func findings(t *testing.T, raw []byte) map[string][]finding {
	t.Helper()
	var report struct{ Findings []finding }
	if err := json.Unmarshal(raw, &report); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	found := map[string][]finding{}
	for _, f := range report.Findings {
		if f.Result != checkOK && f.Remedy == "" {
			t.Errorf("%+v says not what to do", f)
		}
		found[f.Check] = append(found[f.Check], f)
	}
	return found
}

// wants looks for a finding.
func wants(t *testing.T, found map[string][]finding, check, result, says string) {
	t.Helper()
	for _, f := range found[check] {
		if f.Result == result && strings.Contains(f.Says, says) {
			return
		}
	}
	t.Errorf("%s does not say %s, %q: %+v", check, result, says, found[check])
}

const doctorDemo = "listen: {data: \"127.0.0.1:0\", admin: \"127.0.0.1:0\"}\nstore: {url: \"sqlite:DIR/data/s.db\"}\nproviders: {demo: {adapter: demo}}\n"

func TestDoctorOfWhatIsGood(t *testing.T) {
	found, err := examine(t, doctorDemo)
	if err != nil {
		t.Errorf("%v: %+v", err, found)
	}
	wants(t, found, "configuration", checkOK, "1 providers")
	wants(t, found, "adapters", checkOK, "provider demo: demo 1.0.0 starts")
	wants(t, found, "ports", checkOK, "is free")
	wants(t, found, "disk", checkOK, "GB are left")
	wants(t, found, "prices", checkOK, "the newest price is of 20")
	wants(t, found, "store", checkOK, "s.db has no tables yet")
}

func TestDoctorOfModules(t *testing.T) {
	found, err := examine(t, doctorDemo+"routes: {p: {module: \"builtin:priority\"}}\n", "--offline")
	if err != nil {
		t.Error(err)
	}
	wants(t, found, "modules", checkOK, " routes and filters load; this program runs sb/1")
	found, _ = examine(t, doctorDemo+"routes: {p: {module: \"builtin:weighted\", sha256: \""+strings.Repeat("0", 64)+"\"}, q: {module: \"builtin:priority\"}}\n", "--offline")
	wants(t, found, "modules", checkFailed, "routes.p: ")
	wants(t, found, "modules", checkOK, " routes and filters load")
}

// TestDoctorOfStores compares the versions of files with this program's.
func TestDoctorOfStores(t *testing.T) {
	f := func(version int, result, says string) {
		t.Helper()
		dir := t.TempDir()
		conn, err := sqlite.OpenConn(filepath.Join(dir, "s.db"))
		if err == nil {
			err = errors.Join(sqlitex.ExecuteTransient(conn, fmt.Sprintf("PRAGMA user_version = %d", version), nil), conn.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
		found, _ := examine(t, strings.Replace(doctorDemo, "DIR/data", dir, 1), "--offline")
		wants(t, found, "store", result, says)
		wants(t, found, "store", checkOK, "s-ledger.db has no tables yet")
	}
	f(1, checkWarning, "s.db is of version 1: this program brings it to ")
	f(999, checkFailed, "s.db is of version 999, for programs of version 999 or later")
	d := &doctor{}
	d.version(host.StoreVersion{What: "PostgreSQL", Is: 9, Needs: 7, Known: 8})
	d.version(host.StoreVersion{What: "PostgreSQL", Is: 8, Needs: 7, Known: 8})
	if d.found[0].Result != checkWarning || d.found[1].Result != checkOK {
		t.Errorf("found is %+v", d.found)
	}
}

// TestDoctorOfAnAdapterInBetween reaches the hosts that an adapter asks by itself.
func TestDoctorOfAnAdapterInBetween(t *testing.T) {
	up := httptest.NewServer(http.NotFoundHandler())
	addr := strings.TrimPrefix(up.URL, "http://")
	config := strings.Replace(doctorDemo, "{demo: {adapter: demo}}", fmt.Sprintf("{aws: {adapter: bedrock, config: {base_url: %q}, hosts: [%q], credentials: [{name: a, value: \"id:secret\"}]}}", up.URL, addr), 1)
	found, err := examine(t, config)
	if err != nil {
		t.Error(err)
	}
	wants(t, found, "upstream", checkOK, addr+" of aws can be reached")
	up.Close()
	found, err = examine(t, config)
	if err != nil {
		t.Errorf("a host that an adapter may ask, and need not, fails: %v", err)
	}
	wants(t, found, "upstream", checkWarning, addr+" of aws: ")
}

func TestDoctorOfWhatIsBroken(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	config := strings.Replace(doctorDemo, `data: "127.0.0.1:0"`, fmt.Sprintf("data: %q, tls: {cert: DIR/old.pem, key: DIR/old.pem}", busy.Addr()), 1)
	config = strings.Replace(config, "DIR/data/s.db", "DIR/signalbox.yaml/s.db", 1) // a folder that is a file
	config += "counters: {url: \"redis://127.0.0.1:1\"}\nkeys: [{name: a, value: a-key-for-development}]\n"
	found, err := examine(t, config)
	if err == nil || !strings.Contains(explain(err), "checks failed") {
		t.Errorf("it ends with %v", err)
	}
	wants(t, found, "ports", checkFailed, fmt.Sprintf(", process %d): ", os.Getpid()))
	wants(t, found, "data folder", checkFailed, "not a directory")
	wants(t, found, "redis", checkFailed, "connection refused")
	wants(t, found, "keys", checkWarning, "1 keys stand in the configuration")
	wants(t, found, "certificates", checkFailed, "no such file")
	found, _ = examine(t, "listen: {data: 7}\nprovidres: {}\nlimits: {attempts: -1}\n")
	wants(t, found, "configuration", checkFailed, "providers")
	if len(found["configuration"]) < 2 {
		t.Errorf("not all problems are told: %+v", found["configuration"])
	}
}

func TestDoctorOfAClock(t *testing.T) {
	var off time.Duration
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("a credential was used")
		}
		w.Header().Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
	}))
	defer up.Close()
	addr := strings.TrimPrefix(up.URL, "http://")
	config := doctorDemo + fmt.Sprintf("providers: {own: {adapter: openai, config: {base_url: \"%s/v1\"}, hosts: [%q], credentials: [{name: a, value: secret}]}}\n", up.URL, addr)
	config = strings.Replace(config, "providers: {demo: {adapter: demo}}\n", "", 1)
	f := func(by time.Duration, result string) {
		t.Helper()
		off = by
		found, _ := examine(t, config)
		wants(t, found, "upstream", checkOK, addr+" of own can be reached")
		wants(t, found, "clock", result, addr)
	}
	f(0, checkOK)
	f(-10*time.Second, checkWarning)
	f(time.Hour, checkFailed)
	up.Close()
	found, err := examine(t, config)
	if err == nil {
		t.Error("an upstream that is not there fails nothing")
	}
	wants(t, found, "upstream", checkFailed, "connection refused")
	if found, err = examine(t, config, "--offline"); err != nil || found["upstream"] != nil {
		t.Errorf("offline: %v, %+v", err, found["upstream"])
	}
}

func TestDoctorOfCertificates(t *testing.T) {
	f := func(left time.Duration, result string) {
		t.Helper()
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-1000 * time.Hour), NotAfter: time.Now().Add(left)}
		der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "cert.pem")
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		found, _ := examine(t, strings.Replace(doctorDemo, "listen: {", fmt.Sprintf("listen: {tls: {cert: %q, key: %q}, ", file, file), 1))
		wants(t, found, "certificates", result, "listen.tls.cert is good from")
	}
	f(1000*time.Hour, checkOK)
	f(48*time.Hour, checkWarning)
	f(-time.Hour, checkFailed)
}

func TestDoctorInWords(t *testing.T) {
	d := &doctor{found: []finding{{Check: "ports", Result: checkFailed, Says: "taken", Remedy: "end it"}, {Check: "disk", Result: checkOK, Says: "fine"}}}
	var out bytes.Buffer
	if err := d.report(&out, false); err != nil {
		t.Fatal(err)
	}
	want := "failed   ports          taken\n                        → end it\nok       disk           fine\n1 ok, 0 warnings, 1 failed\n"
	if out.String() != want {
		t.Errorf("it says\n%s; want\n%s", out.String(), want)
	}
}
