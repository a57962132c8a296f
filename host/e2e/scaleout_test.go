package e2e_test

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// freeBase is a number from which on the ports that examples/scaleout takes are free.
func freeBase(t *testing.T) int {
	t.Helper()
	for base := 21000; base < 30000; base += 100 {
		free := true
		for _, n := range []int{1, 2, 3, 11, 12, 13, 21, 22} {
			ln, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(base+n))
			if err != nil {
				free = false
				break
			}
			_ = ln.Close()
		}
		if free {
			return base
		}
	}
	t.Fatal("there are no free ports")
	return 0
}

// TestScaleOutExample runs the example: a key made on one gateway is used on
// the next and revoked on the last.
func TestScaleOutExample(t *testing.T) {
	dir, err := os.MkdirTemp("", "scaleout") // that of the test is closed to PostgreSQL's user
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	base := freeBase(t)
	cmd := exec.Command("../../examples/scaleout/run.sh")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "DIR=" + dir, "BASE=" + strconv.Itoa(base), "SIGNALBOX=" + filepath.Join(bin, "signalbox")}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var nodes []*gateway
	lines := bufio.NewScanner(out)
	for lines.Scan() && len(nodes) < 3 {
		name, rest, ok := strings.Cut(lines.Text(), ": ")
		data, admin, both := strings.Cut(rest, ", admin API at ")
		if ok && both && strings.HasPrefix(name, "node-") {
			nodes = append(nodes, &gateway{t: t, data: data, admin: admin})
			nodes[len(nodes)-1].watch()
		}
	}
	if len(nodes) == 3 {
		token, err := os.ReadFile(filepath.Join(dir, "admin.token"))
		if err != nil {
			t.Error(err)
		}
		useThree(t, nodes, string(token))
	} else {
		t.Errorf("%d of 3 gateways have come up", len(nodes))
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	for lines.Scan() { // to the end
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	late.Stop()
}

func useThree(t *testing.T, nodes []*gateway, token string) {
	t.Helper()
	signalbox := func(g *gateway, args ...string) string {
		t.Helper()
		cmd := exec.Command(filepath.Join(bin, "signalbox"), append(args, "--address", g.admin, "--token", token)...)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("signalbox %v: %v", args, err)
		}
		return string(out)
	}
	key := strings.TrimSpace(signalbox(nodes[0], "key", "create", "ci"))
	model := "fast"
	becomes(t, nodes[1:2], key, model, 200)
	signalbox(nodes[2], "key", "revoke", "ci")
	becomes(t, nodes, key, model, 401)
	if list := signalbox(nodes[1], "node", "list"); strings.Count(list, "node-") != 3 || strings.Count(list, " answers\n") != 1 {
		t.Errorf("nodes:\n%s", list)
	}
}
