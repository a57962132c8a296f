package media

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/signalbox-ai/signalbox/sdk/provider/proto"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// inMemory is how much of a file is held in memory before it goes to disk.
const inMemory = 256 << 10

// Spool is a file that was read to its end, to be read again: in memory while
// it is small, in an unlinked file of the temporary folder beyond that.
type Spool struct {
	io.ReadSeeker
	file *os.File
	size int64
}

// NewSpool reads r to its end, limit bytes at most. The spool must be closed.
func NewSpool(r io.Reader, limit int64) (*Spool, error) {
	var head bytes.Buffer
	n, err := io.CopyN(&head, r, min(inMemory, limit)+1)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case n > limit:
		return nil, tooLarge(limit)
	case err == io.EOF:
		return &Spool{ReadSeeker: bytes.NewReader(head.Bytes()), size: n}, nil
	}
	f, err := os.CreateTemp(os.Getenv(proto.SocketDir), "upload-")
	if err != nil {
		return nil, fmt.Errorf("cannot keep the uploaded file: %w", err)
	}
	s := &Spool{ReadSeeker: f, file: f}
	if err := s.fill(io.MultiReader(&head, r), limit); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Spool) fill(r io.Reader, limit int64) error {
	if err := os.Remove(s.file.Name()); err != nil {
		return fmt.Errorf("cannot unlink the uploaded file: %w", err)
	}
	n, err := io.Copy(s.file, io.LimitReader(r, limit+1))
	if err != nil {
		return err
	}
	if n > limit {
		return tooLarge(limit)
	}
	s.size = n
	return s.Rewind()
}

func tooLarge(limit int64) error {
	return wire.Errorf(http.StatusRequestEntityTooLarge, "file_too_large", "file: the upload is larger than %d bytes", limit)
}

// Size is the file's in bytes.
func (s *Spool) Size() int64 { return s.size }

// Rewind makes the next read begin at the start.
func (s *Spool) Rewind() error {
	_, err := s.Seek(0, io.SeekStart)
	return err
}

// Close frees the file.
func (s *Spool) Close() {
	if s.file != nil {
		s.file.Close()
	}
}
