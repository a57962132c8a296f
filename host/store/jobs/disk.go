package jobs

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/disk"
)

// folder keeps content in files of its own.
type folder struct {
	dir string
	s   *Store
}

// unready ends the names of files that are being written.
const unready = ".part"

func (f *folder) path(id string) (string, error) {
	if id == "" || strings.ContainsAny(id, "/\\.\x00") {
		return "", fmt.Errorf("%q is no id of a file", id)
	}
	return filepath.Join(f.dir, id), nil
}

func (f *folder) put(_ context.Context, id string, r io.Reader) (size int64, sum string, err error) {
	path, err := f.path(id)
	if err != nil {
		return 0, "", err
	}
	file, err := os.OpenFile(path+unready, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, "", err
	}
	hash := sha256.New()
	w := bufio.NewWriterSize(file, 64<<10)
	size, err = io.Copy(io.MultiWriter(w, hash), onlyReader{r})
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(path+unready, path)
	}
	if err == nil {
		err = disk.SyncDir(f.dir)
	}
	return size, hex.EncodeToString(hash.Sum(nil)), err
}

// onlyReader hides what else a reader can do: a WriterTo would write in pieces
// of its own size.
type onlyReader struct{ io.Reader }

func (f *folder) read(_ context.Context, id string, from int64) (io.ReadCloser, error) {
	path, err := f.path(id)
	if err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("its bytes are gone: %w", call.ErrNoFile)
	}
	if err == nil && from > 0 {
		if _, err = file.Seek(from, io.SeekStart); err != nil {
			err = errors.Join(err, file.Close())
		}
	}
	if err != nil {
		return nil, err
	}
	return file, nil
}

func (f *folder) drop(_ context.Context, id string) error {
	path, err := f.path(id)
	if err != nil {
		return err
	}
	for _, p := range []string{path, path + unready} {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (f *folder) sweep(ctx context.Context, before time.Time) error {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || info.ModTime().After(before) {
			continue // gone, or young
		}
		id := strings.TrimSuffix(e.Name(), unready)
		if known, err := f.s.known(ctx, id); err != nil {
			return err
		} else if known {
			continue
		}
		if err := f.drop(ctx, id); err != nil {
			return err
		}
	}
	return nil
}
