// Package depot keeps installed adapters: what name and version are which
// program, by its hash, and which version of a name is in use.
package depot

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Adapter is one version of an installed adapter.
type Adapter struct {
	Name      string    `json:"name"`
	Version   string    `json:"version"`
	SHA256    string    `json:"sha256"`              // of the program, or of a script's folder
	Entry     string    `json:"entry"`               // the file that is executed
	SignedBy  string    `json:"signed_by,omitempty"` // the key's id
	Installed time.Time `json:"installed"`
	// Rejected says why it is not to be used again unless it is asked for.
	Rejected string `json:"rejected,omitempty"`
	Current  bool   `json:"current"`
}

// index is what the depot's file holds.
type index struct {
	Current  map[string]string `json:"current"` // version by name
	Previous map[string]string `json:"previous"`
	Adapters []Adapter         `json:"adapters"`
}

// Depot is a folder of installed adapters.
type Depot struct {
	dir string
	mu  sync.Mutex
	at  index
}

const indexFile = "catalogue.json"

var (
	names    = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)
	versions = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$`)
)

// Open reads the depot in dir, which need not be there yet.
func Open(dir string) (*Depot, error) {
	d := &Depot{dir: dir, at: index{Current: map[string]string{}, Previous: map[string]string{}}}
	raw, err := os.ReadFile(filepath.Join(dir, indexFile))
	if errors.Is(err, fs.ErrNotExist) {
		return d, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &d.at)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the catalogue of adapters: %w", err)
	}
	for i := range d.at.Adapters {
		if err := d.at.Adapters[i].check(); err != nil {
			return nil, fmt.Errorf("cannot read the catalogue of adapters: %w", err)
		}
	}
	return d, nil
}

func (a *Adapter) check() error {
	switch {
	case !names.MatchString(a.Name):
		return fmt.Errorf("adapter name %q: want lower-case letters, digits, '_' and '-'", a.Name)
	case !versions.MatchString(a.Version):
		return fmt.Errorf("version %q of adapter %q: want letters, digits, '.', '_', '+' and '-'", a.Version, a.Name)
	case !filepath.IsLocal(a.Entry) || a.Entry != filepath.Base(a.Entry):
		return fmt.Errorf("entry %q of adapter %q is not the name of a file", a.Entry, a.Name)
	}
	return nil
}

// Incoming makes a folder in which an adapter is put together before Add.
func (d *Depot) Incoming() (string, error) {
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return "", fmt.Errorf("cannot make the folder of adapters: %w", err)
	}
	return os.MkdirTemp(d.dir, ".incoming-")
}

// Add takes the folder with a's files over. A version that is there already
// may only be the same program.
func (d *Depot) Add(a Adapter, folder string) (Adapter, error) {
	if err := a.check(); err != nil {
		return a, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if old := d.find(a.Name, a.Version); old != nil {
		if old.SHA256 != a.SHA256 {
			return a, fmt.Errorf("%s@%s is installed already, as another program (sha256 %s): give the new one another version", a.Name, a.Version, old.SHA256)
		}
		old.Rejected, old.SignedBy = "", a.SignedBy
		return d.shown(*old), errors.Join(os.RemoveAll(folder), d.save())
	}
	to := d.folder(&a)
	if err := errors.Join(os.RemoveAll(to), os.Rename(folder, to)); err != nil {
		return a, fmt.Errorf("cannot install %s@%s: %w", a.Name, a.Version, err)
	}
	d.at.Adapters = append(d.at.Adapters, a)
	return d.shown(a), d.save()
}

func (d *Depot) folder(a *Adapter) string { return filepath.Join(d.dir, a.Name+"@"+a.Version) }

// Path is the file of a that is executed.
func (d *Depot) Path(a Adapter) string { return filepath.Join(d.folder(&a), a.Entry) }

// Find returns a version of an adapter, the one in use if version is "".
func (d *Depot) Find(name, version string) (Adapter, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if version == "" {
		version = d.at.Current[name]
	}
	if a := d.find(name, version); a != nil {
		return d.shown(*a), true
	}
	return Adapter{}, false
}

func (d *Depot) find(name, version string) *Adapter {
	for i := range d.at.Adapters {
		if a := &d.at.Adapters[i]; a.Name == name && a.Version == version {
			return a
		}
	}
	return nil
}

func (d *Depot) shown(a Adapter) Adapter {
	a.Current = d.at.Current[a.Name] == a.Version
	return a
}

// List returns all that is installed, by name and then oldest first.
func (d *Depot) List() []Adapter {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := make([]Adapter, 0, len(d.at.Adapters))
	for _, a := range d.at.Adapters {
		list = append(list, d.shown(a))
	}
	slices.SortStableFunc(list, func(a, b Adapter) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// Newest returns the version of name that was installed last.
func (d *Depot) Newest(name string) (Adapter, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := len(d.at.Adapters) - 1; i >= 0; i-- {
		if a := d.at.Adapters[i]; a.Name == name {
			return d.shown(a), true
		}
	}
	return Adapter{}, false
}

// Select makes version the one in use, or none if it is "", and returns the
// one that was. It lasts when Save has.
func (d *Depot) Select(name, version string) (before string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	before = d.at.Current[name]
	if version == "" {
		delete(d.at.Current, name)
	} else {
		d.at.Current[name] = version
	}
	if before != version {
		d.at.Previous[name] = before
	}
	return before
}

// Accept clears what a version was rejected for.
func (d *Depot) Accept(name, version string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if a := d.find(name, version); a != nil {
		a.Rejected = ""
	}
}

// Reject takes the version of name with that hash out of use, in favour of
// the one before it, and lasts.
func (d *Depot) Reject(name, sha256, why string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.at.Adapters {
		a := &d.at.Adapters[i]
		if a.Name != name || a.SHA256 != sha256 {
			continue
		}
		a.Rejected = why
		if d.at.Current[name] == a.Version {
			if d.at.Current[name] = d.at.Previous[name]; d.at.Current[name] == "" {
				delete(d.at.Current, name)
			}
		}
		return d.save()
	}
	return nil
}

// Save makes what Select did last.
func (d *Depot) Save() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.save()
}

func (d *Depot) save() error {
	raw, err := json.MarshalIndent(d.at, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(d.dir, ".catalogue-")
	if err == nil {
		_, err = f.Write(raw)
		err = errors.Join(err, f.Sync(), f.Close())
		if err == nil {
			err = os.Rename(f.Name(), filepath.Join(d.dir, indexFile))
		} else {
			os.Remove(f.Name())
		}
	}
	if err != nil {
		return fmt.Errorf("cannot keep the catalogue of adapters: %w", err)
	}
	return nil
}
