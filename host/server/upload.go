package server

import (
	"errors"
	"io"
	"time"

	"github.com/signalbox-ai/signalbox/host/spool"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// upload puts a body aside whose sender is known, and reads the fields of its
// form as they arrive.
func (in *incoming) upload() *wire.Error {
	c, h := in.call, &in.ctx.Request.Header
	in.put = in.opt.Uploads.Body(in.owner())
	r := &steady{r: in.ctx.RequestBodyStream(), nc: in.ctx.Conn(), idle: in.opt.ReadTimeout}
	kind := string(h.ContentType())
	if len(kind) > 256 || !visible(dropSpaces(kind)) {
		return in.refuse(wire.Errorf(400, "invalid_content_type", "the content type %q is not one", kind))
	}
	if in.form == formAny {
		c.ContentType = kind
		return in.putAside(r)
	}
	boundary, ok := boundaryOf(kind)
	if !ok {
		return in.refuse(in.notForm())
	}
	c.ContentType = "multipart/form-data; boundary=\"" + boundary + "\""
	f := formReader{r: r, out: in.put, limit: in.limit, boundary: boundary}
	if err := f.read(); err != nil {
		return in.refuse(in.formError(err))
	}
	c.Upload = in.put
	return in.facts(&f)
}

func (in *incoming) notForm() *wire.Error {
	return wire.Errorf(400, "invalid_content_type", "%s takes multipart/form-data with a boundary, not %q", in.ctx.Path(), in.ctx.Request.Header.ContentType())
}

// putAside keeps a body that is not looked into.
func (in *incoming) putAside(r *steady) *wire.Error {
	n, err := io.Copy(in.put, io.LimitReader(r, in.limit+1))
	switch {
	case errors.Is(err, spool.ErrFull):
		return in.refuse(noRoom())
	case err != nil:
		return in.refuse(in.unreadable(err))
	case n > in.limit:
		return in.refuse(in.tooLarge())
	}
	if err := in.short(n); err != nil {
		return err
	}
	in.call.Upload = in.put
	in.call.Facts.Reset()
	in.call.Facts.N, in.call.Facts.Size = 1, int(n)
	return nil
}

// owner is whose upload it is, for the share of the room.
func (in *incoming) owner() string {
	if p := in.call.Principal; p != nil {
		return p.KeyID
	}
	return ""
}

// uploadRetry is what callers are told while running uploads take all the room.
const uploadRetry = 5 * time.Second

func noRoom() *wire.Error {
	e := wire.Errorf(503, "uploads_full", "too many uploads are underway: try again in a moment")
	e.RetryAfter = uploadRetry
	return e
}

func (in *incoming) formError(err error) *wire.Error {
	var bad *wire.Error
	switch {
	case errors.As(err, &bad):
		return bad
	case errors.Is(err, errFormTooLarge):
		return in.tooLarge()
	case errors.Is(err, spool.ErrFull):
		return noRoom()
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return formFault("", "the form ends before its last boundary")
	}
	return in.unreadable(err)
}

// facts makes the call's facts of the form's fields.
func (in *incoming) facts(f *formReader) *wire.Error {
	c := in.call
	c.Facts.Reset()
	c.Facts.N, c.Facts.Size, c.Facts.Messages = 1, int(in.put.Size()), f.files
	switch in.op {
	case wire.OpTranscription, wire.OpTranslation:
		c.Facts.In = scan.Audio
		c.Facts.Unbounded = f.remote || f.files == 0
	case wire.OpImageEdits:
		c.Facts.In = scan.Image | scan.Text
		c.Facts.Unbounded = f.remote
	case wire.OpFiles:
		return nil // it has no model
	}
	v := &f.values
	c.Facts.Model, c.Facts.ModelAt = v[fieldModel].text, v[fieldModel].at
	c.Facts.ImageSize, c.Facts.Quality = v[fieldSize].text, v[fieldQuality].text
	switch string(v[fieldStream].text) {
	case "", "false":
	case "true":
		c.Facts.Stream = true
	default:
		return formFault("stream", "stream must be true or false")
	}
	if n := v[fieldN].text; len(n) > 0 {
		if c.Facts.N = 0; len(n) > 4 {
			return formFault("n", "n must be a whole number from 1 to 9999")
		}
		for _, d := range n {
			if d < '0' || d > '9' {
				return formFault("n", "n must be a whole number from 1 to 9999")
			}
			c.Facts.N = c.Facts.N*10 + int64(d-'0')
		}
		if c.Facts.N == 0 {
			return formFault("n", "n must be a whole number from 1 to 9999")
		}
	}
	in.complete(c)
	return nil
}
