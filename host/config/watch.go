package config

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// debounce is how long a file must be quiet before a change is reported:
// editors write in several steps.
const debounce = 150 * time.Millisecond

// Watcher reports changes of a configuration file and of the files that it
// refers to.
type Watcher struct {
	// C receives once after each burst of changes.
	C <-chan struct{}

	fs    *fsnotify.Watcher
	mu    sync.Mutex
	names map[string]bool // full paths
	done  chan struct{}
	once  sync.Once
}

// Watch starts to watch file. It watches the folder, so that a file that is
// replaced, as editors and Kubernetes do, stays watched.
func Watch(file string) (*Watcher, error) {
	fs, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("cannot watch config %q: %w", file, err)
	}
	c := make(chan struct{}, 1)
	w := &Watcher{C: c, fs: fs, names: map[string]bool{}, done: make(chan struct{})}
	if err := w.Follow(file); err != nil {
		fs.Close()
		return nil, err
	}
	go w.run(c)
	return w, nil
}

// Follow reports changes of further files too, and of all that lies in folders.
func (w *Watcher) Follow(files ...string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, file := range files {
		if w.names[filepath.Clean(file)] {
			continue
		}
		dir := filepath.Dir(file)
		if info, err := os.Stat(file); err == nil && info.IsDir() { // all that lies in it
			dir = file
		}
		if err := w.fs.Add(dir); err != nil {
			return fmt.Errorf("cannot watch %q: %w", file, err)
		}
		w.names[filepath.Clean(file)] = true
	}
	return nil
}

func (w *Watcher) follows(file string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	file = filepath.Clean(file)
	return w.names[file] || w.names[filepath.Dir(file)]
}

// Close stops watching; it may be called more than once.
func (w *Watcher) Close() {
	w.once.Do(func() {
		w.fs.Close()
		<-w.done
	})
}

func (w *Watcher) run(c chan<- struct{}) {
	defer close(w.done)
	quiet := time.NewTimer(debounce)
	quiet.Stop()
	defer quiet.Stop()
	for {
		select {
		case e, ok := <-w.fs.Events:
			if !ok {
				return
			}
			// Kubernetes swaps a link called ..data; the file's own name does not change.
			if w.follows(e.Name) && !e.Has(fsnotify.Chmod) || filepath.Base(e.Name) == "..data" {
				quiet.Reset(debounce)
			}
		case _, ok := <-w.fs.Errors: // an overflow: something may have changed
			if !ok {
				return
			}
			quiet.Reset(debounce)
		case <-quiet.C:
			select {
			case c <- struct{}{}:
			default: // a report is waiting already
			}
		}
	}
}
