package dashboard_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// TestLimitsFromBirthToEnd: an owner sets, changes and removes limits by clicks;
// callers are held to them at once.
func TestLimitsFromBirthToEnd(t *testing.T) {
	t.Parallel()
	g := startGateway(t, workConfig(t))
	var made struct{ Token string }
	g.ask("POST", "/admin/teams", `{"name":"held"}`, nil)
	g.ask("POST", "/admin/keys", `{"name":"member","team":"held"}`, &made)
	b := openTab(t, g)
	b.signIn(ownerToken)
	b.visit("#/limits")
	b.click("button", "Set limits")
	b.shot("limits-new")
	b.fill("name", "hled")
	b.fill("amount", "0")
	b.click("dialog button[type=submit]", "Set limits")
	b.faultAt("name", `did you mean "held"?`)
	b.fill("name", "held")
	b.click("dialog button", "Add a limit")
	nth := func(name, value string) { // of the second limit
		t.Helper()
		b.nthField(1, name, value)
	}
	nth("what", "rate.requests")
	nth("amount", "60")
	nth("size", "9999")
	nth("unit", "week")
	b.click("dialog button[type=submit]", "Set limits")
	b.faultAt("size", "give at most a year")
	b.shot("limits-fault")
	b.size(390, 844)
	b.scheme("dark")
	b.shot("limits-fault-phone")
	if over := eval[int](b, `document.querySelector('dialog').scrollWidth - document.querySelector('dialog').clientWidth`); over > 0 {
		t.Errorf("on a phone the form is %d pixels too wide", over)
	}
	b.scheme("light")
	b.size(1280, 900)
	nth("size", "2")
	nth("unit", "hour")
	b.click("dialog button[type=submit]", "Set limits")
	b.sees("The limits of team/held hold from now on")
	b.until(`!document.querySelector('dialog')`)
	b.settled()
	b.until(`[...document.querySelectorAll('tbody tr')].some((r) => r.innerText.includes('team/held') && r.innerText.includes('$0 a month, 60 requests in 2 hours'))`)
	if status := g.chat(made.Token, "smart", "hello"); status != 402 {
		t.Errorf("a team without money is answered with %d; want 402", status)
	}

	// What was set by somebody else in the meantime is not overwritten.
	b.click("button", "Set limits")
	b.fill("name", "held")
	b.fill("amount", "1")
	b.click("dialog button[type=submit]", "Set limits")
	b.faultAt("name", "has limits in the store already")
	b.press(kb.Escape)
	b.until(`!document.querySelector('dialog')`)
	b.settled()
	b.click("[aria-label='Change the limits of team/held']", "")
	b.until(`document.querySelectorAll('dialog .limit').length === 2`)
	g.ask("PUT", "/admin/limits/team/held", `{"limits":[{"usd":0,"window":"day"}]}`, nil)
	b.click("dialog button[type=submit]", "Save")
	b.sees("the limits have been changed meanwhile")
	b.press(kb.Escape)
	b.until(`!document.querySelector('dialog')`)
	b.settled()
	b.click("[aria-label='Change the limits of team/held']", "")
	b.fill("amount", "2.5")
	b.nthField(0, "tz", "Europe/Berlin")
	b.nthField(0, "on_exceed", "clamp")
	b.click("dialog button[type=submit]", "Save")
	b.until(`[...document.querySelectorAll('tbody tr')].some((r) => r.innerText.includes('$2.5 a day, Europe/Berlin (clamp)'))`)
	b.until(`document.activeElement.getAttribute('aria-label') === 'Change the limits of team/held'`) // where the keyboard was
	b.shot("limits-set")
	if status := g.chat(made.Token, "smart", "hello"); status != 200 {
		t.Errorf("a team with money is answered with %d", status)
	}

	b.click("[aria-label='Remove the limits of team/held']", "")
	b.sees("no longer holds: $2.5 a day")
	b.press(kb.Enter) // on Cancel, which has the focus
	b.until(`!document.querySelector('dialog')`)
	b.click("[aria-label='Remove the limits of team/held']", "")
	b.click("dialog button", "Remove")
	b.sees("has no limits in the store any more")
	b.settled()
	var left struct {
		Limits []struct{ Scope, Source string }
	}
	g.ask("GET", "/admin/limits", "", &left)
	for _, l := range left.Limits {
		if l.Source == "store" {
			t.Errorf("limits are left: %+v", l)
		}
	}
	for _, said := range b.complaints() {
		if !strings.Contains(said, "400") && !strings.Contains(said, "409") {
			t.Errorf("the browser complains: %s", said)
		}
	}
}

// nthField fills a field of the limit of that number in the dialog.
func (b *tab) nthField(n int, name, value string) {
	b.t.Helper()
	b.until(fmt.Sprintf(`document.querySelectorAll('dialog .limit')[%d]`, n))
	eval[any](b, fmt.Sprintf(`(() => { const i = document.querySelectorAll('dialog .limit')[%d].querySelector('[name=%s]'); i.value = %s; for (const e of ['input', 'change']) i.dispatchEvent(new Event(e, {bubbles: true})); })()`, n, name, quote(value)))
}

// faultAt waits until something is said at a field of the dialog, which has the focus.
func (b *tab) faultAt(name, text string) {
	b.t.Helper()
	b.until(`document.activeElement.name === ` + quote(name) + ` && document.activeElement.getAttribute('aria-invalid') === 'true' && document.activeElement.closest('.field').innerText.includes(` + quote(text) + `)`)
}

// TestLimitsOfOthers: who is no owner sees limits, and no button; what the
// configuration says cannot be changed here; a change needs the csrf.
func TestLimitsOfOthers(t *testing.T) {
	t.Parallel()
	b := openTab(t, theGateway(t))
	b.signIn(operatorToken)
	b.visit("#/limits")
	b.sees("team/core")
	if found := eval[[]string](b, `[...document.querySelectorAll('main button')].map((e) => e.textContent).filter((t) => /Set|Change$|Remove/.test(t))`); len(found) != 0 {
		t.Errorf("an operator sees %q", found)
	}
	f := func(csrf string) {
		t.Helper()
		if got := eval[int](b, `fetch('/admin/session').then((r) => r.json()).then((s) => fetch('/admin/limits/team/core', {method: 'PUT', headers: {'x-signalbox-csrf': `+csrf+`, 'content-type': 'application/json'}, body: '{"limits":[{"concurrent":1}]}'})).then((r) => r.status)`); got != 403 {
			t.Errorf("with csrf %s an operator's change is answered with %d", csrf, got)
		}
	}
	f("s.csrf")
	f("'wrong'")
	b.complaints() // the two refusals
	owner := openTab(t, b.g)
	owner.signIn(ownerToken)
	owner.visit("#/limits")
	owner.until(`[...document.querySelectorAll('tbody tr')].some((r) => r.innerText.includes('team/core') && r.innerText.includes('the configuration') && !r.querySelector('button'))`)
}
