// Package opatest gives tests the real opa: its command, built once from the
// module that go.mod names, bundles that it has built and signed, and a server
// of bundles with what such servers do, and do wrong.
package opatest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/open-policy-agent/opa"

var build = sync.OnceValues(func() (string, error) {
	version, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", module).Output()
	if err != nil {
		return "", fmt.Errorf("cannot tell opa's version: %w", err)
	}
	v := strings.TrimSpace(string(version))
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "signalbox-test", "opa-"+v)
	bin := filepath.Join(dir, "opa")
	if _, err := os.Stat(bin); err == nil {
		return bin, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	// Built apart and renamed: several test processes may be at it.
	tmp, err := os.MkdirTemp(dir, "build-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	// Outside of the module: opa's command needs modules that the gateway does not.
	c := exec.Command("go", "install", module+"@"+v)
	c.Dir = tmp
	c.Env = append(os.Environ(), "GOBIN="+tmp, "GOFLAGS=-mod=mod", "GOWORK=off")
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("cannot build opa %s: %w\n%s", v, err, out)
	}
	return bin, os.Rename(filepath.Join(tmp, "opa"), bin)
})

// Path is the opa command at go.mod's version. The first call on a machine
// builds it, which takes a minute.
func Path(t testing.TB) string {
	t.Helper()
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// Run runs opa in dir and returns what it prints.
func Run(t testing.TB, dir string, args ...string) string {
	t.Helper()
	c := exec.Command(Path(t), args...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("opa %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Build has opa build the folder into a bundle of that revision, as it is laid
// out, and returns the tarball.
func Build(t testing.TB, folder, revision string, args ...string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "bundle.tar.gz")
	Run(t, folder, append([]string{"build", "-b", ".", "--revision", revision, "-o", out}, args...)...)
	body, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return body
}
