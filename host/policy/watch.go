package policy

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long a bundle must have been quiet: an editor or a copy makes
// many events, and half a copy is not a bundle.
const settle = 200 * time.Millisecond

// watcher calls back after a bundle has changed on disk.
type watcher struct {
	cancel context.CancelFunc
	done   chan struct{}
}

func watch(ctx context.Context, path string, changed func()) (*watcher, error) {
	fsw, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	if err := addFolders(fsw, path); err != nil {
		fsw.Close()
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	w := &watcher{cancel: cancel, done: make(chan struct{})}
	go w.run(ctx, fsw, path, changed)
	return w, nil
}

// close ends the watch and waits for it; a nil watcher and a second call are fine.
func (w *watcher) close() {
	if w != nil {
		w.cancel()
		<-w.done
	}
}

func (w *watcher) run(ctx context.Context, fsw *fsnotify.Watcher, path string, changed func()) {
	defer close(w.done)
	defer fsw.Close()
	quiet := time.NewTimer(settle)
	quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-fsw.Events:
			quiet.Reset(settle)
		case <-fsw.Errors: // events may be lost: look
			quiet.Reset(settle)
		case <-quiet.C:
			_ = addFolders(fsw, path) // what is new; what is gone shows as a failed reload
			changed()
		}
	}
}

// addFolders watches the folders of a bundle, never files: a file that is
// replaced by renaming would be lost. A tarball is watched through its folder.
func addFolders(fsw *fsnotify.Watcher, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fsw.Add(filepath.Dir(path))
	}
	return filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return fsw.Add(p)
	})
}
