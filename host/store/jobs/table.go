package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// part is how much of a file lies in one row.
const part = 256 << 10

// table keeps content in rows, where all nodes reach it.
type table struct{ s *Store }

func (t table) put(ctx context.Context, id string, r io.Reader) (size int64, sum string, err error) {
	hash := sha256.New()
	buf := make([]byte, part)
	for n := 0; ; n++ {
		got, rerr := io.ReadFull(r, buf)
		if rerr != nil && rerr != io.EOF && rerr != io.ErrUnexpectedEOF {
			return size, "", rerr
		}
		if got > 0 {
			hash.Write(buf[:got])
			size += int64(got)
			if _, err := t.s.exec(ctx, "INSERT INTO batch_part (file, n, at, data) VALUES ($1, $2, {now}, $3)", id, n, buf[:got]); err != nil {
				return size, "", err
			}
		}
		if rerr != nil {
			return size, hex.EncodeToString(hash.Sum(nil)), nil
		}
	}
}

func (t table) read(ctx context.Context, id string, from int64) (io.ReadCloser, error) {
	r := &parts{ctx: ctx, t: t, id: id, n: int(from / part)}
	if err := r.next(); err != nil {
		return nil, err
	}
	if r.end {
		there, err := t.s.known(ctx, id)
		if err == nil && !there { // else it is empty, or read from its end
			err = call.ErrNoFile
		}
		if err != nil {
			return nil, err
		}
	}
	r.left = r.left[min(from%part, int64(len(r.left))):]
	return r, nil
}

// parts reads a file row by row. ctx is that of the whole reading.
type parts struct {
	ctx  context.Context
	t    table
	id   string
	n    int
	left []byte
	end  bool
}

// next reads the row n.
func (p *parts) next() error {
	rows, err := list(p.ctx, p.t.s, func(r row) (b []byte, err error) { err = r.Scan(&b); return b, err },
		"SELECT data FROM batch_part WHERE file = $1 AND n = $2", p.id, p.n)
	if err != nil {
		return err
	}
	p.n++
	if p.end = len(rows) == 0; !p.end {
		p.left = rows[0]
	}
	return nil
}

// Read implements io.Reader.
func (p *parts) Read(b []byte) (int, error) {
	for len(p.left) == 0 && !p.end {
		if err := p.next(); err != nil {
			return 0, err
		}
	}
	if p.end {
		return 0, io.EOF
	}
	n := copy(b, p.left)
	p.left = p.left[n:]
	return n, nil
}

// Close implements io.Closer.
func (p *parts) Close() error { return nil }

func (t table) drop(ctx context.Context, id string) error {
	_, err := t.s.exec(ctx, "DELETE FROM batch_part WHERE file = $1", id)
	return err
}

func (t table) sweep(ctx context.Context, before time.Time) error {
	_, err := t.s.exec(ctx, "DELETE FROM batch_part WHERE at < $1 AND NOT EXISTS (SELECT 1 FROM batch_file WHERE id = file)", millis(before))
	return err
}
