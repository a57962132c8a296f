package filters

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/signalbox-ai/signalbox/host/trust"
	"github.com/signalbox-ai/signalbox/host/wasm"
	"github.com/signalbox-ai/signalbox/host/wasm/record"
	"github.com/signalbox-ai/signalbox/sdk/abi"
	"github.com/signalbox-ai/signalbox/sdk/module"
)

var runtime *wasm.Runtime

func TestMain(m *testing.M) {
	var err error
	if runtime, err = wasm.New(wasm.Options{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// load readies one of the shipped filters, or says why it is refused.
func load(t testing.TB, name, config string) (*wasm.Slot, error) {
	t.Helper()
	code, manifest, err := wasm.Open(name+"/"+name+".wasm", module.Filter, trust.Keys{})
	if err != nil {
		t.Fatal(err)
	}
	v, err := runtime.Load(wasm.Module{Name: name, Code: code, Manifest: manifest, Config: record.Config(name, []byte(config), ""),
		Strict: config != "", Entry: "sb_filter", Params: 2, State: wasm.NewState(slog.New(slog.DiscardHandler))})
	if err != nil {
		return nil, err
	}
	t.Cleanup(v.Close)
	slot := &wasm.Slot{}
	slot.Swap(v)
	return slot, nil
}

func mustLoad(t testing.TB, name, config string) *wasm.Slot {
	t.Helper()
	slot, err := load(t, name, config)
	if err != nil {
		t.Fatal(err)
	}
	return slot
}

// channel is what the host keeps of one channel.
type channel struct {
	number   uint32
	tail     []byte
	state    []byte
	out      strings.Builder
	findings uint32
	held     int // at most
	ended    string
}

// show gives a filter what has come, and takes what it lets go on.
func (c *channel) show(t testing.TB, slot *wasm.Slot, text string, final bool) {
	if c.ended != "" {
		return
	}
	c.tail = append(c.tail, text...)
	for c.ended == "" {
		n := min(len(c.tail), abi.MaxWindow)
		for n < len(c.tail) && !utf8.RuneStart(c.tail[n]) {
			n--
		}
		w := record.Window{Channel: c.number, Kind: abi.KindChat, Text: c.tail[:n], State: c.state}
		if final && n == len(c.tail) {
			w.Flags = abi.WindowFinal
		}
		v := call(t, slot, &w)
		c.findings += v.Findings
		c.state = append([]byte(nil), v.State...)
		switch v.Action {
		case abi.ActionBlock:
			c.ended = string(v.Reason)
			return
		case abi.ActionPass, abi.ActionEscalate:
			c.out.Write(c.tail[:v.Consumed])
		case abi.ActionReplace:
			c.out.Write(v.Output)
		}
		c.tail = c.tail[v.Consumed:]
		if len(c.tail) == 0 || w.Flags&abi.WindowFinal != 0 || n < abi.MaxWindow {
			break
		}
	}
	if !final && c.ended == "" {
		c.held = max(c.held, len(c.tail))
	}
}

func call(t testing.TB, slot *wasm.Slot, w *record.Window) record.Verdict {
	t.Helper()
	in, err := slot.Acquire()
	if err != nil {
		t.Fatal(err)
	}
	b, err := in.Buffer(w.Size())
	if err == nil {
		w.Encode(b)
		var answer []byte
		if answer, err = in.Call(w.Size()); err == nil {
			var v record.Verdict
			if v, err = record.ReadVerdict(answer, w); err == nil {
				v.Output, v.State, v.Reason = clone(v.Output), clone(v.State), clone(v.Reason)
				in.Release(nil)
				return v
			}
		}
	}
	in.Release(err)
	t.Fatalf("window of %d bytes, flags %d, state %x: %v\n%q", len(w.Text), w.Flags, w.State, err, w.Text)
	return record.Verdict{}
}

func clone(b []byte) []byte { return append([]byte(nil), b...) }

// screen shows a text in pieces that end at cuts.
func screen(t testing.TB, slot *wasm.Slot, number uint32, text string, cuts ...int) *channel {
	c := &channel{number: number}
	from := 0
	for _, to := range cuts {
		if to > from && to < len(text) && utf8.RuneStart(text[to]) {
			c.show(t, slot, text[from:to], false)
			from = to
		}
	}
	c.show(t, slot, text[from:], true)
	return c
}

// anyChunking checks that how texts are cut makes no difference, and that no
// more than 256 bytes wait.
func anyChunking(t *testing.T, slot *wasm.Slot, number uint32, pieces []string) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		var b strings.Builder
		for range 1 + rng.IntN(6) {
			p := pieces[rng.IntN(len(pieces))]
			if rng.IntN(3) == 0 {
				p = strings.ToValidUTF8(p[rng.IntN(len(p)):], "")
			}
			b.WriteString(p)
		}
		text := b.String()
		var cuts []int
		for at := rng.IntN(8); at < len(text); at += 1 + rng.IntN(1+rng.IntN(2)*60+3) {
			cuts = append(cuts, at)
		}
		whole, cut := screen(t, slot, number, text), screen(t, slot, number, text, cuts...)
		if whole.ended != cut.ended || whole.ended == "" && (whole.out.String() != cut.out.String() || whole.findings != cut.findings) {
			t.Fatalf("%q cut at %v\ngives %q %s, %d found\nwhole %q %s, %d found", text, cuts, cut.out.String(), cut.ended, cut.findings,
				whole.out.String(), whole.ended, whole.findings)
		}
		if cut.held > 256 {
			t.Fatalf("%q cut at %v: %d bytes wait", text, cuts, cut.held)
		}
	}
}

// refuses checks that a configuration is not accepted.
func refuses(t *testing.T, name, config string) {
	t.Helper()
	if _, err := load(t, name, config); err == nil {
		t.Errorf("%s accepts %s", name, config)
	}
}
