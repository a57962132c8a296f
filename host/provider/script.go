package provider

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Bounds of the folder of a script, which is copied whole.
const (
	maxScriptFiles = 4096
	maxScriptBytes = 256 << 20
)

// script copies the folder of an adapter that needs an interpreter to a
// private one and hashes the copy: sha256 over the lines that
//
//	find . -type f -printf '%P\n' | LC_ALL=C sort | xargs sha256sum
//
// prints in it. A script reads its own files while it runs, so that hashing
// the one file would say nothing.
func script(path, into string) (*image, error) {
	var listing bytes.Buffer
	files, size := 0, int64(0)
	from := filepath.Dir(path)
	err := fs.WalkDir(os.DirFS(from), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			if name == "." {
				return nil
			}
			return os.Mkdir(filepath.Join(into, name), 0o700)
		case !d.Type().IsRegular():
			return fmt.Errorf("%s is neither a file nor a folder; a script's folder may hold nothing else", name)
		}
		n, sum, err := copyHashed(filepath.Join(from, name), filepath.Join(into, name))
		if files, size = files+1, size+n; err == nil && (files > maxScriptFiles || size > maxScriptBytes) {
			err = fmt.Errorf("its folder holds more than %d files or %d bytes; give the script a folder of its own", maxScriptFiles, maxScriptBytes)
		}
		fmt.Fprintf(&listing, "%s  %s\n", sum, name)
		return err
	})
	if err != nil {
		os.RemoveAll(into)
		return nil, err
	}
	total := sha256.Sum256(listing.Bytes())
	return &image{exec: filepath.Join(into, filepath.Base(path)), folder: into, listing: listing.Bytes(), sha256: hex.EncodeToString(total[:])}, nil
}

// copyHashed copies a file and returns the hash of the copy.
func copyHashed(from, to string) (n int64, sum string, err error) {
	in, err := os.Open(from)
	if err != nil {
		return 0, "", err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return 0, "", err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600|info.Mode().Perm()&0o100)
	if err != nil {
		return 0, "", err
	}
	defer out.Close()
	if n, err = io.Copy(out, io.LimitReader(in, maxScriptBytes+1)); err == nil {
		_, err = out.Seek(0, io.SeekStart)
	}
	if err == nil {
		sum, err = hash(out)
	}
	return n, sum, err
}
