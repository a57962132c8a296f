package provider

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/signalbox-ai/signalbox/host/provider/jail"
	"golang.org/x/sys/unix"
)

const insideVar = "SIGNALBOX_TEST_INSIDE"

// TestHostileAdapter runs TestInside as a user without privilege.
func TestHostileAdapter(t *testing.T) {
	if os.Getenv(insideVar) != "" {
		return
	}
	dir, err := os.MkdirTemp("", "sb")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "provider.test")
	if err := os.WriteFile(program, self, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-test.run", "^TestInside$", "-test.v", "-test.timeout", "2m")
	cmd.Dir = dir
	cmd.Env = []string{"PATH=/usr/bin:/bin", insideVar + "=" + dir, "PLANTED_SECRET=sk-planted"}
	if os.Getuid() == 0 {
		const nobody = 65534
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestInside") {
		t.Errorf("%v:\n%s", err, out)
	}
}

// inside is what the gateway of TestInside has that its adapter wants.
type inside struct {
	t                      *testing.T
	dir                    string
	upstream, admin        string // addresses
	docker, notify, secret string // paths
	try                    func(attempt string) string
}

// TestInside is the gateway of a hostile adapter.
func TestInside(t *testing.T) {
	dir := os.Getenv(insideVar)
	if dir == "" {
		return // TestHostileAdapter runs it
	}
	if os.Getuid() == 0 {
		t.Fatal("it runs as root")
	}
	if err := jail.Harden(); err != nil {
		t.Fatal(err)
	}
	in := &inside{t: t, dir: dir, docker: filepath.Join(dir, "docker.sock"), notify: filepath.Join(dir, "notify.sock"), secret: filepath.Join(dir, "signalbox.yaml")}
	in.listen()
	if err := os.WriteFile(in.secret, []byte("credentials"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := New(Options{NewTransport: newTransport, RunDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	spec := self(t, "fake", nil)
	spec.Hosts = []string{in.upstream}
	spec.Isolation.Memory = hostileMemory
	set := mustApply(t, s, spec)
	set.Commit()
	p := set.Provider("fake")
	in.try = func(attempt string) string {
		resp, err := send(p, "try "+attempt, "")
		if err != nil {
			return err.Error()
		}
		defer resp.Body.Close()
		raw, _ := io.ReadAll(resp.Body)
		return string(raw)
	}
	in.network()
	in.processes()
	in.files()
	in.bombs(s)
}

// listen opens what the adapter is not to reach, and the one upstream that it is.
func (in *inside) listen() {
	open := func(network, addr, says string) string {
		in.t.Helper()
		l, err := net.Listen(network, addr)
		if err != nil {
			in.t.Fatal(err)
		}
		in.t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = io.WriteString(c, says)
				c.Close()
			}
		}()
		return l.Addr().String()
	}
	in.upstream = open("tcp", "127.0.0.1:0", "pong")
	in.admin = open("tcp", "127.0.0.1:0", "admin")
	open("unix", in.docker, "docker")
	open("unix", "@signalbox-test", "abstract")
}

func (in *inside) denied(attempt string, want ...string) {
	in.t.Helper()
	got := in.try(attempt)
	for _, w := range want {
		if strings.Contains(got, w) {
			return
		}
	}
	in.t.Errorf("%s: got %q; want one of %q", attempt, got, want)
}

func (in *inside) network() {
	const noFamily = "address family not supported"
	for _, family := range []int{unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK, unix.AF_PACKET, unix.AF_VSOCK, unix.AF_ALG, unix.AF_KEY, unix.AF_BLUETOOTH, unix.AF_TIPC} {
		for _, kind := range []int{unix.SOCK_STREAM, unix.SOCK_DGRAM, unix.SOCK_RAW} {
			in.denied(fmt.Sprintf("socket %d %d", family, kind), noFamily)
		}
	}
	in.denied(fmt.Sprintf("socket %d %d", unix.AF_UNIX, unix.SOCK_DGRAM), noFamily)
	in.denied(fmt.Sprintf("socketpair %d", unix.SOCK_DGRAM), noFamily)
	in.denied("net.Dial "+in.admin, noFamily)
	in.denied("net.Dial 203.0.113.1:443", noFamily)
	in.denied("net.Dial 10.0.0.1:443", noFamily)
	in.denied("resolve secret.exfiltrated.example", "no such host", "server misbehaving", noFamily, "not permitted")
	in.denied("unix "+in.docker, "not permitted")
	in.denied("unix @signalbox-test", "not permitted")
	in.denied("egress "+in.upstream, "done") // the one that it may have
	in.denied("reconnect "+in.upstream+" "+in.admin, "not permitted")
	in.denied("fastopen "+in.upstream+" "+in.admin, "not permitted")
	for _, addr := range []string{in.admin, "169.254.169.254:80", "10.0.0.1:443", "203.0.113.1:443", "api.evil.example:443"} {
		in.denied("egress "+addr, "not among the provider's hosts")
	}
	in.denied("egress nonsense", "want host:port")
	in.denied("egress1000 "+in.upstream, "done")
	in.denied("egress "+in.upstream, "done")
}

func (in *inside) processes() {
	const no = "operation not permitted"
	for _, name := range []string{"ptrace", "process_vm_readv", "pidfd_open", "pidfd_getfd", "kill", "kill all", "kill group", "tkill", "tgkill",
		"sigqueue", "prlimit", "setaffinity", "setpriority", "setpriority user", "ioprio", "setpgid", "setsid", "setown", "tiocsti", "clone", "clone user",
		"unshare", "setns", "mount", "bpf", "perf", "userfaultfd", "keyctl", "add_key", "name_to_handle", "open_by_handle", "init_module", "kexec", "shmget"} {
		in.denied("call "+name, no)
	}
	in.denied("call io_uring", "not implemented")
	in.denied("call clone3", "not implemented")
	in.denied("call of next year", "not implemented")
	in.denied("exec /bin/true", no)
}

func (in *inside) files() {
	const no = "permission denied"
	for _, name := range []string{"environ", "mem", "maps", "auxv", "stack"} {
		in.denied("read /proc/PARENT/"+name, no)
	}
	in.denied("list /proc/PARENT/fd", no)
	in.denied("list /proc/PARENT/root/", no)
	if jail.Landlock() == 0 {
		in.t.Log("this kernel has no landlock: an adapter reads what its user may")
		return
	}
	in.denied("read "+in.secret, no)
	in.denied("list "+in.dir, no)
	in.denied("read /etc/hostname", no)
	in.denied("write "+filepath.Join(in.dir, "x"), no)
	in.denied("write /tmp/signalbox-test", no)
	in.denied("write mine", "done") // its own folder
}

func (in *inside) bombs(s *Supervisor) {
	in.denied("fds x", "too many open files")
	in.try("memory x") // it dies
	until(in.t, "restart", func() bool { st := s.Stats()[0]; return st.State == Running && st.Restarts > 0 })
	in.denied("egress "+in.upstream, "done")
}
