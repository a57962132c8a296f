package dashboard

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

// most is what all assets may be together.
const most = 300 << 10

func get(h http.Handler, address string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", address, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestAssetsAreSmall counts what all of them are, and what a browser has to fetch.
func TestAssetsAreSmall(t *testing.T) {
	plain, small := len(shown().index.plain), len(shown().index.small)
	for _, a := range shown().files {
		plain, small = plain+len(a.plain), small+len(a.small)
	}
	t.Logf("%d files, %d bytes, compressed %d", len(shown().files)+1, plain, small)
	if plain > most {
		t.Errorf("all assets are %d bytes; want at most %d", plain, most)
	}
}

// TestAssetsNameNoOtherHost: nothing is fetched from elsewhere, and nothing is
// made of text: no markup, no scripts, no styles in attributes.
func TestAssetsNameNoOtherHost(t *testing.T) {
	address := regexp.MustCompile(`(?i)(https?:)?//[a-z0-9-]+\.[a-z]{2,}`)
	unsafe := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setAttribute\('style'|srcdoc|javascript:`)
	err := fs.WalkDir(embedded, "assets", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := embedded.ReadFile(name)
		if err != nil {
			return err
		}
		clean := bytes.ReplaceAll(text, []byte("http://www.w3.org/2000/svg"), nil) // a name, which nothing is fetched from
		if found := address.Find(clean); found != nil {
			t.Errorf("%s names %s", name, found)
		}
		if found := unsafe.Find(text); found != nil && path.Ext(name) == ".js" {
			t.Errorf("%s has %s: insert text as text", name, found)
		}
		if path.Ext(name) == ".html" && regexp.MustCompile(`(?i)\sstyle=|\son[a-z]+=|<script>|<style`).Match(text) {
			t.Errorf("%s has a script or style within", name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestHeaders(t *testing.T) {
	for _, address := range []string{"/", "/assets/" + shown().version + "/shell.js", "/assets/x/nothing.js"} {
		h := get(Handler(), address).Header()
		for name, value := range headers {
			if h.Get(name) != value {
				t.Errorf("%s: %s is %q", address, name, h.Get(name))
			}
		}
		for _, word := range []string{"unsafe", "*", "http:"} {
			if strings.Contains(h.Get("Content-Security-Policy"), word) {
				t.Errorf("the policy allows %s", word)
			}
		}
	}
}

func TestServing(t *testing.T) {
	p, err := newPages(fstest.MapFS{"index.html": {Data: []byte("<a href=/assets/@VERSION@/a.js>")}, "a.js": {Data: []byte(strings.Repeat("let a; ", 100))}, "pages/b.css": {Data: []byte("b{}")}})
	if err != nil {
		t.Fatal(err)
	}
	f := func(address, accept string, status int, kind, keep, body string) {
		t.Helper()
		w := get(p, address, "Accept-Encoding", accept)
		got := w.Body.Bytes()
		if w.Header().Get("Content-Encoding") == "gzip" {
			z, err := gzip.NewReader(w.Body)
			if err != nil {
				t.Fatal(err)
			}
			if got, err = io.ReadAll(z); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(accept, "gzip") {
				t.Errorf("%s: compressed without being asked for it", address)
			}
		}
		if w.Code != status || !strings.HasPrefix(w.Header().Get("Content-Type"), kind) || w.Header().Get("Cache-Control") != keep || !strings.HasPrefix(string(got), body) {
			t.Errorf("%s: %d %v %.80s", address, w.Code, w.Header(), got)
		}
	}
	const forever = "public, max-age=31536000, immutable"
	own := "/assets/" + p.version
	f("/", "", 200, "text/html", "no-cache", "<a href="+own+"/a.js>")
	f("/", "br, gzip", 200, "text/html", "no-cache", "<a href="+own+"/a.js>")
	f(own+"/a.js", "gzip", 200, "text/javascript", forever, "let a; let a;")
	f(own+"/a.js", "", 200, "text/javascript", forever, "let a; let a;")
	f(own+"/pages/b.css", "gzip", 200, "text/css", forever, "b{}")
	f("/assets/0123456789abcdef/a.js", "", 200, "text/javascript", "no-cache", "let a;")
	for _, none := range []string{own + "/c.js", own + "/index.html", own + "/", "/assets/", own + "/../a.js", own + "/pages"} {
		f(none, "gzip", 404, "text/plain", "no-store", "there is no such file")
	}
	for _, accept := range []string{"", "gzip"} {
		w := get(p, "/", "Accept-Encoding", accept)
		again := get(p, "/", "Accept-Encoding", accept, "If-None-Match", `"other", W/`+w.Header().Get("ETag"))
		if again.Code != http.StatusNotModified || again.Body.Len() != 0 || again.Header().Get("ETag") != w.Header().Get("ETag") {
			t.Errorf("what is unchanged is answered with %d %v", again.Code, again.Header())
		}
	}
	a, b := get(p, "/", "Accept-Encoding", "").Header().Get("ETag"), get(p, "/", "Accept-Encoding", "gzip").Header().Get("ETag")
	if a == b {
		t.Errorf("two forms have one tag, %s", a)
	}
}

func TestVersionIsThatOfAll(t *testing.T) {
	f := func(files fstest.MapFS) string {
		t.Helper()
		files["index.html"] = &fstest.MapFile{Data: []byte(mark)}
		p, err := newPages(files)
		if err != nil {
			t.Fatal(err)
		}
		return p.version
	}
	seen := map[string]bool{}
	for _, files := range []fstest.MapFS{{"a.js": {Data: []byte("1")}}, {"a.js": {Data: []byte("2")}}, {"b.js": {Data: []byte("1")}}, {"a.js": {Data: []byte("1")}, "b.js": {}}} {
		v := f(files)
		if seen[v] {
			t.Errorf("two sets of files have version %s", v)
		}
		seen[v] = true
	}
	for name, files := range map[string]fstest.MapFS{"kind is unknown": {"index.html": {}, "a.exe": {}}, "no index.html": {"a.js": {}}} {
		if _, err := newPages(files); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v; want that %s", err, name)
		}
	}
}

// TestModulesLead: what a module imports is there, and every page is in the list.
func TestModulesLead(t *testing.T) {
	imports := regexp.MustCompile(`(?m)^(?:import|export) [^'\n]*from '([^']+)'|import\('([^']+)'\)`)
	list := string(shown().files["pages.js"].plain)
	for name, a := range shown().files {
		if path.Ext(name) != ".js" {
			continue
		}
		for _, m := range imports.FindAllStringSubmatch(string(a.plain), -1) {
			if to := path.Join(path.Dir(name), m[1]+m[2]); shown().files[to] == nil {
				t.Errorf("%s imports %s, which is not there", name, m[1]+m[2])
			}
		}
		if path.Dir(name) == "pages" && !strings.Contains(list, fmt.Sprintf("import('./%s')", name)) {
			t.Errorf("%s is not in pages.js", name)
		}
	}
	for _, m := range regexp.MustCompile(`/assets/`+shown().version+`/([^"]+)`).FindAllStringSubmatch(string(shown().index.plain), -1) {
		if shown().files[m[1]] == nil {
			t.Errorf("the page asks for %s, which is not there", m[1])
		}
	}
}
