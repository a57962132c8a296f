package main

import (
	"archive/tar"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

func pluginInstallCommand(src *sources) *cobra.Command {
	a := &access{src: src}
	var sha, signature, name string
	c := shown(&cobra.Command{
		Use: "install FILE", Short: "Install an adapter in the running gateway",
		Long: "Install an adapter in the running gateway, under the name and version that it says of itself.\n" +
			"Of a script the whole folder is taken. What serves is not touched: see plugin upgrade.",
		Args:    exactly(1, "a file"),
		Example: "  signalbox plugin install bin/acme --sha256 4f3c…",
		RunE: func(c *cobra.Command, args []string) error {
			api, err := a.open()
			if err != nil {
				return err
			}
			q := url.Values{"entry": {filepath.Base(args[0])}, "sha256": {sha}, "name": {name}}
			work := progressOf(c.ErrOrStderr(), "plugin install", sizeOf(args[0]), inBytes)
			raw, err := api.upload(c.Context(), parcel{args[0], signature, q, work})
			work.end()
			if err != nil {
				return err
			}
			var got installed
			return printAnswer(c, raw, &got, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "installed %s@%s, sha256 %s\n", got.Name, got.Version, got.SHA256)
				if err == nil && !got.Current {
					_, err = fmt.Fprintf(w, "another version is in use: signalbox plugin upgrade %s@%s\n", got.Name, got.Version)
				}
				return err
			})
		},
	})
	c.Flags().StringVar(&sha, "sha256", "", "hash that it must have")
	c.Flags().StringVar(&signature, "signature", "", "its .minisig file, by one of plugins.trusted_keys")
	c.Flags().StringVar(&name, "name", "", "name to install it under (default: its own)")
	a.flags(c)
	return c
}

// parcel is what upload sends.
type parcel struct {
	path, signature string // files
	q               url.Values
	work            *progress
}

// upload sends a program, or the folder of a script as a tar, and returns the answer.
func (c *client) upload(ctx context.Context, what parcel) (answer []byte, err error) {
	path, q := what.path, what.q
	var sig []byte
	if what.signature != "" {
		if sig, err = os.ReadFile(what.signature); err != nil {
			return nil, fmt.Errorf("cannot read the signature: %w", err)
		}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the adapter: %w", err)
	}
	defer f.Close()
	head := make([]byte, 2)
	if _, err := f.ReadAt(head, 0); err != nil {
		return nil, fmt.Errorf("cannot read the adapter: %w", err)
	}
	var body io.Reader = f
	kind := "application/octet-stream"
	if string(head) == "#!" {
		r, w := io.Pipe()
		defer r.Close()
		kind, body = "application/x-tar", r
		go func() {
			t := tar.NewWriter(w)
			err := t.AddFS(os.DirFS(filepath.Dir(path)))
			if err == nil {
				err = t.Close()
			}
			w.CloseWithError(err)
		}()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url("/admin/plugins?"+q.Encode()), passing{body, what.work})
	if err != nil {
		return nil, fmt.Errorf("cannot call %s: %w", c.address, err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	req.Header.Set("Content-Type", kind)
	req.Header.Set("X-Signalbox-Signature", base64.StdEncoding.EncodeToString(sig))
	resp, err := c.lasting().Do(req) // it may be large
	if err != nil {
		return nil, fmt.Errorf("cannot send the adapter: %w", err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot read the gateway's answer: %w", err)
	case resp.StatusCode != http.StatusOK:
		return nil, refusal(resp.StatusCode, raw)
	}
	return raw, nil
}
