package jail

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestArguments(t *testing.T) {
	p := Policy{Fenced: true, Memory: 1 << 30, Files: 99, Read: []string{"/a=b", "/c"}, Write: []string{"/d"}}
	target := Target{FD: 4, Keep: 4, Args: []string{"x", "--", "fd=1"}}
	args := Args(&p, &target)
	gotP, gotT, err := parse(args[1:])
	if err != nil {
		t.Fatal(err)
	}
	if !gotP.Fenced || gotP.Processes || gotP.Memory != p.Memory || gotP.Files != 99 || !slices.Equal(gotP.Read, p.Read) || !slices.Equal(gotP.Write, p.Write) {
		t.Errorf("got %+v", gotP)
	}
	if gotT.FD != 4 || gotT.Keep != 4 || gotT.Path != "" || !slices.Equal(gotT.Args, target.Args) {
		t.Errorf("got %+v", gotT)
	}
	for _, bad := range [][]string{{}, {"fd=x", "--"}, {"nonsense=1", "--"}, {"fd=1"}} {
		if _, _, err := parse(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

// shell runs a command in the jail: this test's own binary is the trampoline.
func shell(p *Policy, line string) (string, error) {
	args := Args(p, &Target{Path: "/bin/sh", Keep: 3, Args: []string{"sh", "-c", line}})
	out, err := (&exec.Cmd{Path: Program, Args: args, SysProcAttr: &unix.SysProcAttr{Setpgid: true}}).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func TestTrampoline(t *testing.T) {
	f := func(p Policy, line, want string) {
		t.Helper()
		if got, _ := shell(&p, line); !strings.Contains(got, want) {
			t.Errorf("%s: got %q; want %q", line, got, want)
		}
	}
	f(Policy{}, "echo hello", "hello")
	f(Policy{}, "echo $(echo no)", "annot fork")
	f(Policy{Processes: true}, "echo $(echo yes)", "yes")
	f(Policy{Files: 77, Memory: 1 << 27}, "ulimit -n; ulimit -d; ulimit -c", "77\n131072\n")
	f(Policy{}, "while read k v; do case $k in NoNewPrivs:|Seccomp:|CapEff:|CapBnd:) echo $k $v;; esac; done </proc/self/status",
		"CapEff: 0000000000000000\nCapBnd: 0000000000000000\nNoNewPrivs: 1\nSeccomp: 2")
	f(Policy{}, "read x </proc/self/oom_score_adj; echo $x", "500")
	if Landlock() > 0 {
		f(Policy{Read: []string{"/usr", "/lib", "/lib64", "/bin"}}, "read x </etc/hostname", "ermission denied")
		f(Policy{Read: []string{"/usr", "/lib", "/lib64", "/bin"}}, "echo x >/tmp/signalbox-jail-test", "ermission denied")
	}
	f(Policy{Read: []string{"/"}}, "read x </etc/passwd; echo $x", "root")
}

func TestFilterFitsTheKernel(t *testing.T) {
	for _, p := range []Policy{{}, {Fenced: true}, {Fenced: true, Processes: true}} {
		n := len(p.filter(10, 9, 8))
		t.Logf("%+v: %d instructions", p, n)
		if n > 4096 {
			t.Errorf("%d instructions; the kernel takes 4096", n)
		}
	}
}
