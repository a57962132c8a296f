package media

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"

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

// CopyTo writes a file to another form, under the name that field gives it.
func (p *Part) CopyTo(w *multipart.Writer, field string) error {
	return copyFile(w, field, p.FileName, p.ContentType, p)
}

func copyFile(w *multipart.Writer, field, name, contentType string, from io.Reader) error {
	if contentType == "" {
		contentType = "application/octet-stream"
	}
	out, err := w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {multipart.FileContentDisposition(field, name)}, "Content-Type": {contentType},
	})
	if err == nil {
		_, err = io.Copy(out, from)
	}
	return err
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

// CopyTo writes the file, from its start, to a form.
func (f *File) CopyTo(w *multipart.Writer, field string) error {
	if err := f.Rewind(); err != nil {
		return err
	}
	return copyFile(w, field, f.Name, f.ContentType, f)
}

// ReadUpload reads a form to its end. Files lie in memory as long as they are
// small and in unlinked files beyond that; limit bounds their sum in bytes.
// The upload must be closed.
func ReadUpload(body io.Reader, contentType string, limit int64) (*Upload, error) {
	form, err := ReadForm(body, contentType)
	if err != nil {
		return nil, err
	}
	up := &Upload{Fields: map[string][]string{}}
	for {
		p, err := form.Next()
		if err == io.EOF {
			return up, nil
		}
		if err == nil {
			err = up.add(p, &limit)
		}
		if err != nil {
			up.Close()
			return nil, err
		}
	}
}

// add keeps a part; limit is what is left for files.
func (u *Upload) add(p *Part, limit *int64) error {
	name := plain(p.Name)
	if !p.IsFile() {
		text, err := p.Text()
		u.Fields[name] = append(u.Fields[name], text)
		return err
	}
	s, err := NewSpool(p, *limit)
	if err != nil {
		return err
	}
	*limit -= s.Size()
	u.Files = append(u.Files, &File{Spool: s, Field: name, Name: p.FileName, ContentType: p.ContentType})
	return nil
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
