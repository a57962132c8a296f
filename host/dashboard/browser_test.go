package dashboard_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// shots is where pictures of pages are left for people to look at.
var shots = filepath.Join("..", "..", "bin", "screenshots")

// startFor is what a browser that nobody has started yet may take.
const startFor = 3 * time.Minute

// patience is for how long something may take to show: a machine may be busy.
const patience = time.Minute

var (
	browserOnce sync.Once
	browser     context.Context
	closing     []context.CancelFunc
	browserErr  error
)

// theBrowser is one Chromium for all tests.
func theBrowser(t testing.TB) context.Context {
	t.Helper()
	browserOnce.Do(func() {
		opts := []chromedp.ExecAllocatorOption{chromedp.Headless, chromedp.Flag("lang", "en-GB"), chromedp.WSURLReadTimeout(startFor),
			chromedp.Flag("use-fake-device-for-media-stream", true), chromedp.Flag("use-fake-ui-for-media-stream", true)} // a microphone that beeps, and is allowed
		if os.Geteuid() == 0 {
			opts = append(opts, chromedp.NoSandbox)
		}
		alloc, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
		closing = append(closing, cancel)
		var end context.CancelFunc
		browser, end = chromedp.NewContext(alloc)
		closing = append(closing, end)
		browserErr = chromedp.Do(browser)
	})
	if browserErr != nil {
		t.Fatalf("cannot start Chromium, which these tests are run in (apt-get install chromium): %v", browserErr)
	}
	return browser
}

func closeBrowser() {
	for i := len(closing) - 1; i >= 0; i-- {
		closing[i]()
	}
}

// tab is a tab with cookies and a storage of its own.
type tab struct {
	t   testing.TB
	ctx context.Context
	g   *gateway

	mu       sync.Mutex
	complain []string // errors and warnings of the console, and what the policy refused
	urls     []string // all that was asked for
}

// openTab opens the dashboard of g in a tab of its own. What the console says is
// an error of the test, unless it is taken with complaints.
func openTab(t testing.TB, g *gateway) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(theBrowser(t), chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx, g: g}
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	call(b, log.Enable, cdp.Empty{})
	call(b, network.Enable, network.EnableParams{})
	call(b, runtime.Enable, cdp.Empty{})
	call(b, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}) // beside other tabs
	b.size(1280, 900)
	b.scheme("light")
	t.Cleanup(func() {
		for _, what := range b.complaints() {
			t.Errorf("the browser complains: %s", what)
		}
		if t.Failed() {
			b.shot("failed-" + strings.ReplaceAll(t.Name(), "/", "-"))
		}
		b.leave()
	})
	b.run(chromedp.Navigate(g.admin + "/"))
	return b
}

// leave signs out: so many browsers may be signed in, and no more. The gateway may
// have ended before.
func (b *tab) leave() {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	_, _ = chromedp.Run(ctx, chromedp.Evaluate[chromedp.Void](`import(document.querySelector('script[type=module]')?.src.replace('shell', 'api')).then((api) => api.user.signed_in && api.signOut()).then(() => {}, () => {})`, chromedp.EvalAwaitPromise))
}

func (b *tab) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			b.complain = append(b.complain, fmt.Sprintf("%s %s (%s)", e.Entry.Level, e.Entry.Text, e.Entry.URL))
		}
	case *runtime.EventExceptionThrown:
		b.complain = append(b.complain, fmt.Sprintf("exception %s %+v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			var text []string
			for _, arg := range e.Args {
				text = append(text, string(arg.Value)+arg.Description)
			}
			b.complain = append(b.complain, fmt.Sprintf("console %s: %s", e.Type, strings.Join(text, " ")))
		}
	case *network.EventRequestWillBeSent:
		b.urls = append(b.urls, e.Request.URL)
	}
}

// complaints takes what the console has said so far.
func (b *tab) complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.complain
	b.complain = nil
	return list
}

// call runs a command of the protocol.
func call[P, R any](b *tab, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	r, err := chromedp.Call(ctx, command, params)
	if err != nil {
		b.t.Fatalf("%s: %v", command.Method, err)
	}
	return r
}

func (b *tab) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatalf("%v\nthe page says: %s", err, b.says())
	}
}

// says is the text of the page, for messages.
func (b *tab) says() string {
	ctx, cancel := context.WithTimeout(b.ctx, 2*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body.innerText`))
	if err != nil {
		return err.Error()
	}
	return text
}

// eval runs an expression in the page and returns its value, of promises what
// they hold.
func eval[T any](b *tab, js string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%v in %s", err, js)
	}
	return v
}

// until waits for an expression to hold.
func (b *tab) until(js string) {
	b.t.Helper()
	for end := time.Now().Add(patience); !eval[bool](b, `Boolean(`+js+`)`); time.Sleep(15 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("this has not come to be: %s\nthe page says: %s", js, b.says())
		}
	}
}

func quote(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// sees waits until the page, or the dialog over it, has the text.
func (b *tab) sees(text string) {
	b.t.Helper()
	b.until(`document.body?.innerText.includes(` + quote(text) + `)`) // a page that is being loaded has none
}

// visit shows the page of an address such as #/ledger, once it has come whole.
func (b *tab) visit(address string) {
	b.t.Helper()
	b.visitRaw(address)
	b.settled()
}

// visitRaw goes to an address and does not wait for what it shows.
func (b *tab) visitRaw(address string) {
	b.t.Helper()
	eval[chromedp.Void](b, `new Promise((done) => {
		const before = location.href;
		addEventListener('hashchange', () => done(), {once: true}); // after the page's own
		location.hash = `+quote(address)+`;
		if (location.href === before) done();
	})`)
}

// settled waits until nothing is loading.
func (b *tab) settled() {
	b.t.Helper()
	b.until(`document.querySelector('main h1') && !document.querySelector('.skeleton, [aria-busy=true]')`)
}

// click clicks the first one that is seen of the selector and has the text, once
// it lies still and nothing lies over it; again where the page moved it from
// under the mouse and put nothing like it there.
func (b *tab) click(selector, text string) {
	b.t.Helper()
	has := `.textContent.includes(` + quote(text) + `)`
	find := `[...document.querySelectorAll(` + quote(selector) + `)].find((e) => e` + has + ` && e.checkVisibility() && !e.disabled)`
	for range 10 {
		b.until(find)
		at := eval[[]float64](b, `new Promise((done) => {
			let last = '', tries = 0;
			const look = () => {
				const e = `+find+`;
				e?.scrollIntoView({block: 'center'});
				const r = e?.getBoundingClientRect(), x = r?.x + r?.width / 2, y = r?.y + r?.height / 2, now = [x, y].join();
				if (e && now === last && e.contains(document.elementFromPoint(x, y))) {
					window.missed = true;
					addEventListener('click', (c) => { window.missed = !c.target.closest(`+quote(selector)+`)?`+has+`; }, {capture: true, once: true});
					return done([x, y]);
				}
				if (++tries > 200) return done([]);
				last = now;
				setTimeout(look, 15);
			};
			look();
		})`)
		if len(at) == 0 {
			b.t.Fatalf("%s with %q does not lie still, or under something else\nthe page says: %s", selector, text, b.says())
		}
		b.run(chromedp.MouseClickXY(at[0], at[1]))
		if !eval[bool](b, `Boolean(window.missed)`) { // nor has a page that was left been missed
			return
		}
	}
	b.t.Fatalf("%s with %q moves from under the mouse\nthe page says: %s", selector, text, b.says())
}

// fill types text into the field of that name in the open dialog, or in the page.
func (b *tab) fill(name, text string) {
	b.t.Helper()
	find := `(document.querySelector('dialog[open]') ?? document).querySelector('[name="` + name + `"], #` + name + `')`
	b.until(find)
	eval[chromedp.Void](b, find+`.focus(), `+find+`.select?.()`)
	call(b, input.InsertText, input.InsertTextParams{Text: text})
}

// choose picks a file of the disk for the file input that the selector finds.
func (b *tab) choose(selector, file string) {
	b.t.Helper()
	b.until(`document.querySelector(` + quote(selector) + `)`)
	found := call(b, runtime.Evaluate, runtime.EvaluateParams{Expression: `document.querySelector(` + quote(selector) + `)`})
	call(b, dom.SetFileInputFiles, dom.SetFileInputFilesParams{Files: []string{file}, ObjectID: found.Result.ObjectID})
}

// set chooses an option of the select of that name.
func (b *tab) set(name, value string) {
	b.t.Helper()
	eval[chromedp.Void](b, `(() => { const s = (document.querySelector('dialog[open]') ?? document).querySelector('select[name="`+name+`"]'); s.value = `+quote(value)+`; s.dispatchEvent(new Event('change', {bubbles: true})); })()`)
}

// key presses one key as a person does: the page may keep its letter from being typed.
func (b *tab) key(letter string) {
	b.t.Helper()
	call(b, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyDown, Key: letter, Text: letter, UnmodifiedText: letter})
	call(b, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyUp, Key: letter})
}

// press sends keys to whatever has the focus.
func (b *tab) press(keys string) {
	b.t.Helper()
	b.run(chromedp.KeyEvent(keys))
}

// signIn signs in by the form.
func (b *tab) signIn(token string) {
	b.t.Helper()
	b.fill("token", token)
	b.press(kb.Enter)
	b.until(`document.querySelector('nav a')`)
	b.settled()
}

func (b *tab) size(width, height int64) {
	b.t.Helper()
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 500})
}

// scheme is what the system prefers: light or dark.
func (b *tab) scheme(name string) {
	b.t.Helper()
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
}

// shot keeps a picture of what is seen of the page.
func (b *tab) shot(name string) {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	r, err := chromedp.Call(ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{})
	if err == nil {
		err = os.MkdirAll(shots, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(shots, name+".png"), r.Data, 0o644)
	}
	if err != nil {
		b.t.Errorf("cannot keep a picture: %v", err)
	}
}
