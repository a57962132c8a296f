package dashboard_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// TestAuditPagesBack: each entry is reached by clicks, once, from the newest to
// the first; filters hold on all pages.
func TestAuditPagesBack(t *testing.T) {
	t.Parallel()
	g := startGateway(t, usualConfig)
	for i := range 60 { // each begins and ends
		g.ask("POST", "/admin/teams", fmt.Sprintf(`{"name":"audited-%02d"}`, i), nil)
	}
	b := openTab(t, g)
	b.signIn(ownerToken)
	b.visit("#/audit")
	seqs := func() []int {
		t.Helper()
		b.settled()
		return eval[[]int](b, `[...document.querySelectorAll('tbody th')].map((e) => Number(e.textContent))`)
	}
	turn := func(button string) []int {
		t.Helper()
		before := seqs()
		b.click("button", button)
		b.until(fmt.Sprintf(`document.querySelector('tbody th') && Number(document.querySelector('tbody th').textContent) !== %d`, before[0]))
		return seqs()
	}
	newest := seqs()
	b.shot("audit-pages")
	if len(newest) != 100 {
		t.Fatalf("the first page has %d entries; want 100", len(newest))
	}
	all := newest
	for all[len(all)-1] != 1 {
		older := turn("Older")
		if older[0] != all[len(all)-1]-1 {
			t.Fatalf("after entry %d comes %d", all[len(all)-1], older[0])
		}
		all = append(all, older...)
	}
	for i, seq := range all {
		if seq != all[0]-i {
			t.Fatalf("entry %d of the list is %d; want %d", i, seq, all[0]-i)
		}
	}
	b.until(`[...document.querySelectorAll('button')].find((e) => e.textContent === 'Older').disabled`)
	if back := turn("Newer"); back[0] < newest[0] { // the page of the newest, full
		t.Errorf("back from the end the list begins with %d; want %d", back[0], newest[0])
	}
	b.until(`[...document.querySelectorAll('button')].find((e) => e.textContent === 'Newer').disabled`)

	b.fill("what", "teams")
	b.set("outcome", "done")
	b.press(kb.Enter)
	b.until(`document.querySelectorAll('tbody tr').length === 60 && [...document.querySelectorAll('tbody tr')].every((r) => r.innerText.includes('POST /admin/teams') && r.innerText.includes('done'))`)
	b.fill("who", "nobody")
	b.press(kb.Enter)
	b.sees("No entry matches")
	b.click("button", "Verify the chain")
	b.until(`/The chain holds: \d+ entries/.test(document.body.innerText)`)
	if at := eval[string](b, `location.hash`); !strings.Contains(at, "who=nobody") || strings.Contains(at, "before") {
		t.Errorf("the address is %s", at)
	}
}
