package pgtest

import (
	"bytes"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/door"
)

// Pair is a PostgreSQL and its synchronous standby behind one address, as the
// documents advise for several gateways.
type Pair struct {
	t                testing.TB
	place            place // of the primary
	primary, standby *server
	former           []*server // that were started again
	door             *door.Door
}

// NewPair starts both; they end with the test.
func NewPair(t testing.TB) *Pair {
	t.Helper()
	p := &Pair{t: t}
	a, err := newPlace()
	p.must(err)
	p.must(a.run("initdb", "-D", filepath.Join(a.dir, "data"), "-U", superuser, "--auth=trust", "--no-sync", "--locale=C", "--encoding=UTF8"))
	p.place = a
	p.primary, err = a.serve()
	p.must(err)
	first := p.primary
	t.Cleanup(func() { _ = first.life.Close() })
	p.must(p.primary.exec("CREATE DATABASE shared"))

	b, err := newPlace()
	p.must(err)
	p.must(b.run("pg_basebackup", "-D", filepath.Join(b.dir, "data"), "-h", a.dir, "-U", superuser, "-R", "-X", "stream", "-c", "fast", "--no-sync"))
	p.standby, err = b.serve()
	p.must(err)
	t.Cleanup(func() { _ = p.standby.life.Close() })
	p.must(p.primary.exec("ALTER SYSTEM SET synchronous_standby_names = '*'"))
	p.must(p.primary.exec("SELECT pg_reload_conf()"))
	p.door = door.New(t, "unix", p.primary.socket())
	return p
}

func (p *Pair) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatalf("cannot start PostgreSQL and its standby: %v", err)
	}
}

func (s *server) socket() string { return filepath.Join(s.dir, ".s.PGSQL.5432") }

// URL is that of an empty database, through the door.
func (p *Pair) URL() string {
	u := url.URL{Scheme: "postgres", User: url.User(superuser), Host: p.door.Address(), Path: "/shared", RawQuery: "sslmode=disable"}
	return u.String()
}

// Door is what clients go through.
func (p *Pair) Door() *door.Door { return p.door }

// Failover ends the primary at once, as a crash does; the standby takes over.
func (p *Pair) Failover() {
	p.t.Helper()
	p.door.Shut()
	p.crash()
	p.must(p.standby.exec("SELECT pg_promote(true, 60)"))
	p.door.Lead("unix", p.standby.socket())
}

// Restart ends the primary as a crash does, and starts it again.
func (p *Pair) Restart() {
	p.t.Helper()
	p.crash()
	again, err := p.place.serve()
	p.must(err)
	p.t.Cleanup(func() { _ = again.life.Close() })
	p.former = append(p.former, p.primary) // its keeper would clear the folder up once this is collected
	p.primary = again
}

// crash returns when the primary has ended.
func (p *Pair) crash() {
	p.t.Helper()
	file := filepath.Join(p.primary.dir, "data", "postmaster.pid")
	text, err := os.ReadFile(file)
	p.must(err)
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(line)
	p.must(err)
	p.must(syscall.Kill(pid, syscall.SIGQUIT))
	for range 1000 {
		stat, err := os.ReadFile(filepath.Join("/proc", line, "stat"))
		if err != nil || bytes.Contains(stat, []byte(") Z ")) { // nobody has asked yet how it ended
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	p.t.Fatalf("PostgreSQL, process %d, does not end", pid)
}
