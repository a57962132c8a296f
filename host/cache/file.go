package cache

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	_ "modernc.org/sqlite/vec" // vec_distance_cosine, for every connection
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/signalbox-ai/signalbox/host/call"
)

//go:embed file.sql
var fileSchema string

// fileVersion is that of fileSchema. A file of another one is begun anew: what
// it holds may be lost.
const fileVersion = 1

// readers is how many lookups may run at a time.
const readers = 2

// File is a tier in a file of SQLite, and where what requests mean is compared
// by its vector extension. Nothing is lost with it but time and money.
type File struct {
	path  string
	limit int64 // bytes of entries
	most  int   // meanings

	mu      sync.Mutex // of what follows
	conn    *sqlite.Conn
	bytes   int64
	tenants map[string]int64 // bytes
	means   int64

	reading chan *sqlite.Conn
}

// OpenFile opens or begins the file at path, for so many bytes of entries and so
// many meanings.
func OpenFile(path string, limit int64, meanings int) (*File, error) {
	f, err := openFile(path)
	if err != nil { // it is damaged, or of another version
		for _, suffix := range [...]string{"", "-wal", "-shm"} {
			if rerr := os.Remove(path + suffix); rerr != nil && !errors.Is(rerr, os.ErrNotExist) {
				return nil, fmt.Errorf("cannot begin the cache's file anew: %w", rerr)
			}
		}
		f, err = openFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open the cache's file %q: %w", path, err)
	}
	f.limit, f.most = limit, meanings
	return f, nil
}

func openFile(path string) (_ *File, err error) {
	touched, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) // SQLite would make it readable by all
	if err != nil {
		return nil, err
	}
	touched.Close()
	f := &File{path: path, tenants: map[string]int64{}, reading: make(chan *sqlite.Conn, readers)}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	if f.conn, err = sqlite.OpenConn(path, sqlite.OpenReadWrite, sqlite.OpenWAL); err != nil {
		return nil, err
	}
	f.conn.SetBusyTimeout(time.Second)
	if err := f.begin(); err != nil {
		return nil, err
	}
	for range readers {
		r, err := sqlite.OpenConn(path, sqlite.OpenReadOnly)
		if err != nil {
			return nil, err
		}
		f.reading <- r
	}
	return f, f.count()
}

// begin makes the tables of a new file, and sees that an old one is whole.
func (f *File) begin() error {
	var version int64
	err := f.rows("PRAGMA user_version", func(s *sqlite.Stmt) { version = s.ColumnInt64(0) })
	if err == nil && version == 0 {
		err = sqlitex.ExecScript(f.conn, fmt.Sprintf("%s;\nPRAGMA user_version = %d;", fileSchema, fileVersion))
	} else if err == nil && version != fileVersion {
		err = fmt.Errorf("it is of version %d", version)
	}
	if err != nil {
		return err
	}
	if err := f.run("PRAGMA synchronous=OFF"); err != nil { // a power cut may damage it: then it is begun anew
		return err
	}
	said := ""
	if err := f.rows("PRAGMA quick_check(1)", func(s *sqlite.Stmt) { said = s.ColumnText(0) }); err != nil || said != "ok" {
		return errors.Join(errDamaged, err)
	}
	return nil
}

func (f *File) count() error {
	f.bytes, f.means, f.tenants = 0, 0, map[string]int64{}
	err := f.rows("SELECT tenant, sum(bytes) FROM entry GROUP BY tenant", func(s *sqlite.Stmt) {
		f.tenants[s.ColumnText(0)] = s.ColumnInt64(1)
		f.bytes += s.ColumnInt64(1)
	})
	if err != nil {
		return err
	}
	return f.rows("SELECT count(*) FROM meaning", func(s *sqlite.Stmt) { f.means = s.ColumnInt64(0) })
}

// Close closes the file; lookups that run end first.
func (f *File) Close() error {
	var errs []error
	for range cap(f.reading) {
		select {
		case r := <-f.reading:
			errs = append(errs, r.Close())
		case <-time.After(putTime): // it was not opened, or hangs
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.conn != nil {
		errs = append(errs, f.conn.Close())
	}
	return errors.Join(errs...)
}

func (f *File) run(query string, args ...any) error {
	return sqlitex.Execute(f.conn, query, &sqlitex.ExecOptions{Args: args})
}

func (f *File) rows(query string, each func(*sqlite.Stmt), args ...any) error {
	return sqlitex.Execute(f.conn, query, &sqlitex.ExecOptions{Args: args, ResultFunc: func(s *sqlite.Stmt) error { each(s); return nil }})
}

// read runs a query on a connection of its own, as long as ctx allows.
func (f *File) read(ctx context.Context, query string, each func(*sqlite.Stmt), args ...any) error {
	var conn *sqlite.Conn
	select {
	case conn = <-f.reading:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { f.reading <- conn }()
	conn.SetInterrupt(ctx.Done())
	defer conn.SetInterrupt(nil)
	return sqlitex.Execute(conn, query, &sqlitex.ExecOptions{Args: args, ResultFunc: func(s *sqlite.Stmt) error { each(s); return nil }})
}

func blob(s *sqlite.Stmt, col int) []byte {
	b := make([]byte, s.ColumnLen(col))
	s.ColumnBytes(col, b)
	return b
}

// Get implements Tier.
func (f *File) Get(ctx context.Context, k Key) (sealed []byte, err error) {
	err = f.read(ctx, "SELECT sealed FROM entry WHERE key = ?", func(s *sqlite.Stmt) { sealed = blob(s, 0) }, k[:])
	return sealed, err
}

// Put implements Tier.
func (f *File) Put(_ context.Context, e *Entry, sealed []byte) (err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	end, err := sqlitex.ImmediateTransaction(f.conn)
	if err != nil {
		return err
	}
	defer f.recount(&err)
	defer end(&err)
	if err := f.drop("key = ?", e.Key[:]); err != nil {
		return err
	}
	size := int64(len(sealed)) + overhead
	if err := f.run("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?)", e.Key[:], e.Tenant, e.Model, e.Made, e.Expires, size, sealed); err != nil {
		return err
	}
	f.bytes += size
	f.tenants[e.Tenant] += size
	return f.shrink(e.Made)
}

// shrink makes room: what has expired goes first, then the oldest entries of
// whoever has most.
func (f *File) shrink(nowMS int64) error {
	if f.bytes <= f.limit {
		return nil
	}
	if err := f.drop("expires <= ?", nowMS); err != nil {
		return err
	}
	for f.bytes > f.limit {
		most := ""
		for tenant, n := range f.tenants {
			if n > f.tenants[most] {
				most = tenant
			}
		}
		before := f.bytes
		if err := f.drop("rowid IN (SELECT rowid FROM entry WHERE tenant = ? ORDER BY made LIMIT 16)", most); err != nil {
			return err
		}
		if f.bytes == before {
			return fmt.Errorf("of %q nothing is there to make room", most)
		}
	}
	return nil
}

// recount counts anew after a change that was taken back, such as on a full
// disk: the sums have gone on without it.
func (f *File) recount(err *error) {
	if *err != nil {
		*err = errors.Join(*err, f.count())
	}
}

// drop forgets entries and keeps the sums.
func (f *File) drop(where string, args ...any) error {
	return f.rows("DELETE FROM entry WHERE "+where+" RETURNING tenant, bytes", func(s *sqlite.Stmt) {
		tenant, n := s.ColumnText(0), s.ColumnInt64(1)
		f.bytes -= n
		if f.tenants[tenant] -= n; f.tenants[tenant] <= 0 {
			delete(f.tenants, tenant)
		}
	}, args...)
}

// where is m as SQL, with its arguments.
func where(m *call.Purge) (text string, args []any, err error) {
	text = "TRUE"
	for _, is := range [...]struct{ column, value string }{{"tenant", m.Tenant}, {"model", m.Model}} {
		if is.value != "" {
			text, args = text+" AND "+is.column+" = ?", append(args, is.value)
		}
	}
	if m.Before != 0 {
		text, args = text+" AND made <= ?", append(args, m.Before)
	}
	if m.Key != "" {
		k, err := ParseKey(m.Key)
		if err != nil {
			return "", nil, err
		}
		text, args = text+" AND key = ?", append(args, k[:])
	}
	return text, args, nil
}

// Purge implements Tier.
func (f *File) Purge(_ context.Context, m call.Purge) (int64, error) {
	return f.purge(&m, f.drop)
}

// PurgeMeanings implements Meanings.
func (f *File) PurgeMeanings(_ context.Context, m call.Purge) (n int64, err error) {
	n, err = f.purge(&m, func(where string, args ...any) error { return f.run("DELETE FROM meaning WHERE "+where, args...) })
	f.mu.Lock()
	f.means -= n
	f.mu.Unlock()
	return n, err
}

func (f *File) purge(m *call.Purge, drop func(where string, args ...any) error) (n int64, err error) {
	text, args, err := where(m)
	if err != nil {
		return 0, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := drop(text, args...); err != nil {
		return 0, err
	}
	return int64(f.conn.Changes()), nil
}

// Size tells how much the file keeps.
func (f *File) Size(context.Context) (s TierSize, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s = TierSize{Bytes: f.bytes, Limit: f.limit, Meanings: f.means}
	err = f.rows("SELECT count(*) FROM entry", func(q *sqlite.Stmt) { s.Entries = q.ColumnInt64(0) })
	return s, err
}

// Learn implements Meanings.
func (f *File) Learn(_ context.Context, m *call.Meaning) (err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	end, err := sqlitex.ImmediateTransaction(f.conn)
	if err != nil {
		return err
	}
	defer f.recount(&err)
	defer end(&err)
	err = f.run("INSERT INTO meaning (part, key, tenant, model, made, expires, vector, sealed) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		m.Part[:], m.Key[:], m.Tenant, m.Model, m.Made, m.Expires, floats(m.Vector), m.Sealed)
	if err != nil {
		return err
	}
	if f.means++; f.means <= int64(f.most) {
		return nil
	}
	// A tenth goes at a time: what has expired, then the oldest.
	err = f.run("DELETE FROM meaning WHERE expires <= ? OR id IN (SELECT id FROM meaning ORDER BY id LIMIT ?)", m.Made, f.most/10+1)
	f.means -= int64(f.conn.Changes())
	return err
}

// Near implements Meanings.
func (f *File) Near(ctx context.Context, part [32]byte, vector []float32, nowMS int64) (n call.Near, err error) {
	err = f.read(ctx, `SELECT key, sealed, vec_distance_cosine(vector, ?2) AS d FROM
		(SELECT key, sealed, vector FROM meaning WHERE part = ?1 AND expires > ?3 AND length(vector) = length(?2) ORDER BY id DESC LIMIT ?4)
		ORDER BY d LIMIT 1`, func(s *sqlite.Stmt) {
		n.Distance, n.Sealed = s.ColumnFloat(2), blob(s, 1)
		s.ColumnBytes(0, n.Key[:])
	}, part[:], floats(vector), nowMS, maxCompared)
	return n, err
}
