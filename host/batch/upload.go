package batch

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"path"
	"strconv"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// form is what an upload says beside its file.
type form struct {
	purpose string
	life    *lifetime
	name    string
	file    bool
}

// upload takes a file in.
func (d *Desk) upload(ctx context.Context, o Owner, q *Ask) (Result, *wire.Error) {
	_, params, err := mime.ParseMediaType(q.ContentType)
	if err != nil || params["boundary"] == "" {
		return Result{}, wire.Errorf(400, "invalid_content_type", "files are uploaded as multipart/form-data with a boundary")
	}
	opt := d.options()
	var f form
	parts := func(read func(*multipart.Reader) error) error {
		return q.reading(func(r io.Reader) error { return read(multipart.NewReader(r, params["boundary"])) })
	}
	if err := parts(func(r *multipart.Reader) error { return f.read(r, nil) }); err != nil { // the file may come before its purpose
		return Result{}, told(err)
	}
	if err := f.check(); err != nil {
		return Result{}, err
	}
	keep := opt.KeepFiles
	if f.life != nil {
		keep = time.Duration(f.life.Seconds) * time.Second
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	file := call.File{ID: newID("file-"), Tenant: o.Tenant, Name: f.name, Purpose: f.purpose, Created: now, Expires: now.Add(keep)}
	err = parts(func(r *multipart.Reader) error {
		return (&form{}).read(r, func(r io.Reader) (err error) {
			file, err = d.keep(ctx, file, r, &opt)
			return err
		})
	})
	return answer(showFile(&file), err, "file", file.ID)
}

// keep keeps what r reads as a file, within the room of its tenant.
func (d *Desk) keep(ctx context.Context, f call.File, r io.Reader, opt *Options) (call.File, error) {
	used, err := d.store.FilesSize(ctx, f.Tenant)
	if err != nil {
		return f, err
	}
	if f, err = d.store.PutFile(ctx, f, &bounded{r: r, file: opt.MaxFile, all: opt.MaxFiles - used}); err != nil {
		return f, err
	}
	return f, d.within(ctx, &f, opt.MaxFiles)
}

// within takes a file back where others that came at the same time have taken
// the room that it was given.
func (d *Desk) within(ctx context.Context, f *call.File, most int64) error {
	used, err := d.store.FilesSize(ctx, f.Tenant)
	if err != nil || used <= most {
		return err
	}
	return errors.Join(d.store.DeleteFile(ctx, f.Tenant, f.ID), errQuota)
}

// reading has the body read, once. Whoever sends it has ended by then.
func (q *Ask) reading(read func(io.Reader) error) error {
	if q.Upload == nil {
		return read(bytes.NewReader(q.Body))
	}
	pr, pw := io.Pipe()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		pw.CloseWithError(q.Upload.Send(pw, 0, q.Upload.Size()))
	}()
	err := read(pr)
	pr.Close()
	<-sent
	return err
}

const maxText = 1 << 10

// read goes through the form; each is given what the file holds.
func (f *form) read(r *multipart.Reader, each func(io.Reader) error) error {
	for {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return invalid("file", "the form cannot be read: %v", err)
		}
		if p.FormName() == "file" {
			if f.file {
				return invalid("file", "the form has two files: send them one by one")
			}
			f.file, f.name = true, path.Base(p.FileName())
			if each == nil {
				_, err = io.Copy(io.Discard, p)
			} else {
				err = each(p)
			}
			if err != nil {
				return err
			}
			continue
		}
		text, err := io.ReadAll(io.LimitReader(p, maxText))
		if err != nil {
			return invalid(p.FormName(), "the form cannot be read: %v", err)
		}
		if err := f.field(p.FormName(), string(text)); err != nil {
			return err
		}
	}
}

func (f *form) field(name, text string) error {
	switch name {
	case "purpose":
		f.purpose = text
	case "expires_after[anchor]", "expires_after[seconds]":
		if f.life == nil {
			f.life = &lifetime{}
		}
		if name == "expires_after[anchor]" {
			f.life.Anchor = text
			return nil
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return invalid("expires_after.seconds", "expires_after[seconds] must be a number, not %q", text)
		}
		f.life.Seconds = n
	}
	return nil
}

func (f *form) check() *wire.Error {
	switch {
	case !f.file:
		return invalid("file", "the form has no file: send one as the part file")
	case f.purpose == "":
		return invalid("purpose", "purpose is missing: the gateway keeps files of purpose batch")
	case f.purpose != "batch":
		return invalid("purpose", "the gateway itself keeps files of purpose batch alone, not %q: name the provider that it is for in x-signalbox-provider", f.purpose)
	case f.life != nil:
		return f.life.check("expires_after")
	}
	return nil
}

var errQuota = wire.Errorf(413, "files_quota", "your files would take more than batches.max_files allows: delete some that you do not need any more")

// bounded fails where a file is larger than it may be.
type bounded struct {
	r         io.Reader
	n         int64
	file, all int64 // bytes that it, and all of its tenant's, may still have
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	switch b.n += int64(n); {
	case b.n > b.file:
		return 0, wire.Errorf(413, "file_too_large", "the file is larger than batches.max_file allows (%d bytes): split it", b.file)
	case b.n > b.all:
		return 0, errQuota
	}
	return n, err
}
