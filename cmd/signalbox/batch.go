package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// batchWords are the words of batch: they ask the gateway as a caller does.
type batchWords struct {
	src     *sources
	at, key string
}

// batchState is a batch as the gateway shows it.
type batchState struct {
	ID, Status, Endpoint string
	Output               string                                   `json:"output_file_id"`
	Errors               string                                   `json:"error_file_id"`
	Created              int64                                    `json:"created_at"`
	Counts               struct{ Total, Completed, Failed int64 } `json:"request_counts"`
	Faults               *struct {
		Data []struct {
			Code, Message string
			Line          *int
		}
	} `json:"errors"`
	Signalbox struct {
		Provider string
		Status   string `json:"provider_status"`
	}
}

func (b *batchState) over() bool {
	return b.Status == "completed" || b.Status == "failed" || b.Status == "cancelled" || b.Status == "expired"
}

func batchCommand(src *sources) *cobra.Command {
	w := &batchWords{src: src}
	c := &cobra.Command{Use: "batch", Short: "Submit files of requests, watch them, fetch what came of them"}
	c.PersistentFlags().StringVar(&w.at, "url", "", "data address of the gateway, as http://127.0.0.1:8080 (default: that of the configuration)")
	c.PersistentFlags().StringVar(&w.key, "key", "", keyUsage+"the first one of the configuration, the one for development beside the store)")
	c.AddCommand(w.submitCommand(), w.listCommand(), w.showCommand(), w.waitCommand(), w.cancelCommand(), w.resultsCommand())
	return c
}

// call makes a request and returns its answer, which the caller has to close.
func (w *batchWords) call(ctx context.Context, method, path, kind string, body io.Reader) (io.ReadCloser, error) {
	find := pipelineRun{src: w.src, at: w.at, key: w.key}
	if err := find.find(); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(find.at, "/")+path, body)
	if err != nil {
		return nil, fmt.Errorf("cannot call %s: %w", find.at, err)
	}
	req.Header.Set("Authorization", "Bearer "+find.key)
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, hint(fmt.Errorf("cannot reach the gateway at %s: %w", find.at, errors.Unwrap(err)), "is it running? start it with signalbox serve, or name another with --url")
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		raw, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20)) // what there is of it
		return nil, refusal(resp.StatusCode, raw)
	}
	return resp.Body, nil
}

// ask is call with an answer that is read into to; raw is all of it.
func (w *batchWords) ask(ctx context.Context, method, path string, body []byte, to any) (raw []byte, err error) {
	kind := ""
	if body != nil {
		kind = "application/json"
	}
	r, err := w.call(ctx, method, path, kind, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if raw, err = io.ReadAll(r); err == nil {
		err = json.Unmarshal(raw, to)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the gateway's answer: %w", err)
	}
	return raw, nil
}

// upload sends a file and returns its id.
func (w *batchWords) upload(ctx context.Context, path string, work *progress) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("cannot read the requests: %w", err)
	}
	defer file.Close()
	pr, pw := io.Pipe()
	form := multipart.NewWriter(pw)
	go func() {
		err := form.WriteField("purpose", "batch")
		var part io.Writer
		if err == nil {
			part, err = form.CreateFormFile("file", filepath.Base(path))
		}
		if err == nil {
			_, err = io.Copy(part, passing{file, work})
		}
		pw.CloseWithError(errors.Join(err, form.Close()))
	}()
	defer pr.Close() // ends the writer
	r, err := w.call(ctx, http.MethodPost, "/v1/files", form.FormDataContentType(), pr)
	if err != nil {
		return "", err
	}
	defer r.Close()
	var f struct{ ID string }
	if err := json.NewDecoder(r).Decode(&f); err != nil {
		return "", fmt.Errorf("cannot read the gateway's answer: %w", err)
	}
	return f.ID, nil
}

func (w *batchWords) submitCommand() *cobra.Command {
	var window string
	c := &cobra.Command{
		Use: "submit FILE", Short: "Upload a file of requests and have it worked on", Args: exactly(1, "a file with a request on each line"),
		Long:    "Upload a file of requests and have it worked on. Each line is a request as OpenAI's batches have it; what it is for is read from the first one.",
		Example: "  signalbox batch submit requests.jsonl",
		RunE: func(c *cobra.Command, args []string) error {
			endpoint, err := firstURL(args[0])
			if err != nil {
				return err
			}
			work := progressOf(c.ErrOrStderr(), "batch submit", sizeOf(args[0]), inBytes)
			id, err := w.upload(c.Context(), args[0], work)
			work.end()
			if err != nil {
				return err
			}
			body, err := json.Marshal(map[string]string{"input_file_id": id, "endpoint": endpoint, "completion_window": window})
			if err != nil {
				return err
			}
			var b batchState
			raw, err := w.ask(c.Context(), http.MethodPost, "/v1/batches", body, &b)
			return w.print(c, raw, err, func(out io.Writer) { fmt.Fprintln(out, b.ID) })
		},
	}
	c.Flags().StringVar(&window, "window", "24h", "how long it may take")
	return shown(c)
}

// firstURL is what the first request of a file is for.
func firstURL(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("cannot read the requests: %w", err)
	}
	defer file.Close()
	var first struct{ URL string }
	if err := json.NewDecoder(file).Decode(&first); err != nil || first.URL == "" {
		return "", hint(fmt.Errorf("cannot read the first request of %s", path), `write one on each line: {"custom_id":"1","method":"POST","url":"/v1/chat/completions","body":{…}}`)
	}
	return first.URL, nil
}

func (w *batchWords) print(c *cobra.Command, raw []byte, err error, plain func(io.Writer)) error {
	if err != nil {
		return err
	}
	if wantsJSON(c) {
		_, err := fmt.Fprintf(c.OutOrStdout(), "%s\n", raw)
		return err
	}
	plain(c.OutOrStdout())
	return nil
}

func (w *batchWords) listCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "list", Short: "List the batches of the key's team, newest first", Args: cobra.NoArgs,
		Example: "  signalbox batch list",
		RunE: func(c *cobra.Command, _ []string) error {
			var page struct{ Data []batchState }
			raw, err := w.ask(c.Context(), http.MethodGet, "/v1/batches?limit=100", nil, &page)
			return w.print(c, raw, err, func(out io.Writer) {
				t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
				fmt.Fprintln(t, "BATCH\tSTATUS\tDONE\tFAILED\tOF\tENDPOINT\tCREATED")
				for _, b := range page.Data {
					fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%s\t%s\n", b.ID, b.Status, b.Counts.Completed, b.Counts.Failed, b.Counts.Total, b.Endpoint, time.Unix(b.Created, 0).UTC().Format(time.DateTime))
				}
				t.Flush()
			})
		},
	}
	return shown(c)
}

func (w *batchWords) get(ctx context.Context, id string) (b batchState, raw []byte, err error) {
	raw, err = w.ask(ctx, http.MethodGet, "/v1/batches/"+url.PathEscape(id), nil, &b)
	return b, raw, err
}

func (w *batchWords) showCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "show BATCH", Short: "Show how far a batch is", Args: exactly(1, "the id of a batch"),
		Example: "  signalbox batch show batch_0123456789abcdef01234567",
		RunE: func(c *cobra.Command, args []string) error {
			b, raw, err := w.get(c.Context(), args[0])
			return w.print(c, raw, err, func(out io.Writer) { b.tell(out) })
		},
	}
	return shown(c)
}

func (b *batchState) tell(out io.Writer) {
	fmt.Fprintf(out, "%s: %s, %d of %d requests done, %d failed\n", b.ID, b.Status, b.Counts.Completed, b.Counts.Total, b.Counts.Failed)
	if who := &b.Signalbox; who.Provider != "" {
		fmt.Fprintf(out, "  a batch of provider %s", who.Provider)
		if who.Status != "" {
			fmt.Fprintf(out, ", which says: %s", who.Status)
		}
		fmt.Fprintln(out)
	}
	if b.Faults != nil {
		for _, f := range b.Faults.Data {
			where := ""
			if f.Line != nil {
				where = fmt.Sprintf("line %d: ", *f.Line)
			}
			fmt.Fprintf(out, "  %s%s (%s)\n", where, f.Message, f.Code)
		}
	}
}

func (w *batchWords) cancelCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "cancel BATCH", Short: "Cancel a batch: what runs ends, what waits is not sent", Args: exactly(1, "the id of a batch"),
		Example: "  signalbox batch cancel batch_0123456789abcdef01234567",
		RunE: func(c *cobra.Command, args []string) error {
			var b batchState
			raw, err := w.ask(c.Context(), http.MethodPost, "/v1/batches/"+url.PathEscape(args[0])+"/cancel", []byte{}, &b)
			return w.print(c, raw, err, func(out io.Writer) { b.tell(out) })
		},
	}
	return shown(c)
}

func (w *batchWords) resultsCommand() *cobra.Command {
	var failed bool
	c := always(&cobra.Command{
		Use: "results BATCH", Short: "Print the answers of a batch, each on a line", Args: exactly(1, "the id of a batch"),
		Example: "  signalbox batch results batch_0123456789abcdef01234567 > answers.jsonl",
		RunE: func(c *cobra.Command, args []string) error {
			b, _, err := w.get(c.Context(), args[0])
			if err != nil {
				return err
			}
			id := b.Output
			if failed {
				id = b.Errors
			}
			if !b.over() {
				return hint(fmt.Errorf("the batch is %s", b.Status), "wait for it with signalbox batch wait %s", b.ID)
			}
			if id == "" {
				return nil // there are none
			}
			r, err := w.call(c.Context(), http.MethodGet, "/v1/files/"+url.PathEscape(id)+"/content", "", http.NoBody)
			if err != nil {
				return err
			}
			defer r.Close()
			_, err = io.Copy(c.OutOrStdout(), r)
			return err
		},
	})
	c.Flags().BoolVar(&failed, "failed", false, "those that were not answered well instead")
	return c
}
