package policy

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/policy/opatest"
)

// copyDefault is a folder with the default bundle.
func copyDefault(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(defaultFolder)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestRealOPA has the real opa check, format, test and measure the default
// bundle with its schemas.
func TestRealOPA(t *testing.T) {
	dir := copyDefault(t)
	opatest.Run(t, dir, "check", "--strict", "--schema", "schemas/", ".")
	opatest.Run(t, dir, "fmt", "--fail", ".")
	rep, err := Check(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(dir + "/*.rego")
	if err != nil {
		t.Fatal(err)
	}
	if out := opatest.Run(t, dir, append([]string{"test", "data.json"}, files...)...); !strings.Contains(out, "PASS: ") || rep.Tests == 0 {
		t.Errorf("opa test says %s", out)
	}
}

// TestRealOPAKnowsTheSchemas: what is misspelt is found by opa and by the
// gateway alike.
func TestRealOPAKnowsTheSchemas(t *testing.T) {
	f := func(file, from, to, want string) {
		t.Helper()
		dir := copyDefault(t)
		path := filepath.Join(dir, file)
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		changed := bytes.Replace(body, []byte(from), []byte(to), 1)
		if bytes.Equal(changed, body) {
			t.Fatalf("%s is not there", from)
		}
		if err := os.WriteFile(path, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		c := exec.Command(opatest.Path(t), "check", "--strict", "--schema", "schemas/", ".")
		c.Dir = dir
		if out, err := c.CombinedOutput(); err == nil || !strings.Contains(string(out), want) {
			t.Errorf("opa says %v, %s, want %s", err, out, want)
		}
		if _, err := Check(dir, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the gateway says %v, want %s", err, want)
		}
	}
	f("operation.rego", "not ops[input.request.op]", "not ops[input.request.oop]", "undefined ref: input.request.oop")
	f("operation.rego", `input.request.priority == "high"`, "input.request.priority == 3", "match error")
	f("operation.rego", `input.request.path != ""`, `input.reqest.path != ""`, "undefined ref: input.reqest.path")
	f("access.rego", "data.signalbox.access.teams[", "data.signalbox.access.tems[", "undefined ref: data.signalbox.access.tems")
	f("catalogue.rego", "data.signalbox.catalogue.aliases[", "data.signalbox.catalogue.alias[", "undefined ref: data.signalbox.catalogue.alias")
}

const probeInput = `{"v": 1, "principal": {"auth": "key", "key_id": "k-1", "user": ""}}`

// opaOn runs opa on a bundle in a folder of its own.
func opaOn(t *testing.T, tarball []byte, args ...string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	for name, body := range map[string][]byte{"bundle.tar.gz": tarball, "input.json": []byte(probeInput)} {
		if err := os.WriteFile(filepath.Join(dir, name), body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := exec.Command(opatest.Path(t), args...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func TestBuiltBundle(t *testing.T) {
	one, revision, err := Build(defaultFolder, BuildOptions{Revision: "2026-05-04"})
	if err != nil || revision != "2026-05-04" {
		t.Fatal(revision, err)
	}
	if two, _, _ := Build(defaultFolder, BuildOptions{Revision: "2026-05-04"}); !bytes.Equal(one, two) {
		t.Error("the same content makes other bytes")
	}
	if out, err := opaOn(t, one, "eval", "-b", "bundle.tar.gz", "-i", "input.json", "-f", "raw", "data.signalbox.units.identity.permit"); err != nil || out != "true" {
		t.Errorf("opa says %s, %v", out, err)
	}
	path := filepath.Join(t.TempDir(), "bundle.tar.gz")
	if err := os.WriteFile(path, one, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := openWith(t, Options{Path: path, Deadline: slack}).Revision(); !strings.HasPrefix(got, "2026-05-04-") {
		t.Errorf("got revision %s", got)
	}
	if out := opatest.Run(t, filepath.Dir(path), "inspect", "bundle.tar.gz"); !strings.Contains(out, "2026-05-04") {
		t.Errorf("opa inspect says %s", out)
	}
	if _, _, err := Build(defaultFolder, BuildOptions{Roots: []string{"acme"}}); err == nil {
		t.Error("roots that do not hold the bundle are taken")
	}
}

func TestSignedBundle(t *testing.T) {
	for _, key := range []opatest.Key{opatest.RSA(t), opatest.EC(t)} {
		if got := SigningAlgorithm(key.File); got != key.Algorithm {
			t.Errorf("%s is taken to fit a key for %s", got, key.Algorithm)
		}
		signed, err := Sign(defaultFolder, SignOptions{Key: key.File, Algorithm: key.Algorithm, KeyID: "main"})
		if err != nil {
			t.Fatal(err)
		}
		verify := []string{"build", "-b", "bundle.tar.gz", "-o", "verified.tar.gz", "--verification-key-id", "main", "--signing-alg", key.Algorithm, "--verification-key", keyFile(t, key)}
		if out, err := opaOn(t, signed, verify...); err != nil {
			t.Errorf("%s: opa says %s, %v", key.Algorithm, out, err)
		}
		tampered := opatest.Repack(t, signed, func(name string, body []byte) []byte {
			if strings.HasSuffix(name, "identity.rego") {
				return append(body, "\n# x"...)
			}
			return body
		})
		if out, err := opaOn(t, tampered, verify...); err == nil {
			t.Errorf("%s: opa takes what was changed: %s", key.Algorithm, out)
		}
		verify[len(verify)-1] = keyFile(t, opatest.EC(t))
		if out, err := opaOn(t, signed, verify...); err == nil {
			t.Errorf("%s: opa takes another's signature: %s", key.Algorithm, out)
		}
	}
	if _, err := Sign(defaultFolder, SignOptions{Key: "not a key", Algorithm: "RS256"}); err == nil {
		t.Error("what is no key signs")
	}
}

// keyFile holds the public part: what opa is given as text it first takes for a
// path, which some keys are too long for.
func keyFile(t *testing.T, key opatest.Key) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "public.pem")
	if err := os.WriteFile(path, []byte(key.Public), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFormat(t *testing.T) {
	dir := files{"u": "deny contains {\"code\":\"x\"}   if input.net.tls == false"}.folder(t)
	found, err := Format(dir)
	if err != nil || len(found) != 1 || filepath.Base(found[0].File) != "u.rego" || !strings.Contains(string(found[0].Want), `deny contains {"code": "x"} if input.net.tls == false`) {
		t.Errorf("got %v, %v", found, err)
	}
	if found, err := Format(defaultFolder); err != nil || len(found) > 0 {
		t.Errorf("got %v, %v", found, err)
	}
	if _, err := Format(files{"u": "deny contains"}.folder(t)); err == nil {
		t.Error("what does not parse is formatted")
	}
}
