package media

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Limits of a form.
const (
	maxField = 1 << 20
	maxParts = 256
)

// Form reads a multipart form part by part, as it arrives: a file is never held.
type Form struct {
	r     *multipart.Reader
	parts int
}

// ReadForm begins to read body; contentType is the request's.
func ReadForm(body io.Reader, contentType string) (*Form, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" {
		return nil, wire.Errorf(http.StatusBadRequest, "invalid_content_type", "the body is %q; want multipart/form-data with its boundary", contentType)
	}
	return &Form{r: multipart.NewReader(body, params["boundary"])}, nil
}

// Part is a field or a file of a form. It is read until the next one.
type Part struct {
	Name        string
	FileName    string // "" for a field
	ContentType string
	r           io.Reader
}

// Next returns the next part, io.EOF after the last.
func (f *Form) Next() (*Part, error) {
	p, err := f.r.NextRawPart()
	if err == io.EOF {
		return nil, io.EOF
	}
	if err != nil {
		return nil, broken(err)
	}
	if f.parts++; f.parts > maxParts {
		return nil, wire.Errorf(http.StatusBadRequest, "invalid_form", "the form has more than %d parts", maxParts)
	}
	return &Part{Name: p.FormName(), FileName: p.FileName(), ContentType: p.Header.Get("Content-Type"), r: p}, nil
}

// Read reads the part's bytes.
func (p *Part) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if err != nil && err != io.EOF {
		err = broken(err)
	}
	return n, err
}

// IsFile reports whether the part is a file rather than a field.
func (p *Part) IsFile() bool { return p.FileName != "" }

// Text is the value of a field, up to 1 MiB.
func (p *Part) Text() (string, error) {
	raw, err := io.ReadAll(io.LimitReader(p, maxField+1))
	if err == nil && len(raw) > maxField {
		err = Bad(p.Name, "is longer than %d bytes", maxField)
	}
	return string(raw), err
}

// broken is the error of a form that cannot be read.
func broken(err error) error {
	var e *wire.Error
	if errors.As(err, &e) {
		return e
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, multipart.ErrMessageTooLarge) || err.Error() == "multipart: NextPart: EOF" {
		return wire.Errorf(http.StatusBadRequest, "invalid_form", "the form ends before its last boundary")
	}
	return wire.Errorf(http.StatusBadRequest, "invalid_form", "cannot read the form: %s", err.Error())
}

// Upload is a whole form whose first file, at least, is wanted before the
// fields that follow it are known.
type Upload struct {
	Fields map[string][]string // without "[]" behind their names
	Files  []*File
}

// File is a file of an upload. It is read once or, after Rewind, again.
type File struct {
	*Spool
	Field       string // without "[]"
	Name        string
	ContentType string
}

// ReadUpload reads a form to its end. Files lie in memory as long as they are
// small and in unlinked files beyond that; limit bounds their sum in bytes.
// The upload must be closed.
func ReadUpload(body io.Reader, contentType string, limit int64) (up *Upload, err error) {
	form, err := ReadForm(body, contentType)
	if err != nil {
		return nil, err
	}
	up = &Upload{Fields: map[string][]string{}}
	defer func() {
		if err != nil {
			up.Close()
		}
	}()
	for {
		p, err := form.Next()
		if err == io.EOF {
			return up, nil
		}
		if err != nil {
			return nil, err
		}
		name := plain(p.Name)
		if !p.IsFile() {
			text, err := p.Text()
			if err != nil {
				return nil, err
			}
			up.Fields[name] = append(up.Fields[name], text)
			continue
		}
		s, err := NewSpool(p, limit)
		if err != nil {
			return nil, err
		}
		limit -= s.Size()
		up.Files = append(up.Files, &File{Spool: s, Field: name, Name: p.FileName, ContentType: p.ContentType})
	}
}

// plain is a field's name without the "[]" of lists.
func plain(name string) string {
	if n := len(name); n > 2 && name[n-2:] == "[]" {
		return name[:n-2]
	}
	return name
}

// Get is the last value of a field, "" if there is none.
func (u *Upload) Get(field string) string {
	if v := u.Fields[field]; len(v) > 0 {
		return v[len(v)-1]
	}
	return ""
}

// File is the first file of a field, nil if there is none.
func (u *Upload) File(field string) *File {
	for _, f := range u.Files {
		if f.Field == field {
			return f
		}
	}
	return nil
}

// Close frees the files.
func (u *Upload) Close() {
	for _, f := range u.Files {
		f.Close()
	}
}
