package provider

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/provider/depot"
	"github.com/signalbox-ai/signalbox/host/trust"
	pb "github.com/signalbox-ai/signalbox/sdk/provider/proto/v1"
)

// maxProgram bounds an adapter that is uploaded.
const maxProgram = 512 << 20

// Upload is an adapter to be installed.
type Upload struct {
	Body   io.Reader // the program, or a tar of a script's folder
	Folder bool      // it is the latter
	Entry  string    // name of the file that is executed
	Name   string    // under which it is installed; "": its own
	SHA256 string    // that it must have; "": any
	// Signature is the text of a .minisig file: of the program, or of the
	// listing of the folder that the hash is made of.
	Signature string
}

// SetTrust says whose signatures count from now on.
func (s *Supervisor) SetTrust(t trust.Keys) { s.trust.Store(&t) }

// Install checks an adapter, asks it for its name and version, and keeps it in
// the depot. It serves nothing yet, unless nothing of that name is there.
func (s *Supervisor) Install(ctx context.Context, up *Upload) (a depot.Adapter, err error) {
	if s.opts.Depot == nil {
		return a, errors.New("cannot install adapters: there is no folder for them")
	}
	if up.Entry == "" || up.Entry != filepath.Base(up.Entry) || !filepath.IsLocal(up.Entry) {
		return a, fmt.Errorf("entry %q is not the name of a file", clip(up.Entry))
	}
	folder, err := s.opts.Depot.Incoming()
	if err != nil {
		return a, err
	}
	defer os.RemoveAll(folder) // what the depot has taken over is no longer there
	if err := receive(up, folder); err != nil {
		return a, err
	}
	im, err := s.images.load(filepath.Join(folder, up.Entry), "")
	if err != nil {
		return a, err
	}
	defer s.images.release(im)
	a = depot.Adapter{Name: up.Name, SHA256: im.sha256, Entry: up.Entry, Installed: time.Now().UTC()}
	if a.SignedBy, err = s.vouched(up, im); err != nil {
		return a, err
	}
	about, err := s.describe(ctx, im)
	if err != nil {
		return a, fmt.Errorf("cannot install it: %w", err)
	}
	if a.Version = about.GetVersion(); a.Name == "" {
		a.Name = about.GetName()
	}
	if a, err = s.opts.Depot.Add(a, folder); err != nil {
		return a, err
	}
	return s.first(a)
}

// first puts an adapter to use whose name nothing else has.
func (s *Supervisor) first(a depot.Adapter) (depot.Adapter, error) {
	if _, ok := s.opts.Depot.Find(a.Name, ""); ok {
		return a, nil
	}
	if _, err := os.Stat(filepath.Join(s.opts.PluginDir, "providers", a.Name)); err == nil {
		return a, nil // the shipped one stays until an upgrade
	}
	s.opts.Depot.Select(a.Name, a.Version)
	a.Current = true
	return a, s.opts.Depot.Save()
}

// vouched checks hash and signature, and returns who signed.
func (s *Supervisor) vouched(up *Upload, im *image) (string, error) {
	if want := strings.ToLower(strings.TrimPrefix(up.SHA256, "sha256:")); want != "" && want != im.sha256 {
		return "", fmt.Errorf("it has sha256 %s; want %s", im.sha256, clip(want))
	}
	trust := s.trust.Load()
	if up.Signature == "" {
		if trust.Required {
			return "", errors.New("it is not signed, and plugins.require_signature is set: give its signature")
		}
		return "", nil
	}
	content, err := im.content()
	if err != nil {
		return "", fmt.Errorf("cannot read it: %w", err)
	}
	return trust.Verify(content, up.Signature)
}

func receive(up *Upload, folder string) error {
	if up.Folder {
		return unpack(up.Body, folder)
	}
	f, err := os.OpenFile(filepath.Join(folder, up.Entry), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o700)
	if err != nil {
		return fmt.Errorf("cannot keep it: %w", err)
	}
	n, err := io.Copy(f, io.LimitReader(up.Body, maxProgram+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("cannot keep it: %w", err)
	}
	if n > maxProgram {
		return fmt.Errorf("it is larger than %d bytes", maxProgram)
	}
	return nil
}

// unpack takes plain files and folders alone out of a tar.
func unpack(r io.Reader, folder string) error {
	in := tar.NewReader(r)
	left := int64(maxScriptBytes)
	for files := 0; ; files++ {
		h, err := in.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot read the tar: %w", err)
		}
		if files == maxScriptFiles {
			return fmt.Errorf("the tar holds more than %d files", maxScriptFiles)
		}
		if !filepath.IsLocal(h.Name) {
			return fmt.Errorf("the tar holds %q, which is outside of it", clip(h.Name))
		}
		to := filepath.Join(folder, h.Name)
		switch h.Typeflag {
		case tar.TypeDir:
			err = os.MkdirAll(to, 0o700)
		case tar.TypeReg:
			if left -= h.Size; left < 0 {
				return fmt.Errorf("the tar holds more than %d bytes", maxScriptBytes)
			}
			err = extract(in, to, h.FileInfo().Mode().Perm())
		default:
			err = fmt.Errorf("%q is neither a file nor a folder", clip(h.Name))
		}
		if err != nil {
			return fmt.Errorf("cannot unpack the tar: %w", err)
		}
	}
}

func extract(r io.Reader, to string, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600|mode&0o100)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

// describe starts a program, fenced, to ask what it is.
func (s *Supervisor) describe(ctx context.Context, im *image) (about *pb.DescribeResponse, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timing.start)
	defer cancel()
	dir, err := s.run.folder()
	if err != nil {
		return nil, err
	}
	spec := &Spec{Name: "install"}
	in := &instance{dir: dir, log: newLogs(slog.New(slog.DiscardHandler), new(ring), nil), counter: call.NewProcess(), cancel: func() {}}
	defer func() {
		in.kill()
		if words := in.log.words(); err != nil && words != "" {
			err = fmt.Errorf("%w; its last words: %s", err, words)
		}
	}()
	if err = in.prepare(s, spec, im); err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = in.proc.Kill(context.Background()) })()
	if err = in.launch(s); err != nil {
		return nil, err
	}
	if about, err = in.rpc.Describe(ctx, &pb.DescribeRequest{Capabilities: capabilities}); err != nil {
		return nil, fmt.Errorf("cannot describe it: %w", reason(err))
	}
	return about, nil
}
