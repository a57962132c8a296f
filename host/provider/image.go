package provider

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// image is an adapter's program in a form that can no longer be changed, so
// that what was hashed is what is executed, at every restart.
type image struct {
	file    *os.File // a sealed memory file; nil for a script
	folder  string   // the private copy of a script's folder
	exec    string   // the path of a script
	listing []byte   // the files of a script's folder with their hashes; its hash is that of this
	sha256  string
	refs    int
}

func (im *image) close() {
	if im.file != nil {
		im.file.Close()
		return
	}
	os.RemoveAll(im.folder)
}

// images shares equal images between processes.
type images struct {
	folder func() (string, error) // makes a private folder
	mu     sync.Mutex
	bySHA  map[string]*image
}

// load returns the image of the program at path; the caller releases it. A
// program that runs already is found by the hash of its file and not copied
// again.
func (s *images) load(path, pin string) (*image, error) {
	im, err := s.find(path)
	if err != nil {
		return nil, err
	}
	if pin != "" && pin != im.sha256 {
		s.release(im)
		return nil, fmt.Errorf("adapter %q has sha256 %s; the configuration pins %s: restore the file or change adapter.sha256", path, im.sha256, pin)
	}
	return im, nil
}

func (s *images) find(path string) (*image, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open adapter: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		return nil, fmt.Errorf("cannot execute adapter %q: it is not an executable file", path)
	}
	var head [2]byte
	if _, err := f.ReadAt(head[:], 0); err != nil {
		return nil, fmt.Errorf("cannot read adapter %q: %w", path, err)
	}
	if string(head[:]) == "#!" {
		return s.script(path)
	}
	sum, err := hash(f)
	if err != nil {
		return nil, fmt.Errorf("cannot read adapter %q: %w", path, err)
	}
	if im := s.acquire(sum); im != nil {
		return im, nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("cannot read adapter %q: %w", path, err)
	}
	im, err := seal(f, filepath.Base(path))
	if err != nil {
		return nil, fmt.Errorf("cannot copy adapter %q: %w", path, err)
	}
	return s.add(im), nil
}

func (s *images) script(path string) (*image, error) {
	into, err := s.folder()
	if err != nil {
		return nil, err
	}
	im, err := script(path, into)
	if err != nil {
		return nil, fmt.Errorf("cannot copy adapter %q: %w", path, err)
	}
	return s.add(im), nil
}

func (s *images) acquire(sum string) *image {
	s.mu.Lock()
	defer s.mu.Unlock()
	im := s.bySHA[sum]
	if im != nil {
		im.refs++
	}
	return im
}

// add counts one reference to im, or to an equal image that is there already.
func (s *images) add(im *image) *image {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.bySHA[im.sha256]; old != nil {
		im.close()
		im = old
	}
	if s.bySHA == nil {
		s.bySHA = map[string]*image{}
	}
	s.bySHA[im.sha256] = im
	im.refs++
	return im
}

func (s *images) release(im *image) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if im.refs--; im.refs == 0 {
		im.close()
		delete(s.bySHA, im.sha256)
	}
}

// content is what a signature of im is made of.
func (im *image) content() ([]byte, error) {
	if im.file == nil {
		return im.listing, nil
	}
	return io.ReadAll(io.NewSectionReader(im.file, 0, 1<<62))
}

func hash(r io.Reader) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// seal copies a program into a memory file, seals that and hashes what it holds then.
func seal(from io.Reader, name string) (*image, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_EXEC)
	if err == unix.EINVAL { // a kernel before 6.3 knows no MFD_EXEC, and needs none
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	im := &image{file: os.NewFile(uintptr(fd), name)}
	if _, err = io.Copy(im.file, from); err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SEAL|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE)
	}
	if err == nil {
		im.sha256, err = hash(io.NewSectionReader(im.file, 0, 1<<62))
	}
	if err != nil {
		im.file.Close()
		return nil, err
	}
	return im, nil
}
