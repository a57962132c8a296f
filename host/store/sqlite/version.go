package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"zombiezen.com/go/sqlite"
)

// FileVersion is how far the tables of a file are.
type FileVersion struct {
	Path    string
	Version int // 0: there is no such file yet
	Known   int // by this program
}

// Versions reads those of the store at url, which may be in use.
func Versions(url string) (list []FileVersion, err error) {
	path := strings.TrimPrefix(url, "sqlite:")
	for _, f := range []struct{ path, folder string }{{path, "state"}, {ledgerOf(path), "ledger"}, {filepath.Join(filepath.Dir(path), jobsName), "jobs"}} {
		names, err := fs.Glob(migrations, f.folder+"/*.sql")
		if err != nil {
			return list, err
		}
		v := FileVersion{Path: f.path, Known: len(names)}
		if v.Version, err = versionOf(f.path); err != nil {
			return list, fmt.Errorf("cannot read %q: %w", f.path, err)
		}
		list = append(list, v)
	}
	return list, nil
}

func versionOf(path string) (version int, err error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadOnly)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	d := &db{conn: conn}
	n, err := d.number("PRAGMA user_version")
	return int(n), err
}

// ledgerOf is the file of the ledger beside that of the state.
func ledgerOf(path string) string {
	ext := filepath.Ext(path)
	return strings.TrimSuffix(path, ext) + "-ledger" + ext
}

// jobsName is the file of batches beside that of the state.
const jobsName = "jobs.db"
