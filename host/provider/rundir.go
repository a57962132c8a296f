package provider

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// maxRunDir leaves room for the names below it in the 108 bytes that a unix
// socket's path may have.
const maxRunDir = 60

// runDir is a private folder in which every process gets one of its own.
type runDir struct {
	path string
	lock *os.File
	next atomic.Int64
}

// openRunDir makes a folder in parent and removes those that earlier runs left
// behind: nobody holds their locks any more.
func openRunDir(parent string) (*runDir, error) {
	if parent == "" {
		parent = os.TempDir()
	}
	parent, err := filepath.Abs(parent)
	if err != nil {
		return nil, fmt.Errorf("cannot make run folder: %w", err)
	}
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make run folder: %w", err)
	}
	sweepRunDirs(parent)
	path, err := os.MkdirTemp(parent, runPrefix)
	if err != nil {
		return nil, fmt.Errorf("cannot make run folder: %w", err)
	}
	d := &runDir{path: path}
	if len(path) > maxRunDir {
		err = fmt.Errorf("its name has %d bytes, sockets in it can have %d: choose a shorter one", len(path), maxRunDir)
	} else {
		d.lock, err = lockFile(filepath.Join(path, lockName))
	}
	if err != nil {
		os.RemoveAll(path)
		return nil, fmt.Errorf("cannot use run folder %q: %w", path, err)
	}
	return d, nil
}

const (
	runPrefix = "sb-run-"
	lockName  = "lock"
)

func sweepRunDirs(parent string) {
	old, _ := filepath.Glob(filepath.Join(parent, runPrefix+"*"))
	for _, dir := range old {
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() {
			continue
		}
		f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|unix.O_NOFOLLOW, 0)
		if err != nil {
			continue
		}
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			os.RemoveAll(dir)
		}
		f.Close()
	}
}

// lockFile makes a locked file. It gets its name only when it is locked: a
// gateway that starts at the same time would take the folder for abandoned.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_RDWR|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// folder makes the folder of one process.
func (d *runDir) folder() (string, error) {
	path := filepath.Join(d.path, strconv.FormatInt(d.next.Add(1), 10))
	if err := os.Mkdir(path, 0o700); err != nil {
		return "", fmt.Errorf("cannot make folder of adapter: %w", err)
	}
	return path, nil
}

func (d *runDir) close() {
	os.RemoveAll(d.path)
	d.lock.Close()
}
