// Package logfile writes lines to a file that puts itself aside when it has
// grown, and that others may put aside: a file that is no longer the one of its
// name is opened anew.
package logfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Options of a File.
type Options struct {
	Path string        // "-": standard output, of which nothing below is true
	Max  int64         // bytes after which it is put aside; 0: it is not
	Keep int           // older ones: path.1 is the youngest; 0: all
	Age  time.Duration // after which older ones are removed; 0: never
}

// File is an open file. It belongs to one goroutine.
type File struct {
	opt     Options
	out     io.Writer // in place of f, nil: there is none
	f       *os.File
	size    int64
	buf     []byte
	held    int // lines in buf
	looked  time.Time
	Rotated int64 // times that it was put aside, by itself or others
}

const (
	most  = 64 << 10    // is written at once
	every = time.Second // between two looks at whether the file is still there

	patience = 5 * time.Second // with whoever reads a pipe
)

// Open opens the file, or makes it.
func Open(opt Options) (*File, error) {
	s := &File{opt: opt}
	if opt.Path == "-" {
		s.out = os.Stdout
		return s, nil
	}
	if err := os.MkdirAll(filepath.Dir(opt.Path), 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the folder of log %q: %w", opt.Path, err)
	}
	return s, s.open()
}

func (s *File) open() (err error) {
	// A pipe that nobody reads is an error, not a wait.
	if s.f, err = os.OpenFile(s.opt.Path, os.O_CREATE|os.O_WRONLY|os.O_APPEND|syscall.O_NONBLOCK, 0o600); err != nil {
		return fmt.Errorf("cannot open log %q: %w", s.opt.Path, err)
	}
	info, err := s.f.Stat()
	if err != nil {
		return fmt.Errorf("cannot open log %q: %w", s.opt.Path, err)
	}
	s.size = info.Size()
	return nil
}

// Put adds a line, without its end. It may be kept until Flush. With an error
// come the lines that are lost, of those that were put before too.
func (s *File) Put(line []byte) (lost int, err error) {
	if s.full(len(line)) {
		lost, err = s.save()
		if s.look(); s.full(len(line)) { // unless somebody else has put it aside
			err = errors.Join(err, s.rotate())
		}
	}
	s.buf = append(append(s.buf, line...), '\n')
	s.held++
	if len(s.buf) >= most {
		more, failed := s.save()
		lost, err = lost+more, errors.Join(err, failed)
	}
	return lost, err
}

// full reports whether the file has no room for a line of n bytes.
func (s *File) full(n int) bool {
	size := s.size + int64(len(s.buf))
	return s.opt.Max > 0 && s.out == nil && size > 0 && size+int64(n) >= s.opt.Max
}

// Flush writes what is held.
func (s *File) Flush(now time.Time) (lost int, err error) {
	if now.Sub(s.looked) >= every {
		s.looked = now
		s.look()
	}
	if len(s.buf) == 0 {
		return 0, nil
	}
	return s.save()
}

// look closes a file that others have put aside, and learns how large it is: a
// log that another one goes on for may still write to it.
func (s *File) look() {
	if s.f == nil {
		return
	}
	mine, err := s.f.Stat()
	if err != nil {
		return // writing will tell
	}
	s.size = mine.Size()
	if there, err := os.Stat(s.opt.Path); err != nil || !os.SameFile(mine, there) {
		_ = s.f.Close() // all that was written is in it
		s.f, s.size = nil, 0
		s.Rotated++
	}
}

// save writes what is held, all of it or nothing: half a line would spoil the next.
func (s *File) save() (lost int, err error) {
	switch {
	case s.out != nil:
		_, err = s.out.Write(s.buf)
	case s.f == nil:
		err = s.open()
	}
	if err == nil && s.f != nil {
		var n int
		_ = s.f.SetWriteDeadline(time.Now().Add(patience)) // files know none
		if n, err = s.f.Write(s.buf); err != nil && n > 0 {
			err = errors.Join(err, s.takeBack(int64(n)))
		}
	}
	if err == nil {
		s.size += int64(len(s.buf))
	} else {
		lost = s.held
	}
	s.buf, s.held = s.buf[:0], 0
	return lost, err
}

// takeBack cuts the last n bytes off, which are half of what was to be written.
func (s *File) takeBack(n int64) error {
	info, err := s.f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return err // of a pipe there is nothing to take back
	}
	return s.f.Truncate(info.Size() - n)
}

// rotate puts the file aside.
func (s *File) rotate() error {
	var err error
	if s.f != nil {
		err = s.f.Close()
		s.f = nil
	}
	older, _ := s.older() // without them there is nothing to move
	for i := len(older); i > 0; i-- {
		if s.opt.Keep > 0 && i >= s.opt.Keep {
			err = errors.Join(err, gone(os.Remove(s.name(i))))
			continue
		}
		err = errors.Join(err, gone(os.Rename(s.name(i), s.name(i+1))))
	}
	err = errors.Join(err, gone(os.Rename(s.opt.Path, s.name(1))))
	s.Rotated++
	return errors.Join(err, s.open())
}

func (s *File) name(i int) string { return fmt.Sprintf("%s.%d", s.opt.Path, i) }

// older are the files that were put aside, without a gap, the youngest first.
func (s *File) older() (list []fs.FileInfo, err error) {
	for i := 1; ; i++ {
		info, err := os.Stat(s.name(i))
		if err != nil {
			return list, gone(err)
		}
		list = append(list, info)
	}
}

// Expire removes older files whose last line is older than Options.Age.
func (s *File) Expire(now time.Time) error {
	if s.opt.Age <= 0 || s.out != nil {
		return nil
	}
	older, err := s.older()
	for i := len(older); i > 0; i-- {
		if now.Sub(older[i-1].ModTime()) < s.opt.Age {
			break
		}
		err = errors.Join(err, gone(os.Remove(s.name(i))))
	}
	return err
}

// gone makes no error of a file that is not there.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Close writes what is held and closes the file.
func (s *File) Close() (lost int, err error) {
	if len(s.buf) > 0 {
		lost, err = s.save()
	}
	if s.f == nil {
		return lost, err
	}
	if syncErr := s.f.Sync(); syncErr != nil && !strings.Contains(syncErr.Error(), "invalid argument") { // of a pipe
		err = errors.Join(err, syncErr)
	}
	return lost, errors.Join(err, s.f.Close())
}
