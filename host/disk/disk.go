// Package disk holds the files that must survive a killed process: locked
// against a second one, allocated in full so that a full disk is an error at
// open and not a SIGBUS later, and mapped, so that every store to memory is
// in the kernel's hands at once.
package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Lock is an exclusive lock on a file, held until Unlock or the end of the process.
type Lock struct{ file *os.File }

// NewLock creates the file at path when missing and locks it. The error names
// the process that holds the lock already.
func NewLock(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot open lock file %q: %w", path, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		pid, _ := os.ReadFile(path)
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("cannot lock %q: process %s uses %q already; stop it or choose another directory",
				path, strings.TrimSpace(string(pid)), filepath.Dir(path))
		}
		return nil, fmt.Errorf("cannot lock %q: %w", path, err)
	}
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0) // for people only
	}
	return &Lock{file: f}, nil
}

// Unlock gives the lock up. It tolerates nil and being called twice.
func (l *Lock) Unlock() {
	if l != nil && l.file != nil {
		l.file.Close()
		l.file = nil
	}
}

// Mapping is a file mapped into memory, shared with the kernel's page cache.
type Mapping struct {
	Data []byte
	file *os.File
}

// Map maps the file at path, which is created, or emptied if its size is
// another, and then allocated in full with zeros. fresh says that this was done.
func Map(path string, size int64) (m *Mapping, fresh bool, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, false, fmt.Errorf("cannot open %q: %w", path, err)
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, false, fmt.Errorf("cannot stat %q: %w", path, err)
	}
	fresh = info.Size() != size
	if fresh {
		err = f.Truncate(0)
	}
	if err == nil {
		err = allocate(f, size, fresh) // also an old file: a copy of it may have come out sparse
	}
	if err != nil {
		return nil, false, fmt.Errorf("cannot allocate %d bytes for %q: %w", size, path, err)
	}
	data, err := unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, false, fmt.Errorf("cannot map %q: %w", path, err)
	}
	return &Mapping{Data: data, file: f}, fresh, nil
}

// allocate puts blocks behind the first size bytes of f. On a file system that
// cannot, an empty file is written full.
func allocate(f *os.File, size int64, empty bool) error {
	err := unix.Fallocate(int(f.Fd()), 0, 0, size)
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.ENOSYS) {
		return err
	}
	if !empty {
		return nil
	}
	return writeZeros(f, size)
}

func writeZeros(f *os.File, size int64) error {
	zeros := make([]byte, 1<<16)
	for off := int64(0); off < size; off += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros[:min(int64(len(zeros)), size-off)], off); err != nil {
			return err
		}
	}
	return nil
}

// Sync returns when all of the file is on stable storage.
func (m *Mapping) Sync() error { return unix.Fdatasync(int(m.file.Fd())) }

// Close unmaps and closes the file. Data must not be touched afterwards.
func (m *Mapping) Close() error {
	if m.Data == nil {
		return nil
	}
	err := unix.Munmap(m.Data)
	m.Data = nil
	return errors.Join(err, m.file.Close())
}

// SyncDir makes the names in dir durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("cannot open directory %q: %w", dir, err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("cannot sync directory %q: %w", dir, err)
	}
	return nil
}

// BootID names the current run of the kernel: after a power cut or a reboot it
// is another one.
func BootID() ([16]byte, error) {
	const path = "/proc/sys/kernel/random/boot_id"
	var id [16]byte
	text, err := os.ReadFile(path)
	if err != nil {
		return id, fmt.Errorf("cannot read boot id: %w", err)
	}
	hex := strings.ReplaceAll(strings.TrimSpace(string(text)), "-", "")
	if len(hex) != 2*len(id) {
		return id, fmt.Errorf("cannot read boot id: %q has %q", path, text)
	}
	for i := range id {
		b, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			return id, fmt.Errorf("cannot read boot id: %q has %q", path, text)
		}
		id[i] = byte(b)
	}
	return id, nil
}
