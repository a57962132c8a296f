package policy

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long a bundle must have been quiet: an editor or a copy makes
// many events, and half a copy is not a bundle.
const settle = 200 * time.Millisecond

// watcher calls back after a bundle has changed on disk.
type watcher struct {
	fsw     *fsnotify.Watcher
	path    string // as configured, cleaned
	real    string // what that leads to now
	changed func()
	cancel  context.CancelFunc
	done    chan struct{}
}

func watch(ctx context.Context, path string, changed func()) (*watcher, error) {
	fsw, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	w := &watcher{fsw: fsw, path: filepath.Clean(path), changed: changed, done: make(chan struct{})}
	if err := w.add(); err != nil {
		fsw.Close()
		return nil, err
	}
	ctx, w.cancel = context.WithCancel(ctx)
	go w.run(ctx)
	return w, nil
}

// close ends the watch and waits for it; a nil watcher and a second call are fine.
func (w *watcher) close() {
	if w != nil {
		w.cancel()
		<-w.done
	}
}

func (w *watcher) run(ctx context.Context) {
	defer close(w.done)
	defer w.fsw.Close()
	quiet := time.NewTimer(settle)
	quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-w.fsw.Events:
			if w.concerns(e.Name) {
				quiet.Reset(settle)
			}
		case <-w.fsw.Errors: // events may be lost: look
			quiet.Reset(settle)
		case <-quiet.C:
			_ = w.add() // what is new; what is gone shows as a failed reload
			w.changed()
		}
	}
}

// concerns leaves out the neighbours of a bundle, whose folder is watched too.
func (w *watcher) concerns(name string) bool {
	name = filepath.Clean(name)
	for _, root := range []string{w.path, w.real} {
		if name == root || strings.HasPrefix(name, root+string(filepath.Separator)) {
			return true
		}
	}
	return false
}

// add watches folders, never files: a file that is replaced by renaming would
// be lost. The folder around the bundle is watched for a bundle that is
// replaced as a whole, and for a tarball.
func (w *watcher) add() error {
	if err := w.fsw.Add(filepath.Dir(w.path)); err != nil {
		return err
	}
	real, err := filepath.EvalSymlinks(w.path)
	if errors.Is(err, fs.ErrNotExist) { // it may come yet
		w.real = w.path
		return nil
	}
	if err != nil {
		return err
	}
	w.real = real
	return filepath.WalkDir(real, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return w.fsw.Add(p)
	})
}
