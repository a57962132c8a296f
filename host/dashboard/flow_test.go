package dashboard_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func TestSigningInAndOut(t *testing.T) {
	t.Parallel()
	b := openTab(t, theGateway(t))
	b.sees("Administrator")
	b.fill("token", "no such token")
	b.press(kb.Enter)
	b.sees("not that of an administrator")
	if said := b.complaints(); len(said) != 1 || !strings.Contains(said[0], "401") {
		t.Errorf("the console says %q; want the refusal alone", said)
	}
	b.fill("token", ownerToken)
	b.press(kb.Enter)
	b.until(`document.querySelector('nav a')`)
	b.sees("root")
	b.run(chromedp.Reload())
	b.until(`document.querySelector('nav a')`) // the cookie is kept
	if js := eval[string](b, `document.cookie`); js != "" {
		t.Errorf("scripts see the cookie: %q", js)
	}
	b.click("button", "Sign out")
	b.sees("Administrator")
	b.run(chromedp.Reload())
	b.sees("Administrator")
}

// TestEndedSignIn: whoever is signed out elsewhere is led to the login, and
// comes back to where it was.
func TestEndedSignIn(t *testing.T) {
	t.Parallel()
	b := openTab(t, theGateway(t))
	b.signIn(ownerToken)
	b.visit("#/keys")
	eval[chromedp.Void](b, `import(document.querySelector('script[type=module]').src.replace('shell', 'api')).then((api) => api.signOut())`)
	b.visitRaw("#/spend")
	b.run(chromedp.Reload())
	b.sees("Administrator")
	b.signIn(ownerToken)
	b.sees("What requests have cost")
}

func TestLiveTraffic(t *testing.T) {
	t.Parallel()
	g := theGateway(t)
	b := openTab(t, g)
	b.signIn(ownerToken)
	b.until(`document.querySelector('.live-dot:not(.off)')`)
	if status := g.chat(callerKey, "steady", "now"); status != 200 {
		t.Fatalf("status %d", status)
	}
	b.until(`[...document.querySelectorAll('tbody tr')].some((r) => r.innerText.includes('demo/fixed'))`)
	b.until(`Number(document.querySelector('.tile .figure').textContent) > 0`)
	b.click("tbody a", "")
	b.sees("All that is known")
}

func TestKeyFromBirthToEnd(t *testing.T) {
	t.Parallel()
	g := theGateway(t)
	b := openTab(t, g)
	b.signIn(ownerToken)
	b.visit("#/keys")
	b.click("button", "New key")
	b.fill("name", "clicked")
	b.fill("team", "core")
	b.fill("usd", "0.5")
	b.fill("models", "smart")
	b.shot("keys-new")
	b.press(kb.Enter)
	b.until(`document.querySelector('.secret input')`)
	key := eval[string](b, `document.querySelector('.secret input').value`)
	b.shot("keys-secret")
	b.click("dialog button", "Done")
	b.sees("clicked")
	if status := g.chat(key, "smart", "hello"); status != 200 {
		t.Errorf("the key that was made is answered with %d", status)
	}
	if status := g.chat(key, "steady", "hello"); status == 200 {
		t.Error("the key is good for a model that it was not made for")
	}
	keyIsHeld(b, g, key)
	b.click("[aria-label='Rotate clicked']", "")
	b.click("dialog button[type=submit]", "Rotate")
	b.until(`document.querySelector('.secret input')`)
	fresh := eval[string](b, `document.querySelector('.secret input').value`)
	b.press(kb.Escape)
	for _, k := range []string{key, fresh} { // both, for a while
		if status := g.chat(k, "smart", "hello"); status != 200 {
			t.Errorf("after rotation a secret of the key is answered with %d", status)
		}
	}
	b.until(`!document.querySelector('dialog')`)
	b.settled()
	b.click("[aria-label='Revoke clicked']", "")
	b.sees("This cannot be undone")
	b.click("dialog button", "Revoke")
	b.sees("clicked is revoked")
	for _, k := range []string{key, fresh} {
		if status := g.chat(k, "smart", "hello"); status != 401 {
			t.Errorf("the revoked key is answered with %d", status)
		}
	}
}

// keyIsHeld changes the limits of the key clicked: to nothing, and to none.
func keyIsHeld(b *tab, g *gateway, key string) {
	b.t.Helper()
	open := func(limits int) {
		b.t.Helper()
		b.click("[aria-label='Change the limits of clicked']", "")
		b.until(fmt.Sprintf(`document.querySelectorAll('dialog .limit').length === %d`, limits))
	}
	shows := func(text string) {
		b.t.Helper()
		b.until(fmt.Sprintf(`!document.querySelector('dialog') && [...document.querySelectorAll('tbody tr')].some((r) => r.innerText.includes('clicked') && r.innerText.includes(%s))`, quote(text)))
		b.settled()
	}
	open(1)
	b.click("dialog button", "Add a limit")
	b.nthField(1, "what", "rate.requests")
	b.nthField(1, "amount", "60")
	b.nthField(1, "size", "9999")
	b.nthField(1, "unit", "week")
	b.click("dialog button[type=submit]", "Save")
	b.faultAt("size", "give at most a year")
	b.complaints() // the refusal
	b.nthField(1, "size", "2")
	b.nthField(1, "unit", "hour")
	b.nthField(0, "amount", "0")
	b.shot("keys-limits")
	b.click("dialog button[type=submit]", "Save")
	shows("$0 a month, 60 requests in 2 hours")
	if status := g.chat(key, "smart", "hello"); status != 402 {
		b.t.Errorf("a key without money is answered with %d; want 402", status)
	}
	open(2)
	b.click("[aria-label='Remove limit 2']", "")
	b.click("[aria-label='Remove limit 1']", "")
	b.click("dialog button[type=submit]", "Save")
	shows("none of its own")
	if status := g.chat(key, "smart", "hello"); status != 200 {
		b.t.Errorf("a key without limits is answered with %d", status)
	}
}

func TestLedgerToRequest(t *testing.T) {
	t.Parallel()
	g := theGateway(t)
	b := openTab(t, g)
	b.signIn(ownerToken)
	b.key("/")
	b.until(`document.activeElement.id === 'search'`)
	b.press("demo/fixed" + kb.Enter)
	b.settled()
	b.until(`location.hash.includes('model=demo')`)
	b.until(`document.querySelectorAll('tbody tr').length > 0 && [...document.querySelectorAll('tbody tr')].every((r) => r.innerText.includes('demo/fixed'))`)
	if href := eval[string](b, `document.querySelector('a.csv').getAttribute('href')`); !strings.Contains(href, "format=csv") || !strings.Contains(href, "model=demo") {
		t.Errorf("the link to CSV is %q", href)
	}
	b.visit("#/ledger?asked=steady&status=200")
	id := eval[string](b, `document.querySelector('tbody tr:last-child a').hash.split('/').at(-1)`)
	b.click("tbody tr:last-child a", "") // before the breaker of its first target has opened
	b.sees("usage told by the provider × price")
	b.sees("demo/echo?fault=status_503")
	b.sees("the module's answer is the same")
	b.shot("request-light")
	b.key("/")
	b.press(id + kb.Enter)
	b.sees(id)
	b.key("/")
	b.press("nobody-is-called-this" + kb.Enter)
	b.sees("No request has “nobody-is-called-this”")
}

// TestNamesAreText: what callers and administrators may choose is shown as it is
// written, and is never markup or a script.
func TestNamesAreText(t *testing.T) {
	t.Parallel()
	g := theGateway(t)
	for _, made := range [][2]string{{"teams", `{"name":"xss","title":` + quote(evil) + `}`}, {"keys", `{"name":"xss","team":"xss","attrs":{"note":` + quote(evil) + `},"user":` + quote(evil) + `}`}} {
		if status, body := send(t, "POST", g.admin+"/admin/"+made[0], ownerToken, made[1]); status != 200 && status != 409 { // which is of the run before
			t.Fatalf("%s: %d %s", made[0], status, body)
		}
	}
	g.chat(callerKey, "demo/"+evil, "hello")
	g.chat(callerKey, "demo/<script>document.title='harmed'</script>", "hello")
	b := openTab(t, g)
	b.signIn(ownerToken)
	for _, address := range []string{"#/ledger", "#/keys", "#/spend?by=model", "#/spend?by=user", "#/audit", "#/ledger?search=" + strings.ReplaceAll(evil, " ", "%20"), "#/ledger?model=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E", "#/request/%3Cimg%3E", "#/%3Cimg%20src=x%3E"} {
		b.visitRaw(address)
		b.settled()
		if harmed := eval[bool](b, `document.title.includes('harmed') || document.querySelector('main img, main script') !== null`); harmed {
			t.Errorf("%s: a name became markup", address)
		}
	}
	b.visit("#/ledger")
	b.sees(evil)
	for _, said := range b.complaints() { // the one request that cannot be found
		if !strings.Contains(said, "400") {
			t.Errorf("the browser complains: %s", said)
		}
	}
	eval[chromedp.Void](b, `(() => { try { document.body.innerHTML = '<b>' } catch (e) { document.title = 'trusted' } })()`)
	b.until(`document.title === 'trusted'`)
	if said := b.complaints(); len(said) == 0 {
		t.Error("text becomes markup without a complaint: the policy does not hold")
	}
}

// TestViewersSeeNoButtons of what they may not do, and are refused anyway.
func TestViewersSeeNoButtons(t *testing.T) {
	t.Parallel()
	g := theGateway(t)
	b := openTab(t, g)
	b.signIn(viewerToken)
	b.visit("#/keys")
	b.sees("dev")
	if n := eval[int](b, `[...document.querySelectorAll('main button')].filter((e) => /New key|Rotate|Revoke/.test(e.textContent)).length`); n != 0 {
		t.Errorf("a viewer sees %d buttons that change keys", n)
	}
	f := func(csrf string, want int) {
		t.Helper()
		got := eval[int](b, `fetch('/admin/session').then((r) => r.json()).then((s) => fetch('/admin/keys', {method: 'POST', headers: {'x-signalbox-csrf': `+csrf+`, 'content-type': 'application/json'}, body: '{"name":"stolen"}'})).then(async (r) => r.status)`)
		if got != want {
			t.Errorf("with csrf %s a viewer's new key is answered with %d; want %d", csrf, got, want)
		}
	}
	f("s.csrf", 403)
	f("'wrong'", 403)
	b.complaints() // the two refusals
}

// TestOtherPagesAsk: a page at another port of the same host, whose requests
// carry the cookie, changes nothing and reads nothing.
func TestOtherPagesAsk(t *testing.T) {
	t.Parallel()
	g := theGateway(t)
	b := openTab(t, g)
	b.signIn(ownerToken)
	other := otherPage(t)
	b.run(chromedp.Navigate(other))
	got := eval[string](b, fmt.Sprintf(`Promise.all([
		fetch('%[1]s/admin/keys', {credentials: 'include'}).then(() => 'read', () => 'refused'),
		fetch('%[1]s/admin/keys', {method: 'POST', mode: 'no-cors', credentials: 'include', body: '{"name":"forged"}'}).then((r) => r.type, () => 'refused'),
	]).then(String)`, g.admin))
	if !strings.HasPrefix(got, "refused") {
		t.Errorf("another page's requests end as %s", got)
	}
	var keys struct{ Keys []struct{ Name string } }
	g.ask("GET", "/admin/keys", "", &keys)
	for _, k := range keys.Keys {
		if k.Name == "forged" {
			t.Error("another page has made a key")
		}
	}
	b.complaints() // the refusals
	eval[chromedp.Void](b, fmt.Sprintf(`new Promise((done) => { const f = document.createElement('iframe'); f.onload = done; f.src = '%s/'; document.body.append(f); })`, g.admin))
	if said := strings.Join(b.complaints(), " "); !strings.Contains(said, "frame") {
		t.Errorf("the dashboard can be framed: %s", said)
	}
}

// TestByKeyboardAlone walks from the login to a key that is made.
func TestByKeyboardAlone(t *testing.T) {
	t.Parallel()
	b := openTab(t, theGateway(t))
	b.until(`document.activeElement.id === 'token'`)
	b.press(viewerToken + kb.Enter)
	b.until(`document.querySelector('nav a')`)
	b.settled()
	b.press(kb.Tab)
	b.until(`document.activeElement.className === 'skip'`)
	b.press(kb.Enter)
	b.until(`document.activeElement.id === 'main'`)
	b.key("g")
	b.key("l")
	b.sees("Every request, with what it was")
	b.until(`document.activeElement.tagName === 'H1'`)
	b.key("?")
	b.sees("Search requests")
	b.press(kb.Escape)
	b.until(`!document.querySelector('dialog') && document.activeElement.tagName === 'H1'`)
	b.key("t")
	b.until(`document.documentElement.dataset.theme === 'dark'`)
	for range 40 { // to the first request of the list
		b.press(kb.Tab)
		if eval[bool](b, `document.activeElement.matches('tbody a')`) {
			break
		}
	}
	if outline := eval[string](b, `getComputedStyle(document.activeElement).outlineStyle`); outline != "solid" {
		t.Errorf("what has the focus is outlined as %q", outline)
	}
	b.press(kb.Enter)
	b.sees("Of it the gateway’s own")
	b.key("g")
	b.key("k")
	b.sees("Who may call this gateway")
}

// TestNothingComesFromElsewhere: pages ask this server alone.
func TestNothingComesFromElsewhere(t *testing.T) {
	t.Parallel()
	g := theGateway(t)
	b := openTab(t, g)
	b.signIn(ownerToken)
	for _, name := range b.pages() {
		b.visit("#/" + name)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.urls) < 20 {
		t.Errorf("%d requests were seen; want all", len(b.urls))
	}
	for _, url := range b.urls {
		if !strings.HasPrefix(url, g.admin+"/") && !strings.HasPrefix(url, "data:") && !strings.HasPrefix(url, "blob:") {
			t.Errorf("the dashboard asks %s", url)
		}
	}
}

// TestFirstPaint shows the figures that the browser measured.
func TestFirstPaint(t *testing.T) {
	t.Parallel()
	b := openTab(t, theGateway(t))
	b.signIn(ownerToken)
	call(b, network.ClearBrowserCache, struct{}{})
	for _, what := range []string{"with an empty cache", "from the cache"} {
		b.run(chromedp.Reload())
		b.until(`performance.getEntriesByName('first-contentful-paint').length > 0 && document.querySelector('nav a')`)
		paint := eval[float64](b, `performance.getEntriesByName('first-contentful-paint')[0].startTime`)
		bytes := eval[float64](b, `performance.getEntriesByType('resource').reduce((n, r) => n + r.transferSize, 0)`)
		t.Logf("first contentful paint %s: %.0f ms, %.0f bytes transferred", what, paint, bytes)
		if paint <= 0 {
			t.Error("nothing was painted")
		}
	}
}

// TestTurnedOff: without the dashboard nobody signs in, and callers with a token
// are served as ever.
func TestTurnedOff(t *testing.T) {
	t.Parallel()
	g := startGateway(t, usualConfig+"dashboard: {enabled: false}\n")
	f := func(path string, want int, text string) {
		t.Helper()
		if status, body := send(t, "GET", g.admin+path, ownerToken, ""); status != want || !strings.Contains(body, text) {
			t.Errorf("%s: %d %s; want %d %s", path, status, body, want, text)
		}
	}
	f("/", 404, "not_found")
	f("/assets/x/shell.js", 404, "not_found")
	f("/admin/session", 404, "not_found")
	f("/admin/whoami", 200, "root")
}
