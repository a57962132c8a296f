package dashboard_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const (
	internKey = "sb-dashboard-intern-key-31b7"
	// harm is text that does harm where it is taken for markup.
	harm          = "<img src=x onerror=document.title='harmed'>"
	operatorToken = "operator-token-of-the-dashboard-tests"
)

// workConfig has what the pages about the gateway's own work show.
func workConfig(t testing.TB) string {
	t.Helper()
	policy, err := filepath.Abs(filepath.Join("..", "..", "examples", "policies", "interns"))
	if err != nil {
		t.Fatal(err)
	}
	config := strings.Replace(usualConfig, "tokens: [", `tokens: [{name: otto, role: operator, value: "`+operatorToken+`"}, `, 1)
	config = strings.Replace(config, "demo/echo: {input_per_mtok: 2.5, output_per_mtok: 10, max_output: 4096}", "demo/echo: {input_per_mtok: 2.5, output_per_mtok: 10, context: 128000, max_output: 4096}", 1)
	config = strings.Replace(config, "keys: [", `keys: [{name: intern, value: "`+internKey+`", roles: [intern]}, `, 1)
	return config + `
policy: {bundle: "` + policy + `"}
objectives: {default: {availability: 99.5, latency: 2s}}
pipelines:
  digest:
    description: "` + harm + `"
    input: {text: {type: string, from: chat.text, description: "` + harm + `"}, languages: {type: "list<string>", default: [de, fr]}}
    budget: 0.5
    steps:
      - {name: summary, model: smart, max_tokens: 100, with: {prompt: "Summarise: {{ input.text }}"}}
      - name: both
        parallel:
          - {name: tone, model: demo/fixed, max_tokens: 100, with: {prompt: "{{ summary.text }}"}}
          - {name: translate, model: smart, max_tokens: 100, each: input.languages, with: {prompt: "To {{ item }}: {{ summary.text }}"}}
      - {name: end, model: smart, max_tokens: 100, with: {prompt: "{{ tone.text }}"}}
`
}

// health is what is read of GET /admin/providers/health for the one provider.
func (g *gateway) health() (pid int, state string) {
	g.t.Helper()
	var h struct {
		Providers []struct {
			Now     struct{ State string }
			Adapter struct{ PID int }
		}
	}
	g.ask("GET", "/admin/providers/health?provider=demo", "", &h)
	return h.Providers[0].Adapter.PID, h.Providers[0].Now.State
}

// TestProviderFallsAndRecovers: an adapter that dies again and again is seen to
// be down, and comes back at a click.
func TestProviderFallsAndRecovers(t *testing.T) {
	t.Parallel()
	g := startGateway(t, workConfig(t))
	b := openTab(t, g)
	b.signIn(operatorToken)
	b.visit("#/providers")
	b.until(`document.querySelector('.provider .badge.good')`)
	for last, end := 0, time.Now().Add(time.Minute); ; time.Sleep(2 * time.Millisecond) {
		pid, state := g.health()
		if state == "quarantined" {
			break
		}
		if pid != 0 && pid != last {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			last = pid
		}
		if time.Now().After(end) {
			t.Fatalf("the adapter is %s", state)
		}
	}
	b.until(`document.querySelector('.provider .badge.bad')?.textContent === 'quarantined'`)
	if status := g.chat(callerKey, "smart", "hello"); status != 503 {
		t.Errorf("a request is answered with %d; want 503", status)
	}
	b.until(`document.querySelector('.strip .bad')`)
	b.shot("providers-down")
	b.click("h2 a", "demo")
	b.settled()
	b.click("button", "Restart adapter")
	b.click("dialog button", "Restart")
	b.sees("The adapter was restarted")
	b.until(`document.querySelector('.head .badge.good')`)
	if status := g.chat(callerKey, "smart", "hello"); status != 200 {
		t.Errorf("after the restart a request is answered with %d", status)
	}
	b.until(`[...document.querySelectorAll('.objective')].some((o) => o.innerText.includes('the failures that are allowed'))`)
	b.shot("provider-recovered")
}

// TestRouteIsPromotedAndRolledBack by clicks, from its push on: in the shadow, as
// a canary that is ended and one that is promoted.
func TestRouteIsPromotedAndRolledBack(t *testing.T) {
	t.Parallel()
	g := startGateway(t, workConfig(t))
	b := openTab(t, g)
	b.signIn(operatorToken)
	b.visit("#/routes")
	b.click("button", "Push a version")
	b.choose("dialog [name=code]", filepath.Join(bin, "plugins", "routes", "round-robin.wasm"))
	b.fill("why", harm)
	b.shot("route-push")
	b.click("dialog button[type=submit]", "Push")
	b.until(`document.querySelectorAll('tbody tr').length === 2`)
	b.settled()
	first := eval[string](b, `document.querySelector('tr:has(.badge.good) code').title`)
	b.click("tbody button", "Shadow")
	b.sees("decides beside the version in use")
	g.chat(callerKey, "steady", "compare")

	// On a share of requests, and no longer.
	canary := func() {
		t.Helper()
		b.click("tbody button", "Canary")
		b.fill("share", "100")
		b.set("by", "request")
		b.click("dialog summary", "When it ends")
		b.fill("cost", "3")
		b.fill("why", "to be tried")
		b.click("dialog button[type=submit]", "Start")
		b.until(`document.querySelector('.facts')?.innerText.includes('on 100 % by request')`)
		b.settled()
		if status := g.chat(callerKey, "steady", "by the canary"); status != 200 {
			t.Errorf("with a canary a request is answered with %d", status)
		}
	}
	canary()
	b.sees("3 times as much") // cost ends it
	b.shot("route-canary")
	b.click("button", "End the canary")
	b.fill("why", "enough was seen")
	b.press(kb.Enter)
	b.sees("The canary has ended")
	b.until(`!document.querySelector('.facts')?.innerText.includes('by request') && document.querySelector('tr:has(.badge.good) code')?.title === ` + quote(first) + ``)
	b.settled()
	b.click("tbody button", "Shadow") // which is proof enough for the next one
	b.until(`[...document.querySelectorAll('tbody .badge')].some((e) => e.textContent === 'shadow')`)
	b.settled()
	canary()
	b.click("tbody button", "Promote")
	b.fill("why", "it was tried")
	eval[chromedp.Void](b, `document.querySelector('dialog [name=force]').click()`)
	b.shot("route-promote")
	b.click("dialog button[type=submit]", "Promote")
	b.sees("The version is in use")
	b.until(`document.querySelector('tr:has(.badge.good) code')?.title !== ` + quote(first))
	b.settled()
	b.shot("routes-promoted")
	if status := g.chat(callerKey, "steady", "hello"); status != 200 {
		t.Errorf("with the new version a request is answered with %d", status)
	}
	b.click("tbody button", "Shadow")
	b.until(`[...document.querySelectorAll('tbody .badge')].some((e) => e.textContent === 'shadow')`)
	b.settled()
	canary() // which is not what is rolled back
	b.click("button", "Roll back")
	b.fill("why", "it was worse")
	b.press(kb.Enter)
	b.sees("The version before is in use again")
	b.until(`document.querySelector('tr:has(.badge.good) code')?.title === ` + quote(first))
	b.settled()
	b.click("button", "History")
	b.sees("it was worse")
	b.sees(harm)
	b.shot("route-history")
}

// TestDenialIsExplained: who was denied what and why is found by clicks.
func TestDenialIsExplained(t *testing.T) {
	t.Parallel()
	g := startGateway(t, workConfig(t))
	if status := g.chat(internKey, "smart", "hello"); status != 403 {
		t.Fatalf("an intern is answered with %d", status)
	}
	g.chat(callerKey, "smart", "hello")
	g.until("/admin/ledger?class=policy", "not_for_interns")
	b := openTab(t, g)
	b.signIn(viewerToken)
	b.visit("#/policies")
	b.click(".reasons button", "not_for_interns")
	b.until(`document.querySelector('[name=code]').value === 'not_for_interns'`)
	b.settled()
	b.until(`document.querySelectorAll('tbody tr').length === 1`)
	b.click("button", "Explain")
	b.sees("interns cannot ask smart: ask for parrot/green")
	b.click("dialog summary", "What policy saw")
	b.until(`document.querySelector('dialog details[open] pre').textContent.includes('"intern"')`)
	b.shot("policy-explained")
	b.press(kb.Escape)
	b.visit("#/policies?what=allowed")
	b.until(`[...document.querySelectorAll('tbody tr')].every((r) => r.innerText.includes('allowed')) && document.querySelectorAll('tbody tr').length === 1`)
	for _, view := range []string{"bundles", "trial"} {
		b.visit("#/policies?view=" + view)
		b.shot("policies-" + view)
	}
	if n := eval[int](b, `[...document.querySelectorAll('main button')].filter((e) => /Push|Roll back|End the/.test(e.textContent)).length`); n != 0 {
		t.Errorf("a viewer sees %d buttons that change policy", n)
	}
}

// until waits until what the admin API answers has text.
func (g *gateway) until(path, text string) {
	g.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if _, got := send(g.t, "GET", g.admin+path, ownerToken, ""); strings.Contains(got, text) {
			return
		} else if time.Now().After(end) {
			g.t.Fatalf("%s has no %q: %s", path, text, got)
		}
	}
}

// TestPipelineRuns at a click, and shows its graph, its steps and what they cost.
func TestPipelineRuns(t *testing.T) {
	t.Parallel()
	g := theGateway(t)
	b := openTab(t, g)
	b.signIn(operatorToken)
	b.visit("#/pipelines")
	b.sees(harm)
	b.click("h2 a", "digest")
	b.settled()
	if n := eval[int](b, `document.querySelectorAll('.graph .node').length`); n != 6 { // with inputs and output
		t.Errorf("the graph has %d nodes; want 6", n)
	}
	b.click("button", "Run…")
	b.fill("text", "hello there")
	b.click("dialog button[type=submit]", "Run")
	b.sees("Answer of digest")
	b.press(kb.Escape)
	b.until(`document.querySelectorAll('.timeline li').length === 7`) // four steps, a group, two items
	b.until(`document.querySelectorAll('.graph .node.good').length === 4`)
	b.until(`[...document.querySelectorAll('.timeline .num')].some((e) => /^\$0\.0/.test(e.textContent))`)
	b.noMarkup()
	b.shot("pipeline-run")
	b.click(".timeline a", "summary")
	b.until(`location.hash.startsWith('#/request/')`)
	b.settled()
	b.sees("demo/echo")
}

func (b *tab) noMarkup() {
	b.t.Helper()
	if eval[bool](b, `document.title.includes('harmed') || document.querySelector('img[src^=x], main script') !== null`) {
		b.t.Error("a name became markup")
	}
}

// TestCredentialFromBirthToEnd: an owner adds, rotates and removes one; an
// operator cannot.
func TestCredentialFromBirthToEnd(t *testing.T) {
	t.Parallel()
	g := startGateway(t, workConfig(t))
	b := openTab(t, g)
	b.signIn(ownerToken)
	b.visit("#/providers/demo")
	b.click("button", "Add a credential")
	b.fill("name", "second")
	b.fill("value", "a-secret-of-the-provider")
	b.press(kb.Enter)
	b.until(`[...document.querySelectorAll('tbody tr')].some((r) => r.innerText.includes('second') && r.innerText.includes('store'))`)
	b.settled()
	b.click("button", "Rotate")
	b.fill("value", "another-secret-of-the-provider")
	b.press(kb.Enter)
	b.until(`!document.querySelector('dialog')`)
	b.settled()
	if shown := eval[bool](b, `document.documentElement.outerHTML.includes('secret-of-the-provider')`); shown {
		t.Error("the credential's value is in the page")
	}
	b.click("button", "Remove")
	b.click("dialog button", "Remove")
	b.sees("The credential was removed")
	var left struct {
		Credentials []struct{ Name, Source string }
	}
	g.ask("GET", "/admin/credentials", "", &left)
	for _, c := range left.Credentials {
		if c.Name == "second" {
			t.Errorf("the credential is still there: %+v", c)
		}
	}
}

// TestBundleIsRolledBack: pushed twice and back, by clicks.
func TestBundleIsRolledBack(t *testing.T) {
	t.Parallel()
	config := workConfig(t)
	from, _, _ := strings.Cut(config, "\npolicy: ")
	_, rest, _ := strings.Cut(config, "\nobjectives: ")
	g := startGateway(t, from+"\npolicy: {bundle: \"store:\"}\nobjectives: "+rest)
	b := openTab(t, g)
	b.signIn(ownerToken)
	b.visit("#/policies?view=bundles")
	for i, text := range []string{"first", harm} {
		file := filepath.Join(t.TempDir(), "bundle.tar.gz")
		if err := os.WriteFile(file, bundleOf(t, text), 0o600); err != nil {
			t.Fatal(err)
		}
		b.click("button", "Push a bundle")
		b.choose("dialog [name=bundle]", file)
		b.fill("why", text)
		b.click("dialog button[type=submit]", "Push")
		b.until(`[...document.querySelectorAll('tr:has(.badge.good)')].some((r) => r.innerText.includes(` + quote(text) + `)) && !document.querySelector('dialog')`)
		b.settled()
		if n := eval[int](b, `document.querySelectorAll('section:first-child tbody tr').length`); n != i+1 {
			t.Errorf("after push %d there are %d bundles", i+1, n)
		}
	}
	b.sees(harm)
	b.noMarkup()
	b.shot("policies-bundles")
	b.click("button", "Roll back to it")
	b.click("dialog button", "Roll back")
	b.sees("Version 1 is in force")
	b.until(`[...document.querySelectorAll('tr:has(.badge.good)')].some((r) => r.innerText.includes('first'))`)
}

// bundleOf is a gzipped tarball of a policy that permits all, with a comment.
func bundleOf(t *testing.T, comment string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	text := "# " + comment + "\npackage signalbox.units.all\n\npermit if input.principal.key_id != \"\"\n"
	if err := errors.Join(w.WriteHeader(&tar.Header{Name: "all.rego", Mode: 0o600, Size: int64(len(text))}), write(w, text), w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func write(w io.Writer, text string) error {
	_, err := io.WriteString(w, text)
	return err
}

// TestWorkOfViewers: who only looks has no playground, and no button that changes
// something.
func TestWorkOfViewers(t *testing.T) {
	t.Parallel()
	g := theGateway(t)
	b := openTab(t, g)
	b.signIn(viewerToken)
	if eval[bool](b, `[...document.querySelectorAll('nav a')].some((a) => a.hash === '#/playground')`) {
		t.Error("a viewer is led to the playground")
	}
	b.visit("#/playground")
	b.sees("There is no such page")
	for _, address := range []string{"#/providers/demo", "#/routes", "#/models"} {
		b.visit(address)
		if found := eval[[]string](b, `[...document.querySelectorAll('main button, main .link')].map((e) => e.textContent).filter((t) => /\b(Restart|Upgrade|Add|Rotate|Remove|Promote|Push|Shadow|Canary)\b/.test(t))`); len(found) != 0 {
			t.Errorf("%s: a viewer sees %q", address, found)
		}
	}
}

// TestDetailPages are accessible and fit a phone, like those of the navigation.
func TestDetailPages(t *testing.T) {
	t.Parallel()
	g := theGateway(t)
	g.chat(internKey, "smart", "hello")
	g.chat(callerKey, "pipeline/digest", "hello")
	g.chat(callerKey, "steady", "hello")
	axe, err := os.ReadFile(filepath.Join("testdata", "axe", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatalf("axe-core is not installed (make needs): %v", err)
	}
	b := openTab(t, g)
	b.signIn(ownerToken)
	eval[chromedp.Void](b, string(axe)+`;undefined`)
	for _, name := range []string{"providers/demo", "pipelines/digest", "policies?view=bundles", "policies?view=trial"} {
		short := strings.NewReplacer("/", "-", "?", "-", "=", "-").Replace(name)
		b.size(1280, 900)
		b.visit("#/" + name)
		b.scheme("dark")
		b.shot("work-" + short + "-dark")
		b.axe(name+" in dark", "color-contrast", "link-in-text-block") // what a scheme changes
		b.scheme("light")
		b.shot("work-" + short + "-light")
		b.size(390, 844)
		b.settled()
		b.shot("work-" + short + "-phone")
		b.axe(name + " on a phone")
		if over := eval[int](b, `document.documentElement.scrollWidth - innerWidth`); over > 0 {
			t.Errorf("%s: on a phone the page is %d pixels too wide", name, over)
		}
	}
	b.noMarkup()
}
