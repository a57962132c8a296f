// Package pgtest gives tests a PostgreSQL of their own: one server for a test
// process, from the distribution's package, in a folder of its own and on a
// Unix socket, and in it a fresh database for each test. Without the package
// the test fails.
//
// The server ends with the test process, however that ends.
package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

var (
	shared   = sync.OnceValues(start)
	database atomic.Int64
)

// New returns the url of an empty database that ends with the test.
func New(t testing.TB) string {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatalf("cannot start PostgreSQL: %v", err)
	}
	name := fmt.Sprintf("t%d", database.Add(1))
	if err := s.exec("CREATE DATABASE " + name); err != nil {
		t.Fatalf("cannot create database %q: %v", name, err)
	}
	t.Cleanup(func() {
		if err := s.exec("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Errorf("cannot drop database %q: %v", name, err)
		}
	})
	return s.url(name)
}

// NewAs is New for a role that is no superuser and may make tables in a schema
// of its own alone.
func NewAs(t testing.TB, role string) string {
	t.Helper()
	raw := New(t)
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	c, err := pgx.Connect(ctx, raw)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	name := role + u.Path[1:]
	if _, err := c.Exec(ctx, "REVOKE CREATE ON SCHEMA public FROM public; CREATE ROLE "+name+" LOGIN; CREATE SCHEMA AUTHORIZATION "+name); err != nil {
		t.Fatalf("cannot make role %q: %v", name, err)
	}
	u.User = url.User(name)
	return u.String()
}

// Socket is the path of the server's Unix socket, for tests that put something between.
func Socket(t testing.TB) string {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatalf("cannot start PostgreSQL: %v", err)
	}
	return s.socket()
}

// server is a running PostgreSQL.
type server struct {
	dir  string
	life *os.File // the server ends when this is closed, as it is with the process
}

const superuser = "signalbox"

func (s *server) url(name string) string {
	u := url.URL{Scheme: "postgres", User: url.User(superuser), Path: "/" + name, RawQuery: url.Values{"host": {s.dir}}.Encode()}
	return u.String()
}

func (s *server) exec(query string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, query)
	return errors.Join(err, c.Close(ctx))
}

// programs is the folder of the distribution's newest PostgreSQL.
func programs() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", errors.New("there is no /usr/lib/postgresql/*/bin/postgres: run make needs, or install the package postgresql")
	}
	newest := slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })
	return filepath.Dir(newest), nil
}

func version(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path)))) // a folder of another kind comes last
	return n
}

// keeper runs the server until its standard input ends, which it does with the
// test process, also a killed one; then it removes the folder.
const keeper = `"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c fsync=off -c max_connections=200 \
	-c shared_buffers=32MB -c log_min_messages=warning -c autovacuum=off >"$2/log" 2>&1 &
read -r _
kill -QUIT $!
wait
cd / && rm -rf "$2"`

// place is a folder for a server, and how its programs are to be run.
type place struct {
	bin  string
	dir  string
	attr *syscall.SysProcAttr
}

func newPlace() (p place, err error) {
	if p.bin, err = programs(); err != nil {
		return p, err
	}
	if p.dir, err = os.MkdirTemp("", "pgtest"); err != nil {
		return p, err
	}
	p.attr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C is for the test; the server then ends after it
	p.attr.Credential, err = plainUser(p.dir)
	return p, err
}

// run runs one of PostgreSQL's programs to its end.
func (p place) run(program string, args ...string) error {
	c := exec.Command(filepath.Join(p.bin, program), args...)
	c.SysProcAttr, c.Dir = p.attr, p.dir
	if out, err := c.CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("%s: %w: %s", program, err, out), os.RemoveAll(p.dir))
	}
	return nil
}

// serve starts the server whose data lie in the place.
func (p place) serve() (*server, error) {
	s := &server{dir: p.dir}
	in, life, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	s.life = life
	cmd := exec.Command("/bin/sh", "-c", keeper, "keeper", p.bin, p.dir)
	cmd.SysProcAttr, cmd.Dir, cmd.Stdin = p.attr, p.dir, in
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	in.Close()
	return s, s.ready()
}

func start() (*server, error) {
	p, err := newPlace()
	if err != nil {
		return nil, err
	}
	if err := p.run("initdb", "-D", filepath.Join(p.dir, "data"), "-U", superuser, "--auth=trust", "--no-sync", "--locale=C", "--encoding=UTF8"); err != nil {
		return nil, err
	}
	return p.serve()
}

// plainUser is who the server runs as, nil for the test's own user: it refuses
// to run as root.
func plainUser(dir string) (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, os.Chown(dir, uid, gid)
}

// ready waits until the server takes connections.
func (s *server) ready() (err error) {
	for range 600 {
		if err = s.exec("SELECT 1"); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	return fmt.Errorf("it does not answer: %w: %s", err, bytes.TrimSpace(log))
}
