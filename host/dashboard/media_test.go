package dashboard_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestPlaygroundHears: what the microphone takes and what is picked from the disk
// goes to the model, as a WAV file and a picture.
func TestPlaygroundHears(t *testing.T) {
	t.Parallel()
	g := theGateway(t)
	b := openTab(t, g)
	b.signIn(operatorToken)
	b.visit("#/playground?model=smart")
	// What is sent, and the tracks of the microphone, are kept for the test.
	eval[chromedp.Void](b, `(() => {
		const real = window.fetch, hear = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
		window.sent = []; window.tracks = [];
		window.fetch = (path, init) => { if (path.endsWith('/chat/completions')) sent.push(JSON.parse(init.body)); return real(path, init); };
		navigator.mediaDevices.getUserMedia = async (what) => { const s = await hear(what); tracks.push(...s.getTracks()); return s; };
	})()`)
	b.click("button", "Record")
	b.until(`[...document.querySelectorAll('button')].some((e) => e.textContent === 'Stop recording' && e.getAttribute('aria-pressed') === 'true')`)
	b.shot("playground-recording")
	b.click("button", "Stop recording")
	b.until(`document.querySelectorAll('.attached li').length === 1`)
	b.until(`tracks.length === 1 && tracks[0].readyState === 'ended'`)

	file := filepath.Join(t.TempDir(), "pixel.png")
	if err := os.WriteFile(file, pixel, 0o600); err != nil {
		t.Fatal(err)
	}
	b.choose("[name=picture]", file)
	b.until(`document.querySelectorAll('.attached li').length === 2`)
	b.fill("message", "What is this?")
	b.press(kb.Enter)
	b.until(`document.querySelector('.said.assistant .meta')`)
	kinds := eval[string](b, `sent[0].messages.at(-1).content.map((c) => c.type + (c.input_audio ? ' ' + c.input_audio.format + ' ' + atob(c.input_audio.data.slice(0, 8)).slice(0, 4) : c.image_url ? ' ' + c.image_url.url.slice(0, 22) : '')).join(', ')`)
	if want := "input_audio wav RIFF, image_url data:image/png;base64,, text"; kinds != want {
		t.Errorf("what was sent is %q; want %q", kinds, want)
	}

	// The microphone is off once the page is left, whatever was pressed.
	b.click("button", "Record")
	b.until(`tracks.length === 2`)
	b.click("button", "Speech")
	b.until(`tracks[1].readyState === 'ended'`)
	b.click("button", "Chat")
	b.click("button", "Record")
	b.until(`tracks.length === 3`)
	b.visit("#/nodes")
	b.until(`tracks[2].readyState === 'ended'`)

	// Where it is refused the page says what to do.
	b.visit("#/playground?model=smart")
	eval[chromedp.Void](b, `navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('denied', 'NotAllowedError')), undefined`)
	b.click("button", "Record")
	b.sees("The microphone cannot be used")
	b.until(`[...document.querySelectorAll('button')].some((e) => e.textContent === 'Record' && !e.disabled)`)
}

// TestPlaygroundAnswersEnd where something else is tried: nobody reads them, and
// they cost.
func TestPlaygroundAnswersEnd(t *testing.T) {
	t.Parallel()
	g := theGateway(t)
	b := openTab(t, g)
	b.signIn(operatorToken)
	b.visit("#/playground?model=demo/echo%3Fchunk_delay_ms%3D200")
	eval[chromedp.Void](b, `(() => {
		const real = window.fetch;
		window.ended = 0;
		window.fetch = (path, init) => { if (path.endsWith('/chat/completions')) init.signal.addEventListener('abort', () => ended++); return real(path, init); };
	})()`)
	for i, name := range []string{"New conversation", "Speech"} {
		b.fill("message", strings.Repeat("ends ", 300))
		b.press(kb.Enter)
		b.until(`document.querySelector('.said.assistant .text')?.textContent.length > 5`)
		b.click("button", name)
		b.until(`ended > ` + itoa(i))
	}
}

// attach gives a file to the input of that name.
func (b *tab) attach(name, file, kind string, data []byte) {
	b.t.Helper()
	b.until(`document.querySelector('input[type=file][name=` + name + `]')`)
	eval[chromedp.Void](b, `(() => { const i = document.querySelector('input[type=file][name=`+name+`]'), d = new DataTransfer(); d.items.add(new File([Uint8Array.from(atob('`+base64.StdEncoding.EncodeToString(data)+
		`'), (c) => c.charCodeAt(0))], `+quote(file)+`, {type: '`+kind+`'})); i.files = d.files; i.dispatchEvent(new Event('change', {bubbles: true})); })()`)
}

// sound is half a second of silence as a WAV file.
func sound() []byte {
	const n = 8000
	head := []byte("RIFF\x64\x1f\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data\x40\x1f\x00\x00")
	return append(head, make([]byte, n)...)
}

// pixel is a PNG.
var pixel = []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x04\x00\x00\x00\xb5\x1c\x0c\x02\x00\x00\x00\x0bIDATx\xdac\xfc\xff\x1f\x00\x03\x03\x02\x00\xef\xbf\xa7\xdb\x00\x00\x00\x00IEND\xaeB`\x82")

// TestPlaygroundChat: several turns that stream, with a picture and a sound, in
// the operator's own name and with a key; what it costs is seen, and hostile
// text stays text.
func TestPlaygroundChat(t *testing.T) {
	t.Parallel()
	g := theGateway(t)
	b := openTab(t, g)
	b.signIn(operatorToken)
	b.visit("#/playground?model=smart")
	say := func(text string, answers int) {
		t.Helper()
		b.fill("message", text)
		b.press(kb.Enter)
		b.until(`document.querySelectorAll('.said.assistant .meta').length === ` + itoa(answers) + ` && !document.querySelector('.composer [type=submit]').disabled`)
	}
	say(harm, 1)
	b.sees(harm)
	b.noMarkup()
	b.attach("picture", "pixel.png", "image/png", pixel)
	b.attach("sound", harm+".wav", "audio/wav", sound())
	b.until(`document.querySelectorAll('.attached li').length === 2`)
	say("What is this?", 2)
	b.until(`document.querySelector('.said.user img') && document.querySelector('.said.user audio')`)
	if costs := eval[[]string](b, `[...document.querySelectorAll('.said .meta b')].map((e) => e.textContent)`); len(costs) != 2 || !strings.HasPrefix(costs[1], "$0.0") {
		t.Errorf("the answers cost %q", costs)
	}
	b.noMarkup()
	b.shot("playground-chat")
	id := eval[string](b, `document.querySelector('.said .meta a').hash.split('/').at(-1)`)
	g.until("/admin/ledger/"+id, `"origin":"playground"`)

	// With a key that may not: the refusal is shown where the answer would be.
	b.fill("key", internKey)
	b.fill("message", "hello")
	b.press(kb.Enter)
	b.sees("interns cannot ask smart: ask for parrot/green")
	if said := b.complaints(); len(said) != 1 || !strings.Contains(said[0], "403") {
		t.Errorf("the console says %q; want the refusal alone", said)
	}
	if kept := eval[string](b, `JSON.stringify(localStorage) + JSON.stringify(sessionStorage) + location.href`); strings.Contains(kept, internKey) {
		t.Error("the key is kept beyond the page")
	}

	// Side by side, and an answer that is stopped.
	b.fill("key", callerKey)
	eval[chromedp.Void](b, `(() => { const set = (n, v) => { const s = document.querySelector('[name=' + n + ']'); s.value = v; s.dispatchEvent(new Event('change', {bubbles: true})); }; set('other', 'demo/think'); })()`)
	say("Compare", 2)
	b.until(`[...document.querySelectorAll('.thought')].some((e) => e.checkVisibility())`)
	b.shot("playground-compare")
}

func itoa(n int) string { return string(rune('0' + n)) }

// TestPlaygroundStops: Stop ends an answer that is being written, and its request.
func TestPlaygroundStops(t *testing.T) {
	t.Parallel()
	g := theGateway(t)
	b := openTab(t, g)
	b.signIn(operatorToken)
	b.visit("#/playground?model=demo/echo%3Fchunk_delay_ms%3D200") // a minute of words: the machine may be busy
	b.fill("message", strings.Repeat("word ", 300))
	b.press(kb.Enter)
	b.until(`document.querySelector('.said.assistant .text')?.textContent.length > 10`)
	b.click("button", "Stop")
	b.sees("Stopped.")
	b.until(`!document.querySelector('.composer [type=submit]').disabled`)
	g.until("/admin/ledger?origin=playground", `"status":499`)
}

// TestPlaygroundMedia: speech, pictures and transcriptions.
func TestPlaygroundMedia(t *testing.T) {
	t.Parallel()
	g := theGateway(t)
	b := openTab(t, g)
	b.signIn(operatorToken)
	b.visit("#/playground")
	b.click("button", "Speech")
	b.fill("input", "hello")
	b.click("button[type=submit]", "Speak")
	b.until(`document.querySelector('.play audio') && document.querySelector('.play .meta a')`)
	b.click("button", "Pictures")
	b.fill("prompt", harm)
	b.click("button[type=submit]", "Make")
	b.until(`document.querySelector('.pictures img')?.naturalWidth > 0`)
	b.noMarkup()
	b.click("button", "Transcription")
	b.attach("file", "note.wav", "audio/wav", sound())
	b.click("button[type=submit]", "Transcribe")
	b.sees("bytes of audio")
	b.shot("playground-transcription")
}
