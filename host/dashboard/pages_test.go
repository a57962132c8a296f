package dashboard_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// pages are the names of all pages that can be shown without more said.
func (b *tab) pages() []string {
	b.t.Helper()
	return eval[[]string](b, `import(document.querySelector('script[type=module]').src.replace('shell', 'pages')).then((m) => m.pages.filter((p) => !p.hidden).map((p) => p.name))`)
}

// TestEveryPage shows each page in both schemes and on a phone: it is pictured,
// axe finds nothing serious, nothing runs over the edge, the console is silent.
func TestEveryPage(t *testing.T) {
	t.Parallel()
	g := theGateway(t)
	axe, err := os.ReadFile(filepath.Join("testdata", "axe", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatalf("axe-core is not installed (make needs): %v", err)
	}
	b := openTab(t, g)
	b.until(`document.querySelector('#token')`)
	eval[chromedp.Void](b, string(axe)+`;undefined`)
	for _, scheme := range []string{"dark", "light"} {
		b.scheme(scheme)
		b.shot("login-" + scheme)
		b.axe("login in " + scheme)
	}
	b.signIn(ownerToken)
	var newest struct{ ID string }
	b.visit("#/ledger?asked=steady&status=200")
	newest.ID = eval[string](b, `document.querySelector('tbody a').hash.split('/').at(-1)`)
	for _, name := range append(b.pages(), "request/"+newest.ID) {
		short, _, _ := strings.Cut(name, "/")
		b.size(1280, 900)
		b.visit("#/" + name)
		b.scheme("dark")
		b.shot(short + "-dark")
		b.axe(name + " in dark")
		b.scheme("light")
		b.shot(short + "-light")
		b.axe(name+" in light", "color-contrast", "link-in-text-block") // what a scheme changes
		b.size(390, 844)
		b.settled()
		b.shot(short + "-phone")
		if over := eval[int](b, `document.documentElement.scrollWidth - innerWidth`); over > 0 {
			t.Errorf("%s: on a phone the page is %d pixels too wide: %s", name, over, eval[string](b, `[...document.querySelectorAll('main *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1).slice(0, 3).map((e) => e.outerHTML.slice(0, 120)).join(' | ')`))
		}
	}
	b.click("button.menu", "")
	b.until(`document.querySelector('nav a').checkVisibility({visibilityProperty: true})`)
	b.shot("menu-phone")
	b.axe("the menu on a phone")
}

// axe fails the test where axe-core finds a serious or critical fault, of all
// rules or of those that are named.
func (b *tab) axe(what string, rules ...string) {
	b.t.Helper()
	only, err := json.Marshal(rules)
	if err != nil {
		b.t.Fatal(err)
	}
	found := eval[[]string](b, `axe.run(document, {resultTypes: ['violations'], runOnly: `+string(only)+` ?? undefined}).then((r) => r.violations.filter((v) => v.impact === 'serious' || v.impact === 'critical').map((v) => v.id + ': ' + v.help + ': ' + v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160) + ' ' + n.failureSummary.split('\n').slice(1, 2)).join(' | ')))`)
	for _, fault := range found {
		b.t.Errorf("%s: %s", what, fault)
	}
}

// otherPage serves an empty page at a port of its own.
func otherPage(t *testing.T) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><title>Other</title><link rel=icon href=data:,><body>")
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}
