package jobs

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// content is where the bytes of files lie.
type content interface {
	// put keeps what r reads, durably, and tells how much it was and its hash.
	put(ctx context.Context, id string, r io.Reader) (size int64, sum string, err error)
	read(ctx context.Context, id string, from int64) (io.ReadCloser, error)
	// drop forgets the bytes of files, which may be gone already.
	drop(ctx context.Context, id string) error
	// sweep forgets what no file has, and was there before then already.
	sweep(ctx context.Context, before time.Time) error
}

// underway is how long an upload may take until its bytes count as left over.
const underway = 24 * time.Hour

// pruned is how many files or batches one step of pruning takes.
const pruned = 100

// PutFile implements store.Files.
func (s *Store) PutFile(ctx context.Context, f call.File, r io.Reader) (call.File, error) {
	f, err := s.DraftFile(ctx, f, r)
	if err != nil {
		return f, err
	}
	if _, err = s.exec(ctx, insertFile, fileValues(&f)...); err != nil {
		return f, fmt.Errorf("cannot keep file %q: %w", f.ID, err)
	}
	return f, nil
}

// DraftFile implements store.Files: its bytes are there, and no row yet.
func (s *Store) DraftFile(ctx context.Context, f call.File, r io.Reader) (_ call.File, err error) {
	if f.Size, f.SHA256, err = s.content.put(ctx, f.ID, r); err != nil {
		_ = s.content.drop(context.WithoutCancel(ctx), f.ID) // what is left is swept
		return f, fmt.Errorf("cannot keep file %q: %w", f.ID, err)
	}
	return f, nil
}

const insertFile = "INSERT INTO batch_file (id, tenant, name, purpose, size, sha256, created, expires) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"

func fileValues(f *call.File) []any {
	return []any{f.ID, f.Tenant, f.Name, f.Purpose, f.Size, f.SHA256, millis(f.Created), millis(f.Expires)}
}

// DiscardDraft implements store.Files. A commit whose answer was lost may still
// be under way: the lock waits for it.
func (s *Store) DiscardDraft(ctx context.Context, batch, id string) error {
	found := 0
	err := s.tx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, s.sql("SELECT 1 FROM batch WHERE id = $1{lock}"), batch); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, s.sql("SELECT count(*) FROM batch_file WHERE id = $1"), id).Scan(&found)
	})
	if err == nil && found == 0 {
		err = s.content.drop(ctx, id)
	}
	if err != nil {
		return fmt.Errorf("cannot discard file %q: %w", id, err)
	}
	return nil
}

const fileColumns = "SELECT id, tenant, name, purpose, size, sha256, created, expires"

func readFile(r row) (f call.File, err error) {
	var created, expires int64
	err = r.Scan(&f.ID, &f.Tenant, &f.Name, &f.Purpose, &f.Size, &f.SHA256, &created, &expires)
	f.Created, f.Expires = moment(created), moment(expires)
	return f, err
}

// File implements store.Files. One that has expired is gone, pruned or not.
func (s *Store) File(ctx context.Context, tenant, id string) (call.File, error) {
	all, err := list(ctx, s, readFile, fileColumns+" FROM batch_file WHERE id = $1 AND ($2 = '' OR tenant = $2) AND (expires = 0 OR expires > {now})", id, tenant)
	if err == nil && len(all) == 0 {
		err = call.ErrNoFile
	}
	if err != nil {
		return call.File{}, fmt.Errorf("cannot look up file %q: %w", id, err)
	}
	return all[0], nil
}

// Files implements store.Files.
func (s *Store) Files(ctx context.Context, q call.FilesQuery) ([]call.File, error) {
	all, err := list(ctx, s, readFile, fileColumns+page("batch_file", q, "($2 = '' OR purpose = $2) AND (expires = 0 OR expires > {now})"), q.Tenant, q.Purpose, q.After)
	if err != nil {
		return nil, fmt.Errorf("cannot list files: %w", err)
	}
	return all, nil
}

// ReadFile implements store.Files.
func (s *Store) ReadFile(ctx context.Context, id string, from int64) (io.ReadCloser, error) {
	r, err := s.content.read(ctx, id, from)
	if err != nil {
		return nil, fmt.Errorf("cannot read file %q: %w", id, err)
	}
	return r, nil
}

// unused is whether no batch that is not over reads a file.
const unused = "NOT EXISTS (SELECT 1 FROM batch WHERE input = batch_file.id AND ended = 0)"

// DeleteFile implements store.Files.
func (s *Store) DeleteFile(ctx context.Context, tenant, id string) error {
	n, err := s.exec(ctx, "DELETE FROM batch_file WHERE id = $1 AND ($2 = '' OR tenant = $2) AND "+unused, id, tenant)
	if err == nil && n == 0 {
		if _, err = s.File(ctx, tenant, id); err == nil {
			err = call.ErrFileUsed
		}
	}
	if err == nil {
		err = s.content.drop(ctx, id)
	}
	if err != nil {
		return fmt.Errorf("cannot delete file %q: %w", id, err)
	}
	return nil
}

// FilesSize implements store.Files.
func (s *Store) FilesSize(ctx context.Context, tenant string) (int64, error) {
	sums, err := list(ctx, s, func(r row) (n int64, err error) { err = r.Scan(&n); return n, err },
		"SELECT CAST(coalesce(sum(size), 0) AS BIGINT) FROM batch_file WHERE tenant = $1", tenant)
	if err != nil {
		return 0, fmt.Errorf("cannot sum up files: %w", err)
	}
	return sums[0], nil
}

// PruneFiles implements store.Files.
func (s *Store) PruneFiles(ctx context.Context, now time.Time) (more bool, err error) {
	fail := func(err error) (bool, error) { return false, fmt.Errorf("cannot remove expired files: %w", err) }
	old, err := list(ctx, s, readFile, fileColumns+fmt.Sprintf(" FROM batch_file WHERE expires > 0 AND expires <= $1 AND %s ORDER BY seq LIMIT %d", unused, pruned), millis(now))
	if err != nil {
		return fail(err)
	}
	for i := range old {
		if err := s.DeleteFile(ctx, "", old[i].ID); err != nil {
			return fail(err)
		}
	}
	if err := s.content.sweep(ctx, now.Add(-underway)); err != nil {
		return fail(err)
	}
	return len(old) == pruned, nil
}
