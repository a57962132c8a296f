package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/signalbox-ai/signalbox/host/config"
)

// pipelineRun are the words of pipeline run.
type pipelineRun struct {
	src           *sources
	at, key, save string
	inputs, files []string
	json, dry     bool
}

func pipelineRunCommand(a *access) *cobra.Command {
	r := &pipelineRun{src: a.src}
	c := &cobra.Command{
		Use: "run NAME", Short: "Run a pipeline as a caller does, with a key", Args: exactly(1, "the name of a pipeline"),
		Long: "Run a pipeline as a caller does, with a key: policy, rates and budgets hold as for any. Steps are told of on standard error as they end,\n" +
			"the output goes to standard output: a text as it is, anything else as JSON. Files in the output are kept with --save.",
		Example: "  signalbox pipeline run digest --input text='…' --input languages=de,fr\n" +
			"  signalbox pipeline run voice-note --file audio=@note.wav --json",
		RunE: func(c *cobra.Command, args []string) error { return r.run(c, args[0]) },
	}
	f := c.Flags()
	f.StringVar(&r.at, "url", "", "data address of the gateway, as http://127.0.0.1:8080 (default: that of the configuration)")
	f.StringVar(&r.key, "key", "", keyUsage+"the first one of the configuration, the one for development beside the store)")
	f.StringArrayVar(&r.inputs, "input", nil, "an input, as name=value; a list as a,b or JSON (repeatable)")
	f.StringArrayVar(&r.files, "file", nil, "an input that is a file, as name=@path (repeatable)")
	f.StringVar(&r.save, "save", "", "folder to write the output's files into")
	f.BoolVar(&r.json, "json", false, "print the whole record of the run as JSON")
	f.BoolVar(&r.dry, "dry-run", false, "show what would be done and what it may cost, and run nothing")
	return c
}

// find fills in where to and with which key.
func (r *pipelineRun) find() error {
	if r.key == "" {
		r.key = os.Getenv(config.KeyVar)
	}
	if r.at != "" && r.key != "" {
		return nil
	}
	s, err := r.src.resolve()
	if err != nil {
		return err
	}
	cfg, err := config.Load(s)
	if err != nil {
		return hint(err, "give --url, and the key in %s, where the configuration is not that of the gateway", config.KeyVar)
	}
	if r.at == "" {
		r.at = "http://" + reachable(cfg.Listen.Data)
		if cfg.Listen.TLS.Cert != "" {
			r.at = "https://" + reachable(cfg.Listen.Data)
		}
	}
	if r.key == "" && len(cfg.Keys) > 0 {
		r.key = cfg.Keys[0].Value.Reveal()
	}
	if r.key == "" {
		r.key = developmentKey(cfg.Store.Dir()).Reveal()
	}
	if r.key == "" {
		return errNoKey
	}
	return nil
}

func (r *pipelineRun) run(c *cobra.Command, name string) error {
	if err := r.find(); err != nil {
		return err
	}
	kind, body, err := r.form()
	if err != nil {
		return err
	}
	q := "?stream=true"
	if r.dry {
		q, body = "?dry_run=true", nil
	}
	req, err := http.NewRequestWithContext(c.Context(), http.MethodPost, strings.TrimSuffix(r.at, "/")+"/v1/pipelines/"+url.PathEscape(name)+q, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("cannot call %s: %w", r.at, err)
	}
	req.Header.Set("Authorization", "Bearer "+r.key)
	req.Header.Set("Content-Type", kind)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return hint(fmt.Errorf("cannot reach the gateway at %s: %w", r.at, errors.Unwrap(err)), "is it running? start it with signalbox serve, or name another with --url")
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		raw, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20)) // what there is of it
		return refusal(resp.StatusCode, raw)
	}
	if r.dry {
		return r.plan(c.OutOrStdout(), resp.Body)
	}
	return r.follow(c, resp.Body)
}

func (r *pipelineRun) plan(w io.Writer, body io.Reader) error {
	raw, err := io.ReadAll(body)
	if err != nil {
		return fmt.Errorf("cannot read the gateway's answer: %w", err)
	}
	if r.json {
		_, err := fmt.Fprintf(w, "%s\n", raw)
		return err
	}
	var p planned
	if err := json.Unmarshal(raw, &p); err != nil {
		return fmt.Errorf("cannot read the gateway's answer: %w", err)
	}
	return printPlan(w, &p)
}

// form is the request's body: a part for each input.
func (r *pipelineRun) form() (kind string, body []byte, err error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, in := range r.inputs {
		name, value, ok := strings.Cut(in, "=")
		if !ok || name == "" {
			return "", nil, hint(fmt.Errorf("cannot read --input %q", in), "write --input name=value")
		}
		if err := w.WriteField(name, value); err != nil {
			return "", nil, err
		}
	}
	for _, in := range r.files {
		name, path, ok := strings.Cut(in, "=")
		if !ok || name == "" {
			return "", nil, hint(fmt.Errorf("cannot read --file %q", in), "write --file name=@path")
		}
		if err := addFile(w, name, strings.TrimPrefix(path, "@")); err != nil {
			return "", nil, err
		}
	}
	if err := w.Close(); err != nil {
		return "", nil, err
	}
	return w.FormDataContentType(), b.Bytes(), nil
}

func addFile(w *multipart.Writer, name, path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("cannot read input %q: %w", name, err)
	}
	kind := mime.TypeByExtension(filepath.Ext(path))
	if kind == "" {
		kind = http.DetectContentType(data)
	}
	h := textproto.MIMEHeader{}
	h.Set("Content-Disposition", mime.FormatMediaType("form-data", map[string]string{"name": name, "filename": filepath.Base(path)}))
	h.Set("Content-Type", kind)
	p, err := w.CreatePart(h)
	if err == nil {
		_, err = p.Write(data)
	}
	return err
}

// follow reads the events of a run to their end.
func (r *pipelineRun) follow(c *cobra.Command, body io.Reader) error {
	told := lookOf(c.ErrOrStderr())
	in := bufio.NewReader(body)
	name := ""
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return errors.New("the gateway's answer broke off before the run had ended")
		}
		line = bytes.TrimRight(line, "\n")
		if v, ok := bytes.CutPrefix(line, []byte("event: ")); ok {
			name = string(v)
		}
		data, ok := bytes.CutPrefix(line, []byte("data: "))
		switch {
		case !ok:
		case name == "step":
			tellStep(c.ErrOrStderr(), told, data)
		case name == "error":
			return refusal(http.StatusBadGateway, data)
		case name == "run":
			return r.print(c.OutOrStdout(), data)
		}
	}
}

// tellStep says how a step has fared; on a terminal also that it has begun.
func tellStep(w io.Writer, l look, data []byte) {
	var s struct {
		Name, Model, Status string
		Duration            float64 `json:"duration_ms"`
		Cost                float64 `json:"cost_usd"`
		Error               *struct{ Message string }
	}
	if json.Unmarshal(data, &s) != nil {
		return
	}
	if s.Status == "running" {
		if l.terminal {
			fmt.Fprintf(w, "%s\r", l.paint(dim, "… "+harmless(s.Name)))
		}
		return
	}
	with := green
	if s.Status != "ok" {
		with = yellow
	}
	text := fmt.Sprintf("%s  %s  %.0f ms  %s", harmless(s.Name), l.paint(with, s.Status), s.Duration, inUSD(s.Cost))
	if s.Model != "" {
		text += "  " + harmless(s.Model)
	}
	if s.Error != nil {
		text += "  " + harmless(s.Error.Message)
	}
	fmt.Fprintln(w, text)
}

func (r *pipelineRun) print(w io.Writer, record []byte) error {
	if r.save == "" && r.json {
		_, err := fmt.Fprintf(w, "%s\n", record)
		return err
	}
	var run map[string]any
	if err := json.Unmarshal(record, &run); err != nil {
		return fmt.Errorf("cannot read the gateway's answer: %w", err)
	}
	out, err := r.keep(run["output"], "output")
	if err != nil {
		return err
	}
	if r.json {
		run["output"] = out
		out = run
	}
	if text, ok := out.(string); ok {
		_, err := fmt.Fprintln(w, text)
		return err
	}
	return printJSON(w, out)
}

// keep writes the files of an output, and returns it with their paths, or with
// what they are, in their place.
func (r *pipelineRun) keep(v any, name string) (any, error) {
	switch v := v.(type) {
	case []any:
		for i := range v {
			var err error
			if v[i], err = r.keep(v[i], fmt.Sprintf("%s-%d", name, i+1)); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		kind, _ := v["type"].(string)
		data, ok := v["data"].(string)
		if ok && len(v) == 2 && strings.Contains(kind, "/") {
			return r.file(kind, data, name)
		}
		for k := range v {
			var err error
			if v[k], err = r.keep(v[k], k); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

func (r *pipelineRun) file(kind, data, name string) (any, error) {
	b, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return nil, fmt.Errorf("cannot decode %s of the output: %w", name, err)
	}
	if r.save == "" {
		return fmt.Sprintf("%d bytes of %s: --save writes them", len(b), kind), nil
	}
	ext := map[string]string{"audio/wav": ".wav", "audio/mpeg": ".mp3", "image/png": ".png", "image/jpeg": ".jpg"}[kind]
	if ext == "" {
		ext = ".bin"
	}
	if err := os.MkdirAll(r.save, 0o755); err != nil {
		return nil, fmt.Errorf("cannot write %s of the output: %w", name, err)
	}
	path := filepath.Join(r.save, filepath.Base(name)+ext)
	if err := os.WriteFile(path, b, 0o644); err != nil {
		return nil, fmt.Errorf("cannot write %s of the output: %w", name, err)
	}
	return path, nil
}
