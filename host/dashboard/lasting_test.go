package dashboard_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestOverviewIsTheLedger: the figures of the overview are those of the ledger,
// and what is wrong is said at the top.
func TestOverviewIsTheLedger(t *testing.T) {
	t.Parallel()
	config := strings.Replace(usualConfig, "team/core, usd: 0.001", "team/core, usd: 0.000001", 1)
	g := startGateway(t, config)
	g.traffic()
	var usage struct {
		Total struct {
			Requests, Errors, Refused int
			Cost                      float64 `json:"cost_usd"`
		}
	}
	g.ask("GET", "/admin/usage?by=total", "", &usage)
	b := openTab(t, g)
	b.signIn(ownerToken)
	b.sees("over its mark")
	f := func(label, want string) {
		t.Helper()
		b.until(`[...document.querySelectorAll('.tile')].some((e) => e.querySelector('dt').textContent === ` + quote(label) + ` && e.querySelector('.figure').textContent === ` + quote(want) + `)`)
	}
	cost := eval[string](b, fmt.Sprintf(`import(document.querySelector('script[type=module]').src.replace('shell', 'format')).then((m) => m.usd(%v))`, usage.Total.Cost))
	f("Requests", fmt.Sprint(usage.Total.Requests))
	f("Errors", fmt.Sprint(usage.Total.Errors-usage.Total.Refused))
	f("Refused", fmt.Sprint(usage.Total.Refused))
	f("Cost", cost)
	b.visit("#/spend")
	f("Requests", fmt.Sprint(usage.Total.Requests))
	f("Cost", cost)

	// A gateway that has served nothing yet knows what is set, too.
	b.run(chromedp.Navigate("about:blank"))
	if !g.end() {
		t.Fatal("the gateway did not stop")
	}
	g.again(config)
	b.run(chromedp.Navigate(g.admin + "/"))
	b.sees("over its mark")
	b.visit("#/limits")
	b.until(`[...document.querySelectorAll('tbody tr')].some((r) => r.innerText.includes('team/core') && r.innerText.includes('requests are refused'))`)
}

// TestLongLiveTraffic: an hour of requests leaves no more in the page than the
// last of them.
func TestLongLiveTraffic(t *testing.T) {
	t.Parallel()
	g := theGateway(t)
	b := openTab(t, g)
	// The stream is the page's own; what comes by it is made here.
	eval[chromedp.Void](b, `(() => {
		window.sources = [];
		window.EventSource = class extends EventTarget { constructor() { super(); sources.push(this); setTimeout(() => this.onopen?.()); } close() {} };
	})()`)
	b.signIn(ownerToken)
	b.until(`sources.length === 1`)
	flood := func(from int) {
		eval[chromedp.Void](b, fmt.Sprintf(`(async () => {
			for (let i = %d; i < %[1]d + 18000; i++) {
				sources[0].dispatchEvent(new MessageEvent('request', {data: JSON.stringify({id: 'req_made' + i, time: new Date(Date.now() + i).toISOString(), status: 200, key: 'k', model: 'm', op: 'chat', tokens: {total: 1}, cost_usd: '0', duration_us: 1})}));
				if (i %% 5 === 0) sources[0].dispatchEvent(new MessageEvent('second', {data: '{"running": 1}'}));
				if (i %% 2000 === 0) await new Promise((done) => setTimeout(done, 160));
			}
		})()`, from))
		b.until(fmt.Sprintf(`document.querySelector('tbody a')?.hash === '#/request/req_made%d'`, from+17999))
	}
	nodes := func() int { return eval[int](b, `document.querySelectorAll('.panel > .table-box *').length`) }
	flood(0)
	before := nodes()
	flood(18000)
	if after := nodes(); after != before {
		t.Errorf("the list has grown from %d to %d elements", before, after)
	}
	if rows := eval[int](b, `document.querySelectorAll('.panel > .table-box tbody tr').length`); rows != 40 {
		t.Errorf("the page has %d rows; want 40", rows)
	}
}

// TestGatewayRestarts under an open page: it says so, connects again, and goes on;
// two tabs of one browser hear of a sign-out.
func TestGatewayRestarts(t *testing.T) {
	t.Parallel()
	config := strings.Replace(usualConfig, `admin: "127.0.0.1:0"`, fmt.Sprintf("admin: %q", freePort(t)), 1)
	g := startGateway(t, config)
	b := openTab(t, g)
	b.signIn(ownerToken)
	b.until(`document.querySelector('.live-dot:not(.off)')`)
	if !g.end() {
		t.Fatal("the gateway did not stop")
	}
	b.until(`document.querySelector('.live-dot.off')`)
	b.visitRaw("#/keys")
	b.sees("The gateway cannot be reached")
	g.again(config)
	b.click("button", "Try again")
	b.sees("in the configuration")
	b.visit("#/overview")
	b.until(`document.querySelector('.live-dot:not(.off)')`)
	b.complaints()                                                                                                                           // that it was away
	eval[chromedp.Void](b, `import(document.querySelector('script[type=module]').src.replace('shell', 'api')).then((api) => api.signOut())`) // as in another tab
	b.visitRaw("#/spend")
	b.sees("Administrator")
	for _, said := range b.complaints() {
		if !strings.Contains(said, "401") {
			t.Errorf("the browser complains: %s", said)
		}
	}
}

// TestAddressesThatMeanNothing show that, whatever they are.
func TestAddressesThatMeanNothing(t *testing.T) {
	t.Parallel()
	b := openTab(t, theGateway(t))
	b.signIn(ownerToken)
	for _, address := range []string{"#/%E0%A4%A", "#/javascript:alert(1)", "#/__proto__", "#/constructor?x=%"} {
		b.visitRaw("#/nodes")
		b.sees("share this store")
		b.visitRaw(address)
		b.sees("There is no such page")
	}
	if at := eval[string](b, `location.origin`); at != b.g.admin {
		t.Errorf("the page has gone to %s", at)
	}
}

// TestNoAnswerBecomesMarkup: whatever text the admin API answers with, from
// whomever it comes, pages show it as text and lead nowhere by it.
func TestNoAnswerBecomesMarkup(t *testing.T) {
	t.Parallel()
	g := theGateway(t)
	b := openTab(t, g)
	b.signIn(ownerToken)
	b.visit("#/nodes")
	eval[chromedp.Void](b, `(() => {
		const real = window.fetch, harm = 'javascript:alert(1)' + `+quote(harm)+`;
		const spoil = (v, name) => Array.isArray(v) ? v.map((x) => spoil(x)) : v && typeof v === 'object' ? Object.fromEntries(Object.entries(v).map(([k, x]) => [k, spoil(x, k)]))
			: typeof v === 'string' && !/^[0-9.]+$|^\d{4}-/.test(v) && !['id', 'unit'].includes(name) ? harm + v : v;
		window.spoilt = 0;
		window.fetch = async (path, init) => {
			const answer = await real(path, init);
			if (path === '/admin/session' || path === '/admin/whoami') return answer;
			const text = (await answer.text()).split('\n').filter(Boolean).map((l) => JSON.stringify(spoil(JSON.parse(l)))).join('\n');
			spoilt += text.split('onerror').length - 1;
			return new Response(text, {status: answer.status, headers: answer.headers});
		};
	})()`)
	for _, name := range append(b.pages(), "providers/demo", "pipelines/digest", "policies?view=bundles", "policies?view=trial", "request/"+g.newest()) {
		b.visit("#/" + name)
		b.noMarkup()
		if found := eval[[]string](b, `[...document.querySelectorAll('a[href]')].map((a) => a.getAttribute('href')).filter((to) => !/^(#|[/]admin[/]|blob:)/.test(to))`); len(found) > 0 {
			t.Errorf("%s leads to %q", name, found)
		}
	}
	if n := eval[int](b, `spoilt`); n < 200 {
		t.Errorf("%d texts were harmful; want more", n)
	}
}

// newest is the id of the last request.
func (g *gateway) newest() string {
	g.t.Helper()
	var row struct{ ID string }
	g.ask("GET", "/admin/ledger?order=newest&limit=1", "", &row)
	return row.ID
}
