// Package spool puts the bodies of uploads aside: what does not fit a little
// memory goes to files that have no name, so that nothing is left of them
// whatever ends the process.
package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// inMemory is how much of a body is held in memory, headRoom how much of all
// bodies together, and piece how much of the rest at a time.
const (
	inMemory = 1 << 20
	headRoom = 64 << 20
	piece    = 64 << 10
)

// share is the part of the room that one owner's uploads may take, so that no
// caller keeps the others out.
const share = 2

// ErrFull says that running uploads take all the room that they may.
var ErrFull = errors.New("running uploads take all the room that they may")

// Folder is where bodies go. It is safe for concurrent use.
type Folder struct {
	dir   string
	quota int64
	heads atomic.Int64 // bytes of bodies in memory

	mu     sync.Mutex
	used   int64            // bytes on disk
	owners map[string]int64 // of each that has any
}

// New returns a folder for at most quota bytes on disk at a time.
func New(dir string, quota int64) *Folder {
	return &Folder{dir: dir, quota: quota, owners: map[string]int64{}}
}

// Used is how many bytes lie on disk now.
func (f *Folder) Used() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.used
}

// take makes room for n more bytes of owner's on disk.
func (f *Folder) take(owner string, n int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.used+n > f.quota || f.owners[owner]+n > f.quota/share {
		return false
	}
	f.used += n
	f.owners[owner] += n
	return true
}

func (f *Folder) giveBack(owner string, n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.used -= n
	if f.owners[owner] -= n; f.owners[owner] == 0 {
		delete(f.owners, owner)
	}
}

// Body is one body that was put aside. It is written by one goroutine and may
// then be sent by several.
type Body struct {
	folder *Folder
	owner  string
	head   []byte
	file   *os.File // what lies behind head
	rest   int64    // bytes in file
}

// Body returns an empty body of owner's.
func (f *Folder) Body(owner string) *Body { return &Body{folder: f, owner: owner} }

// Size is how many bytes were written.
func (b *Body) Size() int64 { return int64(len(b.head)) + b.rest }

// Write implements io.Writer.
func (b *Body) Write(p []byte) (int, error) {
	n := 0
	if b.file == nil {
		n = min(len(p), inMemory-len(b.head))
		if b.folder.heads.Add(int64(n)) > headRoom { // of many uploads at a time, all goes to disk
			b.folder.heads.Add(-int64(n))
			n = 0
		}
		b.head = append(b.head, p[:n]...)
	}
	if n == len(p) {
		return n, nil
	}
	m, err := b.spill(p[n:])
	return n + m, err
}

func (b *Body) spill(p []byte) (int, error) {
	if b.file == nil {
		if err := b.create(); err != nil {
			return 0, err
		}
	}
	if !b.folder.take(b.owner, int64(len(p))) {
		return 0, ErrFull
	}
	b.rest += int64(len(p))
	n, err := b.file.WriteAt(p, b.rest-int64(len(p)))
	if err != nil {
		err = fmt.Errorf("cannot put upload aside: %w", err)
	}
	return n, err
}

func (b *Body) create() error {
	file, err := os.CreateTemp(b.folder.dir, "upload-*")
	if err != nil {
		return fmt.Errorf("cannot put upload aside: %w", err)
	}
	if err := os.Remove(file.Name()); err != nil {
		return errors.Join(fmt.Errorf("cannot put upload aside: %w", err), file.Close())
	}
	b.file = file
	return nil
}

// Clean removes what a crash may have left between the making of a file and
// the removal of its name.
func (f *Folder) Clean() error {
	left, err := filepath.Glob(filepath.Join(f.dir, "upload-*"))
	for _, name := range left {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}

var pieces = sync.Pool{New: func() any { b := make([]byte, piece); return &b }}

// Send writes the bytes from from to to.
func (b *Body) Send(w io.Writer, from, to int64) error {
	if from < 0 || from > to || to > b.Size() {
		return fmt.Errorf("BUG: cannot send part of upload; got %d to %d; want within %d", from, to, b.Size())
	}
	if head := int64(len(b.head)); from < head {
		n := min(to, head)
		if _, err := w.Write(b.head[from:n]); err != nil {
			return err
		}
		from = n
	}
	if from == to {
		return nil
	}
	buf := pieces.Get().(*[]byte)
	defer pieces.Put(buf)
	for from < to {
		at := from - int64(len(b.head))
		n, err := b.file.ReadAt((*buf)[:min(to-from, piece)], at)
		if n == 0 && err != nil {
			return fmt.Errorf("cannot read upload again: %w", err)
		}
		if _, err := w.Write((*buf)[:n]); err != nil {
			return err
		}
		from += int64(n)
	}
	return nil
}

// Close gives up the body.
func (b *Body) Close() error {
	b.folder.giveBack(b.owner, b.rest)
	b.folder.heads.Add(-int64(len(b.head)))
	b.head, b.rest = nil, 0
	if b.file == nil {
		return nil
	}
	file := b.file
	b.file = nil
	return file.Close()
}
