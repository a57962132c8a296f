package server

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// Bounds of a form.
const (
	maxParts      = 256
	maxPartHeader = 4 << 10
	maxField      = 1 << 20 // of a field that is no file
	maxValue      = 512     // of a field that the gateway acts on
	formBuffer    = 64 << 10
)

var errFormTooLarge = errors.New("the form is larger than it may be")

// The fields that the gateway acts on.
const (
	fieldModel = iota
	fieldStream
	fieldN
	fieldSize
	fieldQuality
	fieldFormat
	fieldPurpose
	numFields
)

var fieldNames = [numFields]string{"model", "stream", "n", "size", "quality", "response_format", "purpose"}

// value is what a field says, and where in the body.
type value struct {
	seen bool
	text []byte
	at   scan.Span
}

// formReader reads a form as it arrives and writes all of it to out. It takes
// only what every parser reads alike: what it found is what the upstream finds.
type formReader struct {
	r        io.Reader
	out      io.Writer
	limit    int64
	boundary string

	values [numFields]value
	files  int
	remote bool // a field names what is to be fetched from elsewhere

	buf    []byte
	lo, hi int   // of buf, what has not been looked at
	base   int64 // offset in the form of buf[0]
	delim  []byte
}

func formFault(param, message string) *wire.Error {
	e := wire.Errorf(400, "invalid_form", "%s", message)
	e.Param = param
	return e
}

// fill reads more; it fails at the end of the body.
func (f *formReader) fill() error {
	if f.lo > 0 {
		copy(f.buf, f.buf[f.lo:f.hi])
		f.base += int64(f.lo)
		f.hi -= f.lo
		f.lo = 0
	}
	if f.hi == len(f.buf) {
		return formFault("", "the form has a line that is too long")
	}
	n, err := f.r.Read(f.buf[f.hi:])
	if n > 0 {
		if f.base+int64(f.hi+n) > f.limit {
			return errFormTooLarge
		}
		if _, err := f.out.Write(f.buf[f.hi : f.hi+n]); err != nil {
			return err
		}
		f.hi += n
		return nil // the error, if any, comes again
	}
	return err
}

func (f *formReader) need(n int) error {
	for f.hi-f.lo < n {
		if err := f.fill(); err != nil {
			return err
		}
	}
	return nil
}

// read reads the form to its end.
func (f *formReader) read() error {
	f.buf = make([]byte, formBuffer)
	f.delim = []byte("\r\n--" + f.boundary)
	if err := f.need(len(f.delim) - 2); err != nil {
		return err
	}
	if !bytes.HasPrefix(f.buf[f.lo:f.hi], f.delim[2:]) {
		return formFault("", "the form does not begin with its boundary")
	}
	f.lo += len(f.delim) - 2
	for range maxParts {
		last, err := f.boundaryEnd()
		if err != nil {
			return err
		}
		if last {
			return f.end()
		}
		if err := f.part(); err != nil {
			return err
		}
	}
	return formFault("", "the form has too many parts")
}

// boundaryEnd reads what follows a boundary.
func (f *formReader) boundaryEnd() (last bool, err error) {
	if err := f.need(2); err != nil {
		return false, err
	}
	two := string(f.buf[f.lo : f.lo+2])
	f.lo += 2
	switch two {
	case "--":
		return true, nil
	case "\r\n":
		return false, nil
	}
	return false, formFault("", "a boundary of the form is followed by something else on its line")
}

// end reads what may follow the last boundary: a line break.
func (f *formReader) end() error {
	for {
		if f.hi > f.lo {
			if rest := f.buf[f.lo:f.hi]; len(rest) > 2 || !bytes.HasPrefix([]byte("\r\n"), rest) {
				return formFault("", "the form has data after its last boundary")
			}
		}
		switch err := f.fill(); {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// line reads a line of a part's head.
func (f *formReader) line() (string, error) {
	for {
		if at := bytes.Index(f.buf[f.lo:f.hi], []byte("\r\n")); at >= 0 {
			line := string(f.buf[f.lo : f.lo+at])
			f.lo += at + 2
			if strings.ContainsAny(line, "\r\n\x00") || len(line) > maxPartHeader {
				return "", formFault("", "the form has a header that is too long or holds a bare line break")
			}
			if strings.HasPrefix(line, string(f.delim[2:])) {
				return "", errStray
			}
			return line, nil
		}
		if f.hi-f.lo > maxPartHeader {
			return "", formFault("", "the form has a header that is too long")
		}
		if err := f.fill(); err != nil {
			return "", err
		}
	}
}

// part reads one part.
func (f *formReader) part() error {
	d, err := f.partHead()
	if err != nil {
		return err
	}
	at := -1
	for i, name := range fieldNames {
		if d.name == name {
			at = i
		} else if lookAlike(d.name, name) {
			return formFault(d.name, "the form has a field "+d.name+" that some parsers read as "+name+": write it plainly, once")
		}
	}
	if d.file {
		f.files++
	} else {
		f.remote = f.remote || fetched(d.name)
	}
	if at < 0 {
		return f.content(nil, d)
	}
	v := &f.values[at]
	if v.seen || d.file {
		return formFault(d.name, "the form has the field "+d.name+" twice, or as a file: send it once, as text")
	}
	v.seen = true
	v.at.From = int(f.base) + f.lo
	if err := f.content(v, d); err != nil {
		return err
	}
	if bytes.ContainsAny(v.text, "\r\n\x00") {
		return formFault(d.name, "the field "+d.name+" holds a line break")
	}
	v.at.To = v.at.From + len(v.text)
	return nil
}

// lookAlike reports whether a parser could take name for the other.
func lookAlike(name, known string) bool {
	base, _, _ := strings.Cut(name, "[") // "model[]"
	return strings.EqualFold(strings.TrimSpace(base), known)
}

// fetched reports whether services take the text of a field of that name for
// the address or the id of a file in place of the file itself (Groq's url,
// Mistral's file_url and file_id), so that the form does not show its size.
func fetched(name string) bool {
	base, _, _ := strings.Cut(strings.ToLower(name), "[")
	for _, kind := range [...]string{"file", "image", "audio", "mask"} {
		if base == kind || base == kind+"_id" || base == kind+"_ids" {
			return true
		}
	}
	return strings.HasSuffix(base, "url") || strings.HasSuffix(base, "urls") || strings.HasSuffix(base, "uri")
}

// errStray says that a boundary stands where only some parsers see one.
var errStray = formFault("", "the form's boundary stands within a part, other than on a line of its own behind CR LF: choose another")

// content reads a part to the next boundary, into v if that is not nil.
func (f *formReader) content(v *value, d disposition) error {
	size := 0
	for {
		at := bytes.Index(f.buf[f.lo:f.hi], f.delim[2:]) - 2
		if at >= -2 && (at < 0 || !bytes.HasPrefix(f.buf[f.lo+at:f.hi], f.delim)) {
			return errStray
		}
		n := at
		if at < 0 {
			n = max(0, f.hi-f.lo-len(f.delim)+1)
		}
		size += n
		switch {
		case v != nil && size > maxValue:
			return formFault(d.name, "the field "+d.name+" is too long")
		case !d.file && size > maxField:
			return formFault(d.name, "the field "+d.name+" is too long for one that is no file")
		case v != nil:
			v.text = append(v.text, f.buf[f.lo:f.lo+n]...)
		}
		f.lo += n
		if at >= 0 {
			f.lo += len(f.delim)
			return nil
		}
		if err := f.fill(); err != nil {
			return err
		}
	}
}
