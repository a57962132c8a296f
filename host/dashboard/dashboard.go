// Package dashboard holds the pages that a browser is shown at the admin
// address, and serves them; what they show they ask of the admin API.
package dashboard

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

//go:embed assets
var embedded embed.FS

// mark stands in the page for the version that all assets lie under.
const mark = "@VERSION@"

var types = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml", ".json": "application/json", ".webmanifest": "application/manifest+json",
}

// policy lets a page do what this dashboard does and nothing else: all comes
// from this server, and text never becomes code or markup.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src blob:; connect-src 'self'; " +
	"manifest-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

var headers = map[string]string{
	"Content-Security-Policy":      policy,
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY",
	"Referrer-Policy":              "no-referrer",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Permissions-Policy":           "microphone=(self), camera=(), geolocation=(), payment=(), usb=(), serial=(), display-capture=()",
}

// asset is a file as it is sent.
type asset struct {
	kind         string
	plain, small []byte // small: compressed
	tag          string
}

// Pages serve / and /assets/VERSION/…, where VERSION is made of all that lies
// there, so that browsers keep it until it changes.
type Pages struct {
	version string
	index   *asset
	files   map[string]*asset
}

// shown are the embedded pages, readied when they are first asked for.
var shown = sync.OnceValue(func() *Pages {
	assets, err := fs.Sub(embedded, "assets")
	if err == nil {
		var p *Pages
		if p, err = newPages(assets); err == nil {
			return p
		}
	}
	panic("BUG: the embedded dashboard cannot be read: " + err.Error())
})

// Handler serves the embedded pages.
func Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { shown().ServeHTTP(w, r) })
}

func newPages(assets fs.FS) (*Pages, error) {
	p := &Pages{files: map[string]*asset{}}
	sum := sha256.New()
	raw := map[string][]byte{}
	err := fs.WalkDir(assets, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if raw[name], err = fs.ReadFile(assets, name); err != nil {
			return err
		}
		if types[path.Ext(name)] == "" {
			return fmt.Errorf("cannot serve %q: its kind is unknown", name)
		}
		fmt.Fprintf(sum, "%s %d\n", name, len(raw[name]))
		_, err = sum.Write(raw[name])
		return err
	})
	if err != nil {
		return nil, err
	}
	p.version = hex.EncodeToString(sum.Sum(nil)[:8])
	for name, text := range raw {
		if name == "index.html" {
			text = bytes.ReplaceAll(text, []byte(mark), []byte(p.version))
		}
		if p.files[name], err = newAsset(types[path.Ext(name)], text); err != nil {
			return nil, err
		}
	}
	if p.index = p.files["index.html"]; p.index == nil {
		return nil, fmt.Errorf("cannot serve the dashboard: there is no index.html")
	}
	delete(p.files, "index.html")
	return p, nil
}

func newAsset(kind string, text []byte) (*asset, error) {
	var buf bytes.Buffer
	z, err := gzip.NewWriterLevel(&buf, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err = z.Write(text); err == nil {
		err = z.Close()
	}
	sum := sha256.Sum256(text)
	return &asset{kind: kind, plain: text, small: buf.Bytes(), tag: `"` + hex.EncodeToString(sum[:8]) + `"`}, err
}

// ServeHTTP implements http.Handler.
func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	for name, value := range headers {
		h.Set(name, value)
	}
	if r.URL.Path == "/" {
		p.index.send(w, r, "no-cache")
		return
	}
	version, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/assets/"), "/")
	a := p.files[name]
	switch {
	case a == nil:
		h.Set("Cache-Control", "no-store")
		http.Error(w, "there is no such file of the dashboard: load the page again", http.StatusNotFound)
	case version != p.version: // of a page that another version of the gateway has sent
		a.send(w, r, "no-cache")
	default:
		a.send(w, r, "public, max-age=31536000, immutable")
	}
}

func (a *asset) send(w http.ResponseWriter, r *http.Request, keep string) {
	h := w.Header()
	h.Set("Cache-Control", keep)
	h.Set("Vary", "Accept-Encoding")
	body, tag := a.plain, a.tag
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		body, tag = a.small, strings.TrimSuffix(a.tag, `"`)+`-gz"`
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", tag)
	if strings.Contains(r.Header.Get("If-None-Match"), tag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", a.kind)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(body) // who asked has left
}
